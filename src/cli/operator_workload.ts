/** The operator's workload in the cluster: a StatefulSet, earlier a Deployment. An operator outside of the cluster has none. */
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { operatorName, systemNamespace } from "../core/names.ts";

/** Container of the operator, with the fields that this command reads. */
export interface OperatorContainer {
  name: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
}

/** Kinds of workloads, the present one first. */
export type OperatorWorkloadKind = "StatefulSet" | "Deployment";

interface OperatorWorkload extends KubernetesObject {
  spec?: { template?: { spec?: { containers?: OperatorContainer[] } } };
}

const workload = (kind: OperatorWorkloadKind): Resource<OperatorWorkload> => ({
  group: "apps",
  version: "v1",
  kind,
  plural: `${kind.toLowerCase()}s`,
  namespaced: true,
});

/** The operator's workload, as far as this command needs it. */
export interface OperatorInstallation {
  kind: OperatorWorkloadKind;
  container: OperatorContainer;
  /** All containers of a pod, the operator's among them. */
  containers: readonly OperatorContainer[];
  /** Semantic version; absent if neither the image's tag nor the workload's label says it. */
  version?: string;
}

/** Returns the operator's workload of this kind; undefined if there is none. */
export async function workloadOf(
  rest: RestClient,
  kind: OperatorWorkloadKind,
): Promise<OperatorInstallation | undefined> {
  try {
    const { metadata, spec } = await new ResourceApi(rest, workload(kind), systemNamespace).get(operatorName);
    const containers = spec?.template?.spec?.containers ?? [];
    const container = containers.find(({ name }) => name === "operator");
    if (container === undefined) return undefined;
    const version = versionIn(container.image, metadata?.labels?.[versionLabel]);
    return { kind, container, containers, ...(version === undefined ? {} : { version }) };
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return undefined;
  }
}

const versionLabel = "app.kubernetes.io/version";

/** Returns the version of an image's tag, else the label's: an image that is pinned by its digest has no tag. */
function versionIn(image = "", label = ""): string | undefined {
  const [, tag] = /:v?(\d+\.\d+\.\d+[^@]*)(@.*)?$/.exec(image) ?? [];
  return tag ?? (image.includes("@") && /^\d+\.\d+\.\d+/.test(label) ? label : undefined);
}

/** Returns the operator's workload of either kind; undefined if there is none. */
export const operatorWorkload = async (rest: RestClient): Promise<OperatorInstallation | undefined> =>
  await workloadOf(rest, "StatefulSet") ?? await workloadOf(rest, "Deployment");

/** Returns the realm that the container's flags or environment set, as the operator reads them. */
export function realmOfContainer({ command = [], args = [], env = [] }: OperatorContainer): string | undefined {
  const words = [...command, ...args];
  const flag = words.flatMap((word, index) =>
    word === "--realm" ? words[index + 1] ?? [] : /^--realm=(.*)$/s.exec(word)?.[1] ?? []
  ).at(-1);
  // Of several variables with a name the last one counts.
  const realm = flag ?? env.findLast(({ name }) => name === "KEYSTONE_REALM")?.value;
  // A value that refers to another variable is not known here, and one that is no name says nothing.
  return realm !== undefined && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(realm) ? realm : undefined;
}
