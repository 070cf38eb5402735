/** Requests that no guest may make; the doctor sends them as a guest, as dry runs. */
import type { GuardName } from "../../api/mod.ts";

/** A request in a guest namespace that must be refused. */
export interface GuestAttack {
  /** The forbidden thing, in a few words. */
  title: string;
  /** Path below the namespace's, such as `/api/v1/…/pods`. */
  path: (namespace: string) => string;
  body: Record<string, unknown>;
  /** The guard that has to refuse it; otherwise Pod Security or the guest's missing rights. */
  guard?: GuardName;
  /** Guards that may refuse it before. */
  or?: readonly GuardName[];
  /** Source of the refusal if no guard refuses it. */
  by?: "Pod Security" | "rights";
}

const core = (plural: string) => (namespace: string) => `/api/v1/namespaces/${namespace}/${plural}`;
const group = (name: string, plural: string) => (namespace: string) =>
  `/apis/${name}/namespaces/${namespace}/${plural}`;

const metadata = { generateName: "keystone-doctor-" };

/** A pod that is allowed at every level of Pod Security, before `spec` is merged into it. */
const pod = (spec: Record<string, unknown>, container: Record<string, unknown> = {}) => ({
  metadata,
  spec: {
    containers: [{
      name: "main",
      image: "example.com/none:1",
      securityContext: {
        allowPrivilegeEscalation: false,
        runAsNonRoot: true,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...container,
    }],
    ...spec,
  },
});

const workload = (spec: Record<string, unknown>) => ({
  metadata,
  spec: {
    selector: { matchLabels: { app: "keystone-doctor" } },
    template: { ...pod({}), metadata: { labels: { app: "keystone-doctor" } } },
    ...spec,
  },
});

const claim = (spec: Record<string, unknown>) => ({
  metadata,
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1" } }, ...spec },
});

export const guestAttacks: readonly GuestAttack[] = [
  {
    title: "a pod with a folder of the node",
    path: core("pods"),
    body: pod({ volumes: [{ name: "node", hostPath: { path: "/" } }] }),
    by: "Pod Security",
  },
  {
    title: "a privileged pod",
    path: core("pods"),
    body: pod({}, { securityContext: { privileged: true } }),
    by: "Pod Security",
  },
  {
    title: "a pod in the node's network",
    path: core("pods"),
    body: pod({ hostNetwork: true }),
    by: "Pod Security",
  },
  { title: "a pod that chooses its node", path: core("pods"), body: pod({ nodeName: "any" }), guard: "node-name" },
  {
    title: "a workload whose pods choose their node",
    path: group("apps/v1", "deployments"),
    body: workload({
      template: { ...pod({ nodeName: "any" }), metadata: { labels: { app: "keystone-doctor" } } },
    }),
    guard: "node-name",
  },
  {
    title: "a pod with a device that no grant gives",
    path: core("pods"),
    body: pod({}, {
      securityContext: pod({}).spec.containers[0]!.securityContext,
      resources: { limits: { "doctor.keystone.io/none": "1" } },
    }),
    guard: "devices",
  },
  {
    title: "a workload with two billion replicas",
    path: group("apps/v1", "deployments"),
    body: workload({ replicas: 2_147_483_647 }),
    guard: "replicas",
  },
  {
    title: "a Service that takes over an address",
    path: core("services"),
    body: { metadata, spec: { ports: [{ port: 80 }], externalIPs: ["192.0.2.1"] } },
    guard: "external-ips",
  },
  {
    title: "a claim of a certain volume",
    path: core("persistentvolumeclaims"),
    body: claim({ volumeName: "any" }),
    guard: "volume-name",
    or: ["claim-class", "storage-class"],
  },
  {
    title: "a claim of a volume that others made",
    path: core("persistentvolumeclaims"),
    body: claim({ storageClassName: "" }),
    guard: "claim-class",
  },
  {
    title: "a Secret with a token that never expires",
    path: core("secrets"),
    body: {
      metadata: { ...metadata, annotations: { "kubernetes.io/service-account.name": "default" } },
      type: "kubernetes.io/service-account-token",
    },
    guard: "account-tokens",
  },
  {
    title: "a ConfigMap with a variable that hands out devices",
    path: core("configmaps"),
    body: { metadata, data: { NVIDIA_VISIBLE_DEVICES: "all" } },
    guard: "device-keys",
  },
  {
    title: "an object that can't be deleted",
    path: core("configmaps"),
    body: { metadata: { ...metadata, finalizers: ["example.com/keystone-doctor"] } },
    guard: "finalizers",
  },
  {
    title: "a token",
    path: (namespace) => `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} },
    by: "rights",
  },
  {
    title: "a RoleBinding",
    path: group("rbac.authorization.k8s.io/v1", "rolebindings"),
    body: { metadata, roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" } },
    by: "rights",
  },
  {
    title: "a NetworkPolicy",
    path: group("networking.k8s.io/v1", "networkpolicies"),
    body: { metadata, spec: { podSelector: {}, egress: [{}], policyTypes: ["Egress"] } },
    by: "rights",
  },
  {
    title: "a ResourceQuota",
    path: core("resourcequotas"),
    body: { metadata, spec: { hard: { pods: "1" } } },
    by: "rights",
  },
  {
    title: "an EndpointSlice",
    path: group("discovery.k8s.io/v1", "endpointslices"),
    body: { metadata, addressType: "IPv4", endpoints: [] },
    by: "rights",
  },
];
