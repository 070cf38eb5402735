import assert from "node:assert/strict";
import { figureChanges } from "./compare.ts";
import { summary } from "./statistics.ts";

const machine = { cpus: 2 };
const of = (figures: Record<string, number[]>, on: unknown = machine) => ({
  machine: on,
  ...Object.fromEntries(Object.entries(figures).map(([name, samples]) => [name, { wide: summary(samples) }])),
});

// The samples before and after, and the verdict.
const cases: [string, number[], number[], string][] = [
  ["efficiency", [0.7, 0.71, 0.72], [0.8, 0.81, 0.82], "better"],
  ["efficiency", [0.7, 0.71, 0.72], [0.6, 0.61, 0.62], "worse"],
  ["efficiency", [0.7, 0.71, 0.72], [0.71, 0.75, 0.8], "within the spread"],
  ["rss", [200, 210], [250, 260], "worse"],
  ["rss", [200, 210], [180, 190], "better"],
  ["rss", [200], [250], "one sample"],
  ["readsPerGrant", [0], [1], "worse"],
];

Deno.test("bench compare: beside another operator more grants a second are better, and more writes at a restart worse", () => {
  const of = (grantsPerSecond: number, writes: number) => ({
    beside: {
      "300": {
        ratio: { grantsPerSecond: summary([grantsPerSecond]) },
        ours: { restart: { writes: summary([writes]) } },
      },
    },
  });
  const changes = figureChanges({ machine, ...of(0.7, 0) }, { machine: { cpus: 8 }, ...of(0.9, 5) });
  assert.deepEqual(changes.map(({ path, verdict }) => [path, verdict]), [
    ["beside.300.ratio.grantsPerSecond", "better"],
    ["beside.300.ours.restart.writes", "worse"],
  ]);
});

for (const [name, before, after, expected] of cases) {
  Deno.test(`bench compare: ${name} from ${before} to ${after} is ${expected}`, () => {
    const [change] = figureChanges(of({ [name]: before }), of({ [name]: after }));
    assert.equal(change!.path, `${name}.wide`);
    assert.equal(change!.verdict, expected);
  });
}

Deno.test("bench compare: between different machines only ratios and counts are compared", () => {
  const figures = { efficiency: [0.7, 0.7], rss: [200, 200] };
  const later = { efficiency: [0.6, 0.6], rss: [300, 300] };
  const found = figureChanges(of(figures), of(later, { cpus: 8 }));
  assert.deepEqual(found.map(({ path, verdict }) => [path, verdict]), [
    ["efficiency.wide", "worse"],
    ["rss.wide", "another machine"],
  ]);
});
