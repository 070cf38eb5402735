/** The kinds that Keystone reads, each with a plain object that the API server accepts. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import { grantOf, realmOf, superEntityOf } from "../../fixtures/test_operator.ts";
import { guestPod } from "../../lab/lab_workloads.ts";

export interface StoredKind {
  /** Path of the collection. */
  path: string;
  /** Document with the schema: a committed one, or a path of the API server. */
  document: string;
  /** Name of the schema in the document. */
  schema: string;
  plain: KubernetesObject;
  /** A plain status, for kinds whose status is a separate write. */
  status?: unknown;
}

/** Returns all kinds; namespaced objects are in this grantee's guest namespace. */
export function storedKindsOf(grantee: string): StoredKind[] {
  const namespace = `guest-${grantee}`;
  const labels = { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": grantee };
  const named = (apiVersion: string, kind: string, name: string, more: Record<string, unknown>, metadata = {}) => ({
    apiVersion,
    kind,
    metadata: { name, namespace, labels, ...metadata },
    ...more,
  });
  const wide = (apiVersion: string, kind: string, name: string, more: Record<string, unknown> = {}) => ({
    apiVersion,
    kind,
    metadata: { name, labels },
    ...more,
  });
  const pod = JSON.parse(guestPod("pod", { cpu: "10m", memory: "8Mi" }, namespace));
  const template = { metadata: { labels: { app: "x" } }, spec: pod.spec };
  const selector = { matchLabels: { app: "x" } };
  const core = (kind: string, plural: string, plain: KubernetesObject, status?: unknown): StoredKind => ({
    path: plain.metadata?.namespace ? `/api/v1/namespaces/${namespace}/${plural}` : `/api/v1/${plural}`,
    document: "core@v1",
    schema: `io.k8s.api.core.v1.${kind}`,
    plain,
    ...(status === undefined ? {} : { status }),
  });
  const inGroup = (
    group: string,
    plural: string,
    document: string,
    schema: string,
    plain: KubernetesObject,
  ): StoredKind => ({
    path: plain.metadata?.namespace ? `/apis/${group}/namespaces/${namespace}/${plural}` : `/apis/${group}/${plural}`,
    document,
    schema,
    plain,
  });
  const own = (kind: string, plural: string, plain: KubernetesObject, status: unknown): StoredKind => ({
    ...inGroup("keystone.io/v1alpha1", plural, "keystone.io@v1alpha1", `io.keystone.v1alpha1.${kind}`, plain),
    status,
  });
  const workload = (group: string, kind: string, plural: string, spec: unknown): StoredKind => {
    const [name, version] = group.split("/") as [string, string];
    return inGroup(
      group,
      plural,
      `/openapi/v3/apis/${group}`,
      `io.k8s.api.${name}.${version}.${kind}`,
      named(group, kind, kind.toLowerCase(), { spec }),
    );
  };
  const offered = { cpu: "4", memory: "8Gi", pods: "110", "example.com/gpu": "1" };
  const amounts = { "requests.cpu": "2", pods: "10", "requests.example.com/gpu": "0" };
  const condition = {
    type: "Ready",
    status: "True",
    reason: "X",
    message: "x",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  return [
    core("Pod", "pods", pod, { phase: "Running", conditions: [], containerStatuses: [], podIPs: [{ ip: "10.0.0.1" }] }),
    core(
      "Node",
      "nodes",
      wide("v1", "Node", "stored-node", {
        spec: { podCIDR: "10.42.0.0/24", podCIDRs: ["10.42.0.0/24"] },
        status: {
          capacity: offered,
          allocatable: offered,
          addresses: [{ type: "InternalIP", address: "192.0.2.7" }],
          nodeInfo: {},
          images: [{ names: ["x"] }],
        },
      }),
    ),
    core("Namespace", "namespaces", wide("v1", "Namespace", `${namespace}-two`), {
      phase: "Active",
      conditions: [{ ...condition, type: "NamespaceDeletionContentFailure" }],
    }),
    core("ResourceQuota", "resourcequotas", named("v1", "ResourceQuota", "keystone", { spec: { hard: amounts } }), {
      hard: amounts,
      used: amounts,
    }),
    core(
      "LimitRange",
      "limitranges",
      named("v1", "LimitRange", "keystone", {
        spec: {
          limits: [{ type: "Container", default: { cpu: "1" }, defaultRequest: { cpu: "1" }, min: { cpu: "1m" } }, {
            type: "Pod",
            max: { cpu: "4" },
          }],
        },
      }),
    ),
    core(
      "ServiceAccount",
      "serviceaccounts",
      named("v1", "ServiceAccount", "default-two", { secrets: [{ name: "x" }] }),
    ),
    core("ConfigMap", "configmaps", named("v1", "ConfigMap", "keystone", { data: { "grants.yaml": "[]" } })),
    core("Secret", "secrets", named("v1", "Secret", "keystone-webhook", { data: { "tls.crt": "eA==" } })),
    core(
      "Service",
      "services",
      named("v1", "Service", "service", { spec: { selector: { app: "x" }, ports: [{ port: 80, name: "http" }] } }),
    ),
    core(
      "PersistentVolumeClaim",
      "persistentvolumeclaims",
      named("v1", "PersistentVolumeClaim", "claim", {
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName: "x" },
      }),
      { phase: "Bound", capacity: { storage: "1Gi" } },
    ),
    inGroup(
      "rbac.authorization.k8s.io/v1",
      "rolebindings",
      "rbac.authorization.k8s.io@v1",
      "io.k8s.api.rbac.v1.RoleBinding",
      named("rbac.authorization.k8s.io/v1", "RoleBinding", "keystone-guest", {
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" }],
      }),
    ),
    inGroup(
      "rbac.authorization.k8s.io/v1",
      "clusterroles",
      "rbac.authorization.k8s.io@v1",
      "io.k8s.api.rbac.v1.ClusterRole",
      wide("rbac.authorization.k8s.io/v1", "ClusterRole", "keystone-approve-stored", {
        rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
      }),
    ),
    inGroup(
      "rbac.authorization.k8s.io/v1",
      "clusterrolebindings",
      "rbac.authorization.k8s.io@v1",
      "io.k8s.api.rbac.v1.ClusterRoleBinding",
      wide("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "keystone-approve-stored", {
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "x" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" }],
      }),
    ),
    inGroup(
      "networking.k8s.io/v1",
      "networkpolicies",
      "networking.k8s.io@v1",
      "io.k8s.api.networking.v1.NetworkPolicy",
      named("networking.k8s.io/v1", "NetworkPolicy", "dns", {
        spec: {
          podSelector: {},
          ingress: [{ from: [{ podSelector: {} }] }],
          egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }], ports: [{ port: 53 }] }],
        },
      }),
    ),
    inGroup(
      "networking.k8s.io/v1",
      "servicecidrs",
      "networking.k8s.io@v1",
      "io.k8s.api.networking.v1.ServiceCIDR",
      wide("networking.k8s.io/v1", "ServiceCIDR", "stored", { spec: { cidrs: ["10.99.0.0/24"] } }),
    ),
    inGroup(
      "discovery.k8s.io/v1",
      "endpointslices",
      "discovery.k8s.io@v1",
      "io.k8s.api.discovery.v1.EndpointSlice",
      named("discovery.k8s.io/v1", "EndpointSlice", "slice", {
        addressType: "IPv4",
        endpoints: [{ addresses: ["192.0.2.9"], conditions: { ready: true } }],
        ports: [{ port: 443 }],
      }),
    ),
    inGroup(
      "storage.k8s.io/v1",
      "storageclasses",
      "storage.k8s.io@v1",
      "io.k8s.api.storage.v1.StorageClass",
      wide("storage.k8s.io/v1", "StorageClass", "stored", { provisioner: "example.com/x", parameters: { a: "b" } }),
    ),
    inGroup(
      "admissionregistration.k8s.io/v1",
      "validatingwebhookconfigurations",
      "admissionregistration.k8s.io@v1",
      "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
      wide("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "stored", {
        webhooks: [{
          name: "a.example.com",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          clientConfig: { url: "https://example.com/" },
          rules: [],
        }],
      }),
    ),
    own("Grant", "grants", grantOf({ name: `stored-${grantee}`, to: grantee, destinations: ["203.0.113.0/24:443"] }), {
      phase: "Active",
      hard: { "requests.cpu": "1" },
      reductions: [{
        until: "2026-07-01T00:00:00Z",
        hard: { "requests.cpu": "2" },
        allowedDestinations: ["a.example"],
      }],
      conditions: [condition],
      effectiveUntil: "2026-12-01T00:00:00Z",
    }),
    own("Realm", "realms", realmOf(grantee), {
      connectionState: "Connected",
      node: { stableID: "n1", name: `${grantee}.tailnet-name.ts.net`, addresses: ["100.64.0.2"] },
      conditions: [{ ...condition, type: "IdentityVerified" }],
    }),
    own(
      "SuperEntity",
      "superentities",
      superEntityOf({ name: `coop-${grantee}`, members: { [grantee]: { cpu: 2 }, "alice-home": {} } }),
      {
        phase: "Active",
        members: [{ realm: grantee, trustLevel: "partner" }],
        conditions: [condition],
      },
    ),
    workload("apps/v1", "Deployment", "deployments", { selector, template, replicas: 2 }),
    workload("apps/v1", "ReplicaSet", "replicasets", { selector, template, replicas: 2 }),
    workload("apps/v1", "DaemonSet", "daemonsets", { selector, template }),
    workload("apps/v1", "StatefulSet", "statefulsets", {
      selector,
      template,
      serviceName: "x",
      volumeClaimTemplates: [{
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      }],
    }),
    workload("batch/v1", "Job", "jobs", { template: { ...template, spec: { ...pod.spec, restartPolicy: "Never" } } }),
    workload("batch/v1", "CronJob", "cronjobs", {
      schedule: "0 0 * * *",
      jobTemplate: { spec: { template: { ...template, spec: { ...pod.spec, restartPolicy: "Never" } } } },
    }),
  ];
}
