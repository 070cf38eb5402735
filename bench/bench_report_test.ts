import assert from "node:assert/strict";
import { outdated } from "./bench_report.ts";

Deno.test("the figures and plots in the documentation are those of the newest result file", async () => {
  assert.deepEqual(await outdated(), [], "run `deno task bench report`");
});
