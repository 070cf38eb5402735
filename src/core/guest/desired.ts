/** The objects of a guest namespace as they should be: each kind by its own row. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import type { Faults } from "../faults.ts";
import { objectRows } from "./objects/table.ts";
import type { Situation } from "./situation.ts";

/** Objects that should stand, by the key of their kind; a kind that isn't in it is left as it is. */
export type Desired = ReadonlyMap<string, readonly KubernetesObject[]>;

/** Builds each kind by itself: of one that can't be built nothing changes, and the others are built all the same. */
export function desired(guest: Situation, faults: Faults): Desired {
  if (guest.isLeftAlone) return new Map([["accounts", []]]);
  return new Map(
    objectRows.flatMap(([key, row]) => {
      const objects = faults.attempt(row.part, () => row.wanted(guest, faults), undefined);
      return objects ? [[key, objects]] : [];
    }),
  );
}
