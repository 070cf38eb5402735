import { bothFamilies, type NodeNetwork } from "./node_network.ts";
import type { LabPorts, PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/**
 * The audit policy. To keep the log small and readable it leaves out the API server's own requests, the control plane's
 * reads, and health probes. Every other request is one event of level Metadata when its response is complete.
 */
export const AUDIT_POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "None", users: ["system:apiserver"] },
    {
      level: "None",
      users: ["system:kube-controller-manager", "system:kube-scheduler"],
      verbs: ["get", "list", "watch"],
    },
    { level: "None", userGroups: ["system:serviceaccounts:kube-system"], verbs: ["get", "list", "watch"] },
    { level: "None", nonResourceURLs: ["/healthz*", "/readyz*", "/livez*"] },
    { level: "Metadata" },
  ],
};

/** The authorizers of real clusters. The API server reads the file again when it changes, so tests can add some. */
export const AUTHORIZATION = {
  apiVersion: "apiserver.config.k8s.io/v1",
  kind: "AuthorizationConfiguration",
  authorizers: [{ type: "Node", name: "node" }, { type: "RBAC", name: "rbac" }],
};

const NO_NODE = [
  // No pod needs the `kubernetes` Service here, and its endpoints may not be on loopback.
  "--endpoint-reconciler-type=none",
  "--service-cluster-ip-range=10.96.0.0/16",
];

/** Returns the address on which all servers listen that pods must reach, if there are pods. */
export function labAddress(network: NodeNetwork | undefined): string {
  return network?.host ?? "127.0.0.1";
}

/** The real kube-apiserver, on etcd, with the authorization of real clusters. */
export function apiserver(binary: string, dir: string, ports: LabPorts, network?: NodeNetwork): PartSpec {
  const certificates = `${dir}/certificates`;
  const address = labAddress(network);
  return {
    name: "kube-apiserver",
    command: binary,
    args: [
      `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
      `--bind-address=${address}`,
      `--advertise-address=${address}`,
      `--secure-port=${ports.apiserver}`,
      ...(network === undefined ? NO_NODE : [
        `--service-cluster-ip-range=${bothFamilies(network, "services").join(",")}`,
        `--kubelet-certificate-authority=${certificates}/ca.crt`,
        `--kubelet-client-certificate=${certificates}/admin.crt`,
        `--kubelet-client-key=${certificates}/admin.key`,
        "--enable-admission-plugins=NodeRestriction",
      ]),
      `--client-ca-file=${certificates}/ca.crt`,
      `--tls-cert-file=${certificates}/apiserver.crt`,
      `--tls-private-key-file=${certificates}/apiserver.key`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${certificates}/service-accounts.pub`,
      `--service-account-signing-key-file=${certificates}/service-accounts.key`,
      `--authorization-config=${dir}/authorization.yaml`,
      "--allow-privileged=true",
      "--kubelet-preferred-address-types=InternalIP",
      `--audit-policy-file=${dir}/audit-policy.yaml`,
      `--audit-log-path=${dir}/logs/audit.log`,
      "--audit-log-maxsize=4000", // MB: large, because a rotation would lose a reading test's position
    ],
    ready: () => probeOnce(`https://${address}:${ports.apiserver}/readyz`, adminClient(dir)),
  };
}

/** Returns the HTTP client options to call the API server as the admin. */
export function adminClient(dir: string): Deno.CreateHttpClientOptions & Deno.TlsCertifiedKeyPem {
  const read = (file: string) => Deno.readTextFileSync(`${dir}/certificates/${file}`);
  return { caCerts: [read("ca.crt")], cert: read("admin.crt"), key: read("admin.key") };
}
