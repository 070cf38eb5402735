import assert from "node:assert/strict";
import fc from "fast-check";
import { type TableColumn, tableLayout, tableLines } from "./table_layout.ts";
import { textWidth, wrapped } from "./wrapped_text.ts";

interface Row {
  name: string;
  from: string;
  members: string;
}
const columns: TableColumn<Row>[] = [
  { name: "NAME", value: ({ name }) => name },
  { name: "USE", value: () => "██████████ 2 of 2 limits", short: () => "2 of 2 limits" },
  { name: "FROM", rank: 2, value: ({ from }) => from },
  { name: "MEMBERS", rank: 1, wraps: true, value: ({ members }) => members },
];
const row: Row = { name: "alice-to-bob", from: "alice-home", members: "alice-home ✓, bob-home, carla-home ✓" };
const shown = (width: number, rows: readonly Row[] = [row]) => tableLines(rows, tableLayout(rows, columns, width));

const cases: [number, string[]][] = [
  [Infinity, [
    "NAME           USE                        FROM         MEMBERS",
    "alice-to-bob   ██████████ 2 of 2 limits   alice-home   alice-home ✓, bob-home, carla-home ✓",
  ]],
  [78, [
    "NAME          USE            FROM        MEMBERS",
    "alice-to-bob  2 of 2 limits  alice-home  alice-home ✓, bob-home, carla-home ✓",
  ]],
  [64, [
    "NAME          USE            FROM        MEMBERS",
    "alice-to-bob  2 of 2 limits  alice-home  alice-home ✓, bob-home,",
    "                                         carla-home ✓",
  ]],
  [50, [
    "NAME          USE            MEMBERS",
    "alice-to-bob  2 of 2 limits  alice-home ✓,",
    "                             bob-home, carla-home",
    "                             ✓",
  ]],
  [30, ["NAME           USE", "alice-to-bob   2 of 2 limits"]],
  [20, [
    "alice-to-bob",
    "  USE      2 of 2",
    "  limits",
    "  FROM",
    "  alice-home",
    "  MEMBERS",
    "  alice-home ✓,",
    "  bob-home,",
    "  carla-home ✓",
  ]],
];
for (const [width, expected] of cases) {
  Deno.test(`table at ${width} columns: short forms, then fewer columns, then blocks`, () =>
    assert.deepEqual(shown(width), expected));
}

Deno.test("any width from 20: no line is wider, unless a word is, and no word is broken", () => {
  const word = fc.string({ minLength: 1, maxLength: 24 }).map((text) => text.replace(/\s/g, "x"));
  const text = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(" "));
  const rows = fc.array(fc.record({ name: word, from: text, members: text }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(rows, fc.integer({ min: 20, max: 220 }), (all, width) => {
    const lines = shown(width, all);
    const words = new Set(all.flatMap(({ name, from, members }) => `${name} ${from} ${members}`.split(" ")));
    for (const line of lines) {
      assert.ok(textWidth(line) <= width || line.trim().split(/ +/).length <= 2, `${width}: ${line}`);
    }
    const layout = tableLayout(all, columns, width);
    const said = lines.join(" ").split(/ +/);
    if (layout.leftOut.length === 0) { for (const each of words) assert.ok(said.includes(each), each); }
  }));
});

Deno.test("a text with colors and wide letters: is wrapped by the columns that it takes", () => {
  assert.equal(wrapped("\x1b[1maa bb cc\x1b[22m", 5), "\x1b[1maa bb\ncc\x1b[22m");
  assert.equal(wrapped("日本 日本", 8), "日本\n日本");
  assert.equal(wrapped("  ✗ one two three four", 12, 2), "  ✗ one two\n    three\n    four");
  assert.equal(wrapped("a-word-of-more-than-ten x", 10), "a-word-of-more-than-ten\nx");
});
