import assert from "node:assert/strict";
import { newest, outdated } from "./bench_report.ts";
import { figureAt } from "./figures.ts";

Deno.test("the figures and plots in the documentation are those of the newest result file", async () => {
  assert.deepEqual(await outdated(), [], "run `deno task bench report`");
});

Deno.test("README.md: its figures are those of the newest result file", async () => {
  const readme = (await Deno.readTextFile(new URL("../README.md", import.meta.url))).replaceAll(/ +/g, " ");
  const result = await newest();
  assert.ok(result);
  const median = (path: string): number => figureAt(result, path)!.median;
  const { machine, date } = result as unknown as { machine: { cpus: number; memoryGB: number }; date: string };
  for (
    const text of [
      `${machine.cpus} cores and ${machine.memoryGB} GB`,
      `of ${date.slice(0, 10)}`,
      `${median("rss.100")} MB · ${median("rss.10000")} MB`,
      `grant applied → enforced | ${median("latency.idle")} ms`,
      `last of five pods gone | ${(median("latency.revocation") / 1000).toFixed(1)} s`,
      `writes for a new grant to a new realm | ${median("writesPerGrant")} `,
      `10,000 grants, in one minute | ${median("steadyState")} `,
    ]
  ) assert.ok(readme.includes(text), `README.md doesn't contain: ${text}`);
});
