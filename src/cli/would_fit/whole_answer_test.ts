import assert from "node:assert/strict";
import type { WouldFitItem } from "./object_verdicts.ts";
import { wholeAnswer } from "./whole_answer.ts";

const item = (fits: boolean | null, shortBy: Record<string, string> = {}, more: Partial<WouldFitItem> = {}) => ({
  kind: "Deployment",
  name: "web",
  fits,
  shortBy,
  message: "",
  warnings: [],
  ...more,
});

const whole = (...items: WouldFitItem[]) =>
  wholeAnswer([{
    as: "bob",
    state: { around: { givers: [{ name: "alice-to-bob" }] } },
    items: items.map((item, index) => ({ item, index })),
  }]);

Deno.test("would-fit: one object that is not judged leaves the whole open; one that doesn't fit makes it a no", () => {
  assert.equal(whole(item(true), item(true)).fits, true);
  assert.equal(whole(item(true), item(false)).fits, false);
  assert.equal(whole(item(true), item(null)).fits, null);
  assert.equal(whole(item(false), item(null)).fits, null);
});

Deno.test("would-fit: shortages add up, without hooks that run only when asked", () => {
  const { fits, shortBy } = whole(
    item(false, { "requests.cpu": "500m", "limits.memory": "1Gi" }),
    item(false, { "requests.cpu": "1" }),
    item(false, { "requests.cpu": "9" }, { onlyWhenAsked: true }),
  );
  assert.equal(fits, false);
  assert.deepEqual(shortBy, { "requests.cpu": "1500m", "limits.memory": "1Gi" });
  assert.equal(whole(item(true), item(null, {}, { onlyWhenAsked: true })).fits, true);
  assert.equal(whole(item(false, {}, { onlyWhenAsked: true })).fits, false);
});
