import assert from "node:assert/strict";
import { createPages } from "./pages.ts";

Deno.test("metrics requested continuously: collected a few times, otherwise the last ones are repeated", async () => {
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
