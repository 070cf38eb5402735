/**
 * The generated kinds of Kubernetes by API group: those that are used. To add one, add it here, then run `gen
 * --refresh`. Custom resources have their own groups.
 */
export interface Group {
  /** API group, `""` for core. */
  group: string;
  version: string;
  /** Prefix of the classes: `CoreV1` for `CoreV1Api`. */
  className: string;
  /** Prefix of its schemas' names in OpenAPI documents: `io.k8s.api.core.v1` in `io.k8s.api.core.v1.Pod`. */
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

/** Returns the group's path below `/openapi/v3/` and below the API server. */
export const apiPath = ({ group, version }: Group): string => group ? `apis/${group}/${version}` : `api/${version}`;

/** Returns the name of the committed document, and of the generated file without its extension. */
export const fileName = ({ group, version }: Group): string => `${group || "core"}@${version}`;

/** Name of the file with the shared types: `ObjectMeta`, `LabelSelector`, quantities. */
export const sharedFile = "meta@v1";

/** Schema prefixes of the shared types. */
const sharedSchemas = [
  "io.k8s.apimachinery.pkg.apis.meta.v1",
  "io.k8s.apimachinery.pkg.api.resource",
  "io.k8s.apimachinery.pkg.runtime",
  "io.k8s.apimachinery.pkg.util.intstr",
];

/** Shared types that are generated even if no kind uses them. */
export const sharedTypes = ["Condition", "LabelSelector", "ListMeta", "ObjectMeta", "Status"].map((type) =>
  `${sharedSchemas[0]}.${type}`
);

/** Folder of the generated files, with their documents in `openapi/`. */
const folder = new URL("../", import.meta.url);

/** Returns the folder of a group's file; without a group, of the shared types. */
export const folderOf = (group?: Group): URL => group?.folder ?? folder;

/** Returns the path of a group's document; without a group, of the shared one. */
export const documentOf = (group?: Group): URL =>
  new URL(`openapi/${group ? fileName(group) : sharedFile}.json`, folderOf(group));

/** Returns the path of a group's generated file; without a group, of the shared one. */
export const generatedOf = (group?: Group): URL =>
  new URL(`${group ? fileName(group) : sharedFile}.ts`, folderOf(group));

/** Returns the TypeScript type of a schema, and its group, if any. Throws for a schema of an unknown group. */
export function typeOfSchema(groups: readonly Group[], name: string): { group?: Group; type: string } {
  const dot = name.lastIndexOf(".");
  const [before, type] = [name.slice(0, dot), name.slice(dot + 1)];
  if (sharedSchemas.includes(before)) return { type };
  const group = groups.find(({ schemas }) => schemas === before);
  if (!group) throw new Error(`The schema ${name} belongs to no generated group: add its group to groups.ts.`);
  return { group, type };
}
