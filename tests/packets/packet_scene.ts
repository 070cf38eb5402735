/** The lab with an operator that enforces the grants, a pod of each guest, and other pods. */
import assert from "node:assert/strict";
import { parseSettings } from "../../src/api/mod.ts";
import {
  eventually,
  prepared,
  realmOf,
  root,
  startOperator,
  type TestCluster,
  type TestOperator,
} from "../fixtures/test_operator.ts";
import { namesOf, tailnetOf } from "../fixtures/stand_ins.ts";
import type { Lab } from "../lab/lab.ts";
import { HOME_NETWORK } from "../lab/outside.ts";
import { nodeProcess, outsideProcess, podProcesses, tryAll } from "../lab/packets.ts";
import { poll } from "../lab/poll.ts";
import type { NodeNetwork } from "../lab/node_network.ts";
import { readState } from "../lab/lab_state.ts";
import { agnhostPod } from "../lab/lab_workloads.ts";
import type { Place } from "./oracle.ts";
import {
  contractNamespace,
  EARLY,
  grantObjects,
  GRANTOR,
  type GrantText,
  MOVING,
  NAMES,
  packetRealm,
  REALMS,
} from "./packet_contracts.ts";

/** A pod that sends and receives packets. */
export interface LivePod {
  name: string;
  namespace: string;
  /** Addresses of both families. */
  ips: string[];
  /** A process in its network namespace. */
  pid: number;
}

/** An address that is translated to a pod or to the API server. */
export interface LiveService {
  name: string;
  ip: string;
  servicePort: number;
  to: Place;
  port: number;
  protocol: "TCP" | "UDP";
}

export interface PacketScene extends AsyncDisposable {
  lab: Lab;
  cluster: TestCluster;
  operator: TestOperator;
  /** Pods by namespace and name, such as `guest-web/one`. */
  pods: Map<string, LivePod>;
  node: number;
  outside: number;
  /** The node's addresses: in the cluster and in the home network, both in IPv4 and IPv6. */
  nodeAddresses: string[];
  services: LiveService[];
  /** The cluster's own ranges, which no grant opens. */
  ownRanges: string[];
  kubectl(args: string[], stdin?: string): Promise<string>;
  /** Applies an object, such as a pod, without waiting for it; {@link PacketScene.live} does. */
  create(object: string): Promise<void>;
  /** Waits until all pods run, and reads them again. */
  live(): Promise<void>;
  /** Creates a realm and its grants, and returns when they are in force. */
  lend(realm: string, grants: readonly GrantText[]): Promise<void>;
  /** Returns when all policies written so far are enforced. */
  enforced(): Promise<void>;
}

const OTHERS = [
  ["kube-system", "metrics-server"],
  ["elsewhere", "target"],
  ["elsewhere", "control"],
] as const;

export const netexec = (namespace: string, name: string, labels: Record<string, string> = {}): string =>
  agnhostPod({ name, namespace, labels: { app: name, ...labels } }, ["netexec", "--http-port=8080", "--udp-port=8081"]);

/** Returns a pod in the host's network, in place of a process on the node. */
function onNode(): string {
  const pod = JSON.parse(netexec("kube-system", "on-node"));
  return JSON.stringify({ ...pod, spec: { ...pod.spec, hostNetwork: true } });
}

