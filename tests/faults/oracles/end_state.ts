/** The state at the end of a run. */
import type { Objects } from "../fault_stage.ts";
import { plain } from "./plain.ts";

/** Returns all objects of a plan, comparable between runs of its scenario, by `resource/namespace/name`. */
export function endState(objects: Objects, mark: string): Record<string, unknown> {
  const entries = [...objects].flatMap(([resource, all]) =>
    all.map((object) => {
      const { namespace = "", name } = object.metadata!;
      return [`${resource}/${namespace}/${name}`.replaceAll(mark, ""), plain(object, mark)] as const;
    })
  );
  return Object.fromEntries(entries);
}
