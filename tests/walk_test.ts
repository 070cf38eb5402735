import assert from "node:assert/strict";
import { walk } from "./support/walk.ts";

Deno.test("the world of a guest plan: followed through the code, it enters few rooms and seldom turns back", () => {
  const { entries, turnsBack } = walk("src/core/guest/plan_guest.ts", "planGuest", "world");
  assert.ok(entries.length <= 20, `${entries.length} rooms entered`);
  assert.ok(turnsBack <= 8, `${turnsBack} turns back`);
});
