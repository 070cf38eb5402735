import assert from "node:assert/strict";
import { createTailnet } from "./local_tailnet.ts";
import { noTailnet } from "./tailnet.ts";

Deno.test("no tailnet: state is none, ready at once, run ends with its signal", async () => {
  const abort = new AbortController();
  assert.deepEqual(noTailnet.state, { kind: "none" });
  await noTailnet.ready(abort.signal);
  const run = noTailnet.run(abort.signal);
  abort.abort();
  await run;
  await noTailnet.run(abort.signal);
});

Deno.test("socket doesn't exist: unavailable with its name, run ends with its signal", async () => {
  const abort = new AbortController();
  const tailnet = createTailnet({ socket: "/nonexistent/tailscaled.sock" });
  const run = tailnet.run(abort.signal);
  await tailnet.ready(abort.signal);
  assert(tailnet.state.kind === "unavailable");
  assert.equal(tailnet.state.reason, "TailscaledUnreachable");
  assert(tailnet.state.message.includes("/nonexistent/tailscaled.sock"));
  abort.abort();
  await run;
});
