/** What stands at the end. */
import type { Objects } from "../fault_stage.ts";
import { plain } from "./plain.ts";

/** All objects of a plan, as they are in any run of its scenario, by `resource/namespace/name`. */
export function endState(objects: Objects, mark: string): Record<string, unknown> {
  const entries = [...objects].flatMap(([resource, all]) =>
    all.map((object) => {
      const { namespace = "", name } = object.metadata!;
      return [`${resource}/${namespace}/${name}`.replaceAll(mark, ""), plain(object, mark)] as const;
    })
  );
  return Object.fromEntries(entries);
}
