/** What stands at the end. */
import { type KubernetesObject, ResourceApi, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { witnessed } from "../witness.ts";
import { plain } from "./plain.ts";

/** All objects of a plan, as they are in any run of its scenario, by `resource/namespace/name`. */
export async function endState(rest: RestClient, mark: string): Promise<Record<string, unknown>> {
  const out: Record<string, unknown> = {};
  for (const resource of witnessed) {
    for (const object of (await new ResourceApi(rest, resource).list()).items) {
      const { namespace = "", name } = object.metadata!;
      const key = `${namespace}/${name}`;
      if (key.includes(mark)) {
        out[`${resource.plural}/${key.replaceAll(mark, "")}`] = plain(object as KubernetesObject, mark);
      }
    }
  }
  return out;
}
