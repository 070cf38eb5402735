import assert from "node:assert/strict";
import { load } from "js-yaml";
import { grant } from "../../../tests/fixtures/facts.ts";
import { guideText } from "./guide.ts";
import type { Holding } from "./holding.ts";

const holding = (name: string, destinations: string[]): Holding => ({
  grant: grant({ name }),
  terms: new Map(),
  held: new Map(),
  remaining: new Map(),
  destinations,
  reductions: [],
});

Deno.test("guide: each grant is an entry", () => {
  const entries = load(guideText([holding("a", ["203.0.113.0/24"]), holding("b", [])])) as { name: string }[];
  assert.deepEqual(entries.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(load(guideText([])), []);
});

Deno.test("guide: more than a ConfigMap holds is left out and counted", () => {
  const destinations = Array.from({ length: 256 }, () => "9".repeat(270));
  const text = guideText(Array.from({ length: 20 }, (_, index) => holding(`g${index}`, destinations)));
  assert.ok(text.length < 1_048_576);
  const entries = load(text) as unknown[];
  assert.ok(entries.length > 10);
  assert.match(text, new RegExp(`\\n# There is no room for ${20 - entries.length} more\\.\\n$`));
});
