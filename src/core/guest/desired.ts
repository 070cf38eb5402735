/** Desired objects of a guest namespace, built by the row of each kind. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import type { Faults } from "../faults.ts";
import { objectRows } from "./objects/table.ts";
import type { Situation } from "./situation.ts";

/** Desired objects by the key of their kind; an absent kind is left unchanged. */
export type Desired = ReadonlyMap<string, readonly KubernetesObject[]>;

/** Builds each kind separately: a kind that can't be built is left unchanged and doesn't affect the others. */
export function desired(guest: Situation, faults: Faults): Desired {
  if (guest.isLeftAlone) return new Map([["accounts", []]]);
  return new Map(
    objectRows.flatMap(([key, row]) => {
      const objects = faults.attempt(row.part, () => row.wanted(guest, faults), undefined);
      return objects ? [[key, objects]] : [];
    }),
  );
}
