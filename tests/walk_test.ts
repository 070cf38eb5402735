import assert from "node:assert/strict";
import { walk } from "./support/walk.ts";

Deno.test("the world of a guest plan: followed through the code, it enters few rooms and seldom turns back", () => {
  const { entries, turnsBack } = walk("src/core/guest/plan.ts", "planGuest", "world");
  // The aim is 20 and 8 (docs/architecture.md).
  assert.ok(entries.length <= 78, `${entries.length} rooms entered`);
  assert.ok(turnsBack <= 53, `${turnsBack} turns back`);
});
