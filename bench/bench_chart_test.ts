import assert from "node:assert/strict";
import { barChart, linearScale, logScale } from "./bench_chart.ts";
import { plots } from "./plots.ts";

Deno.test("a linear scale begins at 0, ends at a round number and steps by 1, 2 or 5", () => {
  const labels = (most: number, count: number) => linearScale(most, count).ticks.map(({ label }) => label);
  assert.deepEqual(labels(0.81, 6), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
  assert.deepEqual(labels(503, 5), ["0", "200", "400", "600"]);
  assert.deepEqual(labels(0, 2), ["0", "0.5", "1"]);
  assert.equal(linearScale(503, 5).at(300), 0.5);
});

Deno.test("a logarithmic scale goes from power to power of ten", () => {
  const { at, ticks } = logScale(42, 45_000);
  assert.deepEqual(ticks.map(({ label }) => label).filter(Boolean), ["10", "100", "1,000", "10,000", "100,000"]);
  assert.equal(at(1000), 0.5);
});

Deno.test("special characters in names are escaped", () => {
  const svg = barChart({
    alt: "a",
    x: "b",
    panels: [{ title: "d", bars: [{ name: "<c> & d", parts: [{ value: 1 }] }] }],
  });
  assert.match(svg, />&#60;c&#62; &#38; d</);
});

Deno.test("a result without figures: the plots have no values", () => {
  for (const [file, svg] of plots({})) assert.doesNotMatch(svg, /NaN|Infinity/, file);
});
