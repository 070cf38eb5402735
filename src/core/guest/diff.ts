/** Differences between the present and the desired objects of a guest namespace. */
import type { Faults } from "../faults.ts";
import type { Desired } from "./desired.ts";
import type { RowChange } from "./objects/row.ts";
import { objectRows, rowCollection } from "./objects/table.ts";
import type { Situation } from "./situation.ts";

/** Compares each kind separately: a kind that can't be compared doesn't keep others from closing. */
export function changesTo(guest: Situation, desired: Desired, faults: Faults): RowChange[] {
  return objectRows.flatMap(([key, row]) => {
    const wanted = desired.get(key);
    const present = guest[key];
    return wanted ? faults.attempt(row.part, () => row.changes(wanted, rowCollection(present), guest), []) : [];
  });
}
