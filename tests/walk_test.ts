import assert from "node:assert/strict";
import { walk } from "./support/walk.ts";

Deno.test("the world of a guest plan: passes through few files and rarely returns to one", () => {
  const { entries, turnsBack } = walk("src/core/guest/plan_guest.ts", "planGuest", "world");
  assert.ok(entries.length <= 20, `${entries.length} entries of files`);
  assert.ok(turnsBack <= 8, `${turnsBack} turns back`);
});
