import assert from "node:assert/strict";
import { outdated } from "./bench_report.ts";

Deno.test("the figures and plots in the documentation are what the newest result file says", async () => {
  assert.deepEqual(await outdated(), [], "run `deno task bench report`");
});