/** Starts the scene in a lab that enforces policies. */
export async function packetScene(lab: Lab): Promise<PacketScene> {
  await using starting = new AsyncDisposableStack();
  const cluster = starting.use(await prepared(lab));
  const kubectl = async (args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(args, {
      ...(stdin === undefined ? {} : { stdin }),
      timeoutMs: 180_000,
    });
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  await kubectl(["apply", "-k", `${root}deploy/kustomize/base`]);
  const tailnet = tailnetOf(
    { name: GRANTOR.name, stableID: "n-alice", addresses: [...GRANTOR.addresses], online: true },
    ...[...REALMS, MOVING, EARLY].filter(({ addresses }) => addresses.length > 0).map(({ name, addresses }) => ({
      name,
      stableID: `n-${name}`,
      addresses: [...addresses],
      online: true,
    })),
  );
  const operator = starting.use(
    await startOperator(lab, {
      kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
      realm: GRANTOR.name,
      tailnet,
      names: namesOf(new Map(Object.entries(NAMES))),
      settings: parseSettings({}),
    }),
  );
  const objects = [...REALMS.map(packetRealm), ...REALMS.flatMap(grantObjects)];
  await kubectl(["apply", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  await settled(cluster);

  const { node: network, ports } = readState(lab.dir)!;
  const pods = new Map<string, LivePod>();
  const [node, outside] = [nodeProcess(lab.dir), outsideProcess(lab.dir)];
  const create = async (object: string) => void await kubectl(["apply", "-f", "-"], object);
  const live = async () => {
    await eventually("all pods run", async () => {
      const { items } = JSON.parse(
        await kubectl(["get", "pods", "--all-namespaces", "--field-selector=status.phase!=Succeeded", "--output=json"]),
      ) as {
        items: {
          metadata: { name: string; namespace: string; uid: string };
          status: { conditions?: { type: string; status: string }[]; podIPs?: { ip: string }[] };
        }[];
      };
      const processes = podProcesses(lab.dir);
      const isReady = ({ status }: typeof items[number]) =>
        status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
      pods.clear();
      for (const { metadata: { name, namespace, uid }, status } of items.filter(isReady)) {
        const pid = processes.get(uid);
        if (pid !== undefined) {
          pods.set(`${namespace}/${name}`, { name, namespace, ips: (status.podIPs ?? []).map(({ ip }) => ip), pid });
        }
      }
      return pods.size === items.length || `${pods.size} of ${items.length} run`;
    }, 90_000);
  };
  const lend = async (name: string, grants: readonly GrantText[]) => {
    const objects = grantObjects({ name, trust: "partner", grants });
    const applied = await cluster.apply(realmOf(name), ...objects);
    assert.equal(applied.code, 0, applied.said);
    for (const { metadata } of objects) await cluster.grantIn("Active", metadata!.name!, 30_000);
    await kubectl(["wait", "serviceaccount/default", `--namespace=guest-${name}`, "--for=create", "--timeout=20s"]);
  };
  const enforced = async () => {
    const name = `barrier-${crypto.randomUUID().slice(0, 8)}`;
    const { ips } = pods.get("elsewhere/target")!;
    const isOpen = async () => {
      const tries = ips.map((to) => ({ to, port: 8080, protocol: "TCP" as const }));
      const reached = await tryAll(pods.get("elsewhere/control")!.pid, tries, { withinMs: 300 });
      return reached.some((each) => each);
    };
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name, namespace: "elsewhere" },
      spec: { podSelector: { matchLabels: { app: "target" } }, policyTypes: ["Ingress"] },
    };
    assert.ok(await isOpen(), "the barrier has to be open before it is closed");
    await kubectl(["create", "-f", "-"], JSON.stringify(policy));
    await poll("the last policy written is enforced", async () => !await isOpen() || "it isn't", {
      withinMs: 60_000,
    });
    await kubectl(["delete", "networkpolicy", name, "--namespace=elsewhere"]);
    await poll("the deleted policy is no longer enforced", async () => await isOpen() || "it isn't", {
      withinMs: 60_000,
    });
  };

  await create(JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "elsewhere" } }));
  for (const namespace of ["elsewhere", ...REALMS.map(contractNamespace)]) {
    await kubectl(["wait", "serviceaccount/default", `--namespace=${namespace}`, "--for=create", "--timeout=20s"]);
  }
  await Promise.all([
    ...OTHERS.map(([namespace, name]) => create(netexec(namespace, name))),
    create(onNode()),
    ...REALMS.map((realm) => create(netexec(contractNamespace(realm), "one"))),
    ...REALMS.slice(0, 2).map((realm) => create(netexec(contractNamespace(realm), "two"))),
  ]);
  await live();
  starting.use(listenBesideDns(lab.dir, pods));
  const nodeAddresses = [network!.node, HOME_NETWORK.node.ipv4, network!.ipv6!.node, HOME_NETWORK.node.ipv6];
  const services = [
    ...apiServices(network!, ports.apiserver),
    ...await exposed(kubectl, pods, nodeAddresses),
    ...dnsServices(network!, pods),
  ];
  const all = starting.move();
  return {
    lab,
    cluster,
    operator,
    pods,
    node,
    outside,
    nodeAddresses,
    services,
    ownRanges: [
      network!.pods,
      network!.services,
      network!.node,
      network!.ipv6!.pods,
      network!.ipv6!.services,
      network!.ipv6!.node,
      network!.host,
    ],
    kubectl,
    create,
    live,
    lend,
    enforced,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Waits until each grant has the phase of its text, and its policies exist. */
async function settled(cluster: TestCluster): Promise<void> {
  const later = new Map(
    REALMS.flatMap((realm) =>
      grantObjects(realm).map(({ metadata, spec }) =>
        [metadata!.name!, spec.validity?.validFrom !== undefined] as const
      )
    ),
  );
  await eventually("each grant is in force, or not yet", async () => {
    const { items } = await cluster.grants.list();
    const own = items.filter(({ metadata }) => later.has(metadata.name!));
    const late = own.filter(({ metadata, status }) => {
      const network = status?.conditions?.find(({ type }) => type === "NetworkApplied");
      return later.get(metadata.name!)
        ? status?.phase !== "Pending"
        : status?.phase !== "Active" || !network || network.reason === "Applying";
    });
    return late.length === 0 || `${late[0]!.metadata.name}: ${late[0]!.status?.message}`;
  }, 60_000);
}

/** Starts a listener in the DNS pod on another port than 53, so that silence there means a denial. */
function listenBesideDns(dir: string, pods: ReadonlyMap<string, LivePod>): AsyncDisposable {
  const { pid } = [...pods.values()].find(({ name }) => name.startsWith("coredns-"))!;
  const agnhost = [`${dir}/node/outside`, "netexec", "--http-port=54", "--udp-port=54"];
  const child = new Deno.Command("nsenter", {
    args: [`--target=${pid}`, "--net", "--", ...agnhost],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

const apiServices = ({ host, kubernetes }: NodeNetwork, port: number): LiveService[] => [
  { name: "kubernetes", ip: kubernetes, servicePort: 443, to: { ip: host }, port, protocol: "TCP" },
  { name: "kubernetes' endpoint", ip: host, servicePort: port, to: { ip: host }, port, protocol: "TCP" },
];

function dnsServices({ dns }: NodeNetwork, pods: ReadonlyMap<string, LivePod>): LiveService[] {
  const pod = [...pods.values()].find(({ name }) => name.startsWith("coredns-"))!;
  const to = { ip: pod.ips[0]!, isDns: true as const };
  return (["TCP", "UDP"] as const).map((protocol) => ({
    name: "kube-dns",
    ip: dns,
    servicePort: 53,
    to,
    port: 53,
    protocol,
  }));
}

/** Services of both families for a guest and for another pod, by cluster addresses and node ports. */
async function exposed(
  kubectl: PacketScene["kubectl"],
  pods: ReadonlyMap<string, LivePod>,
  nodeAddresses: readonly string[],
): Promise<LiveService[]> {
  const services: LiveService[] = [];
  for (const [namespace, app, guestOf] of [["elsewhere", "target"], ["guest-household", "one", "household"]] as const) {
    const made = JSON.parse(
      await kubectl(
        ["apply", "-f", "-", "--output=json"],
        JSON.stringify({
          apiVersion: "v1",
          kind: "Service",
          metadata: { name: "served", namespace },
          spec: {
            type: "NodePort",
            ipFamilyPolicy: "RequireDualStack",
            selector: { app },
            ports: [
              { name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 },
              { name: "udp", protocol: "UDP", port: 80, targetPort: 8081 },
            ],
          },
        }),
      ),
    ) as { spec: { clusterIPs: string[]; ports: { protocol: "TCP" | "UDP"; targetPort: number; nodePort: number }[] } };
    for (const { protocol, targetPort, nodePort } of made.spec.ports) {
      const places = [
        ...made.spec.clusterIPs.map((ip) => ({ ip, servicePort: 80, name: `${namespace}/served` })),
        ...nodeAddresses.map((ip) => ({ ip, servicePort: nodePort, name: `${namespace}/served at the node` })),
      ];
      for (const { ip, servicePort, name } of places) {
        const pod = pods.get(`${namespace}/${app}`)!;
        const to = {
          ip: pod.ips.find((own) => own.includes(":") === ip.includes(":"))!,
          ...(guestOf ? { guestOf } : {}),
        };
        services.push({ name, ip, servicePort, to, port: targetPort, protocol });
      }
    }
  }
  return services;
}
