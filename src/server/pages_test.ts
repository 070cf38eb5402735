import assert from "node:assert/strict";
import { createPages } from "./pages.ts";

Deno.test("metrics asked for without end: written a few times, and the last ones are shown", async () => {
  let written = 0;
  const pages = createPages({
    ready: () => ({ ready: true, sentence: "Ready." }),
    metrics: () => {
      const until = performance.now() + 20;
      while (performance.now() < until);
      return Promise.resolve({ body: `${++written}\n`, type: "text/plain" });
    },
  });
  for (let asked = 0; asked < 1000; asked++) {
    const answer = await pages(new Request("http://localhost/metrics"));
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), `${written}\n`);
  }
  assert.ok(written >= 5 && written < 30, `written ${written} times`);
});
