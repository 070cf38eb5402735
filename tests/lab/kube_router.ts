import { adminClient } from "./apiserver.ts";
import { runCommand } from "./command.ts";
import { readTextFileIfExists } from "./lab_files.ts";
import { bothFamilies, type NodeNetwork } from "./node_network.ts";
import { NODE_NAME, onNode } from "./node.ts";
import type { PartSpec } from "./part.ts";
import { ask } from "./probe.ts";

/** kube-router's user in the API server; its role is in {@link kubeRouterObjects}. */
export const KUBE_ROUTER_USER = "kube-router";

/**
 * The real kube-router, the policy controller that k3s embeds, with only NetworkPolicies enabled, which it enforces by
 * iptables rules and ipsets on the node. It is ready when a policy denies and another one allows traffic, in both
 * families.
 */
export function kubeRouter(
  binaries: { kubeRouter: string; agnhost: string },
  dir: string,
  server: string,
  network: NodeNetwork,
): PartSpec {
  return onNode(dir, {
    name: "kube-router",
    command: "/bin/sh",
    args: [
      "-c",
      `PATH=$0:$PATH exec "$@"`,
      `${dir}/node/kube-router`,
      binaries.kubeRouter,
      "--run-firewall=true",
      "--run-router=false",
      "--run-service-proxy=false",
      "--run-loadbalancer=false",
      "--enable-ipv4=true",
      "--enable-ipv6=true",
      `--hostname-override=${NODE_NAME}`,
      `--service-cluster-ip-range=${bothFamilies(network, "services").join(",")}`,
      `--kubeconfig=${dir}/users/${KUBE_ROUTER_USER}.kubeconfig`,
      "--metrics-port=0",
    ],
    ready: () => dnsIsFenced(binaries.agnhost, dir, server),
  });
}

/**
 * kube-router's role, and the policy that its readiness check uses: the port of the kubelet's probes is closed to all
 * others.
 */
export const kubeRouterObjects: Record<string, unknown>[] = [
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name: "kube-router" },
    rules: [
      {
        apiGroups: [""],
        resources: ["namespaces", "pods", "services", "nodes", "endpoints"],
        verbs: ["get", "list", "watch"],
      },
      { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["get", "list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list", "watch"] },
    ],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "kube-router" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kube-router" },
    subjects: [{ kind: "User", name: KUBE_ROUTER_USER, apiGroup: "rbac.authorization.k8s.io" }],
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "coredns", namespace: "kube-system" },
    spec: {
      podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
      policyTypes: ["Ingress"],
      ingress: [{
        ports: [
          { protocol: "UDP" },
          { protocol: "TCP", port: 1, endPort: 8079 },
          { protocol: "TCP", port: 8081, endPort: 65535 },
        ],
      }],
    },
  },
];

/** Allows neighbor discovery between pods and the node: without it no IPv6 traffic of pods works. */
const NEIGHBOURS = ["solicitation", "advertisement"].map((type) =>
  `-I KUBE-ROUTER-INPUT 1 -p icmpv6 --icmpv6-type neighbour-${type} -m comment --comment lab-neighbours -j ACCEPT`
);

/**
 * Wrappers that come before the machine's programs in kube-router's PATH, because version 2.1.0 has bugs with IPv6
 * beside IPv4:
 *
 * - IPv6 sets have a prefix, which IPv6 rules leave out, so that none of them would load;
 * - pods whose egress a policy selects are denied neighbor discovery;
 * - each family's part reads back the sets of both families and restores those of the other one change late. Without
 *   anything read back, it writes its sets in full each time, which is correct.
 */
const CORRECTIONS = {
  "ip6tables-restore": [
    "sed -e 's/--match-set KUBE-/--match-set inet6:KUBE-/g' \\",
    "  -e '/lab-neighbours/d' \\",
    ...NEIGHBOURS.map((rule) => `  -e '/^COMMIT/i ${rule}' \\`),
    '  | ip6tables-restore "$@"',
  ].join("\n"),
  "ipset": `[ "$1" = save ] || exec ipset "$@"`,
};

/** Writes the wrappers for {@link kubeRouter}. */
export function prepareKubeRouter(dir: string): void {
  Deno.mkdirSync(`${dir}/node/kube-router`);
  for (const [name, script] of Object.entries(CORRECTIONS)) {
    const text = `#!/bin/sh\nPATH=\${PATH#*:} # without this folder\n${script}\n`;
    Deno.writeTextFileSync(`${dir}/node/kube-router/${name}`, text, { mode: 0o755 });
  }
}

const OPEN = 53;
const CLOSED = 8080;

/**
 * Connects to the cluster's DNS from the outside network: the allowed port must be open, or a closed one would prove
 * nothing.
 */
async function dnsIsFenced(agnhost: string, dir: string, server: string): Promise<true | string> {
  const addresses = await dnsAddresses(dir, server);
  if (typeof addresses === "string") return addresses;
  const outside = readTextFileIfExists(`${dir}/run/outside.pid`)?.trim();
  const tries = addresses.flatMap((address) => [OPEN, CLOSED].map((port) => ({ address, port })));
  const wrong = await Promise.all(tries.map(async ({ address, port }) => {
    const to = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
    const { code } = await runCommand("nsenter", [
      `--target=${outside}`,
      "--net",
      "--",
      agnhost,
      "connect",
      to,
      "--timeout=1s",
    ]);
    return (code === 0) === (port === OPEN)
      ? []
      : [`${to} is ${code === 0 ? "open" : "closed"} from the outside network`];
  }));
  return wrong.flat().join(", ") || true;
}

/** Returns the addresses of the DNS pod, of both families. */
async function dnsAddresses(dir: string, server: string): Promise<string[] | string> {
  const selector = encodeURIComponent("k8s-app=kube-dns");
  const answer = await ask(`${server}/api/v1/namespaces/kube-system/pods?labelSelector=${selector}`, adminClient(dir));
  if (typeof answer === "string") return answer;
  if (answer.status !== 200) return `CoreDNS: status ${answer.status}`;
  const { items } = JSON.parse(answer.body) as { items: { status: { podIPs?: { ip: string }[] } }[] };
  const addresses = items.flatMap(({ status }) => (status.podIPs ?? []).map(({ ip }) => ip));
  return addresses.length >= 2 ? addresses : `CoreDNS has ${addresses.length} of 2 addresses`;
}
