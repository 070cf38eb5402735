/**
 * The kinds of Kubernetes that are generated, by their API groups: those that are used. For another: add it here, then
 * `gen --refresh`. Who has resources of his own brings groups of his own.
 */
export interface Group {
  /** API group, `""` for core. */
  group: string;
  version: string;
  /** Prefix of the classes, `CoreV1` gives `CoreV1Api`. */
  className: string;
  /** What the names of its schemas begin with in OpenAPI documents: `io.k8s.api.core.v1` in `io.k8s.api.core.v1.Pod`. */
  schemas: string;
  kinds: string[];
  /** Folder of the generated file, and of its document in `openapi/`; default: lib/kubernetes_apis. */
  folder?: URL;
}

export const kubernetesGroups: readonly Group[] = [
  {
    group: "",
    version: "v1",
    className: "CoreV1",
    schemas: "io.k8s.api.core.v1",
    kinds: [
      "ConfigMap",
      "LimitRange",
      "Namespace",
      "Node",
      "PersistentVolumeClaim",
      "Pod",
      "ResourceQuota",
      "Secret",
      "Service",
      "ServiceAccount",
    ],
  },
  {
    group: "admissionregistration.k8s.io",
    version: "v1",
    className: "AdmissionregistrationV1",
    schemas: "io.k8s.api.admissionregistration.v1",
    kinds: ["ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"],
  },
  {
    group: "apiextensions.k8s.io",
    version: "v1",
    className: "ApiextensionsV1",
    schemas: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    kinds: ["CustomResourceDefinition"],
  },
  {
    group: "coordination.k8s.io",
    version: "v1",
    className: "CoordinationV1",
    schemas: "io.k8s.api.coordination.v1",
    kinds: ["Lease"],
  },
  {
    group: "discovery.k8s.io",
    version: "v1",
    className: "DiscoveryV1",
    schemas: "io.k8s.api.discovery.v1",
    kinds: ["EndpointSlice"],
  },
  { group: "events.k8s.io", version: "v1", className: "EventsV1", schemas: "io.k8s.api.events.v1", kinds: ["Event"] },
  {
    group: "flowcontrol.apiserver.k8s.io",
    version: "v1",
    className: "FlowcontrolApiserverV1",
    schemas: "io.k8s.api.flowcontrol.v1",
    kinds: ["FlowSchema", "PriorityLevelConfiguration"],
  },
  {
    group: "networking.k8s.io",
    version: "v1",
    className: "NetworkingV1",
    schemas: "io.k8s.api.networking.v1",
    kinds: ["NetworkPolicy", "ServiceCIDR"],
  },
  {
    group: "rbac.authorization.k8s.io",
    version: "v1",
    className: "RbacAuthorizationV1",
    schemas: "io.k8s.api.rbac.v1",
    kinds: ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
  },
  {
    group: "storage.k8s.io",
    version: "v1",
    className: "StorageV1",
    schemas: "io.k8s.api.storage.v1",
    kinds: ["StorageClass"],
  },
];

/** Path of the group below `/openapi/v3/` and below the API server itself. */
export const apiPath = ({ group, version }: Group): string => group ? `apis/${group}/${version}` : `api/${version}`;

/** Name of the committed document, and of the generated file without its ending. */
export const fileName = ({ group, version }: Group): string => `${group || "core"}@${version}`;

/** The file of what all groups share: `ObjectMeta`, `LabelSelector`, quantities. */
export const sharedFile = "meta@v1";

/** In the place of a group's `schemas`, for the shared ones. */
const sharedSchemas = [
  "io.k8s.apimachinery.pkg.apis.meta.v1",
  "io.k8s.apimachinery.pkg.api.resource",
  "io.k8s.apimachinery.pkg.runtime",
  "io.k8s.apimachinery.pkg.util.intstr",
];

/** Which shared types are generated even if no kind reaches them. */
export const sharedTypes = ["Condition", "LabelSelector", "ListMeta", "ObjectMeta", "Status"].map((type) =>
  `${sharedSchemas[0]}.${type}`
);

/** Folder that holds the generated files, and their documents in `openapi/`. */
const folder = new URL("../", import.meta.url);

/** Folder of a group's file; of the shared types without a group. */
export const folderOf = (group?: Group): URL => group?.folder ?? folder;

/** The path of a group's document, and of the one of the shared types. */
export const documentOf = (group?: Group): URL =>
  new URL(`openapi/${group ? fileName(group) : sharedFile}.json`, folderOf(group));

/** The path of a group's generated file, and of the one of the shared types. */
export const generatedOf = (group?: Group): URL =>
  new URL(`${group ? fileName(group) : sharedFile}.ts`, folderOf(group));

/** The TypeScript type that a schema becomes, and its group, if it is of one. Throws for a schema of no known group. */
export function typeOfSchema(groups: readonly Group[], name: string): { group?: Group; type: string } {
  const dot = name.lastIndexOf(".");
  const [before, type] = [name.slice(0, dot), name.slice(dot + 1)];
  if (sharedSchemas.includes(before)) return { type };
  const group = groups.find(({ schemas }) => schemas === before);
  if (!group) throw new Error(`The schema ${name} belongs to no generated group: add its group to groups.ts.`);
  return { group, type };
}
