/** The changes that lead from what stands in a guest namespace to what should. */
import type { Faults } from "../faults.ts";
import type { Desired } from "./desired.ts";
import type { RowChange } from "./objects/row.ts";
import { objectRows, rowCollection } from "./objects/table.ts";
import type { Situation } from "./situation.ts";

/** Compares each kind by itself: one that can't be compared keeps no other from being closed. */
export function changesTo(guest: Situation, desired: Desired, faults: Faults): RowChange[] {
  return objectRows.flatMap(([key, row]) => {
    const wanted = desired.get(key);
    const present = guest[key];
    return wanted ? faults.attempt(row.part, () => row.changes(wanted, rowCollection(present), guest), []) : [];
  });
}
