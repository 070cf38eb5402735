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

const operatorIn = (containers: readonly OperatorContainer[]): OperatorContainer | undefined =>
  containers.find(({ name }) => name === "operator");

/** Returns the operator's container in its workload of this kind; undefined if there is none. */
export const containerOf = async (
  rest: RestClient,
  kind: OperatorWorkloadKind,
): Promise<OperatorContainer | undefined> => operatorIn(await containersOf(rest, kind));

/** Returns the containers of the operator's workload of this kind. */
async function containersOf(rest: RestClient, kind: OperatorWorkloadKind): Promise<readonly OperatorContainer[]> {
  try {
    const { spec } = await new ResourceApi(rest, workload(kind), systemNamespace).get(operatorName);
    return spec?.template?.spec?.containers ?? [];
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    return [];
  }
}

/** Returns the kind of the operator's workload and its containers; undefined if there is none. */
export async function operatorContainers(
  rest: RestClient,
): Promise<{ kind: OperatorWorkloadKind; containers: readonly OperatorContainer[] } | undefined> {
  for (const kind of ["StatefulSet", "Deployment"] as const) {
    const containers = await containersOf(rest, kind);
    if (operatorIn(containers)) return { kind, containers };
  }
  return undefined;
}

/** Returns the kind of the operator's workload and its container; undefined if there is none. */
export async function operatorContainer(
  rest: RestClient,
): Promise<{ kind: OperatorWorkloadKind; container: OperatorContainer } | undefined> {
  const found = await operatorContainers(rest);
  return found && { kind: found.kind, container: operatorIn(found.containers)! };
}

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
