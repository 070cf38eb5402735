/** Tests that the proxy in front of a tailscaled injects each fault at its point, and nothing else. */
import assert from "node:assert/strict";
import { LocalApiError, LocalClient, type Notify, NotifyMask } from "../../lib/tailscale/mod.ts";
import { startLab } from "../lab/lab.ts";
import { type BusFault, FaultTrigger, type LocalApiFault } from "./fault.ts";
import { LocalApiProxy } from "./local_api_proxy.ts";

const ofAnswers: Readonly<Record<Exclude<LocalApiFault, "localapi-stale">, LocalApiError["kind"]>> = {
  "localapi-refused": "NotRunning",
  "localapi-closed": "NotRunning",
  "localapi-half-answer": "NotRunning",
  "localapi-500": "Refused",
  "localapi-garbage": "Protocol",
  "localapi-oversized": "Protocol",
  "localapi-silent": "Timeout",
};

/** The expected result on a bus whose first line is disturbed: the number of lines, and the end. */
const ofTheBus: Readonly<Record<BusFault, [lines: number, end: LocalApiError["kind"] | undefined]>> = {
  "bus-eof-mid-line": [0, "NotRunning"],
  "bus-eof": [0, undefined],
  "bus-silent": [0, "Timeout"],
  "bus-duplicate": [2, "Timeout"],
  "bus-hidden": [0, "Timeout"],
  "bus-garbage": [0, "Protocol"],
  "bus-oversized": [0, "Protocol"],
};

/** Time for an answer: short only where none comes. */
const patienceMs = (expected: string | undefined): number => expected === "Timeout" ? 1000 : 60_000;

Deno.test("the proxy of the LocalAPI", {
  // The tailnet is the lab's own; an external cluster has none to test with.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home"] });
  const { socket } = lab.realms["alice-home"]!;
  const kindOf = (error: unknown) => {
    if (error instanceof LocalApiError) return error.kind;
    throw error;
  };

  for (const [kind, expected] of Object.entries(ofAnswers)) {
    await t.step(kind, async () => {
      const fault = { kind: kind as LocalApiFault, at: "localapi.status", nth: 2 };
      const trigger = new FaultTrigger([fault]);
      await using proxy = await LocalApiProxy.listen(socket, trigger);
      using client = new LocalClient({ socket: proxy.socket, timeoutMs: patienceMs(expected), maxBytes: 2 ** 25 });
      assert.equal((await client.status()).BackendState, "Running");
      assert.equal(await client.status().then(() => "a response", kindOf), expected);
      assert.deepEqual(trigger.fired, [fault]);
    });
  }

  for (const [kind, [lines, end]] of Object.entries(ofTheBus)) {
    await t.step(kind, async () => {
      const fault = { kind: kind as BusFault, at: "bus.news", nth: 1 };
      const trigger = new FaultTrigger([fault]);
      await using proxy = await LocalApiProxy.listen(socket, trigger);
      using client = new LocalClient({ socket: proxy.socket, timeoutMs: patienceMs(end), maxBytes: 2 ** 25 });
      const heard: Notify[] = [];
      const follow = async () => {
        const { signal } = new AbortController();
        const bus = client.watchIpnBus({ signal, mask: NotifyMask.InitialState, livenessMs: patienceMs(end) / 2 });
        for await (const notify of bus) heard.push(notify);
      };
      assert.equal(await follow().then(() => undefined, kindOf), end);
      assert.equal(heard.length, lines);
      assert.deepEqual(trigger.fired, [fault]);
    });
  }
});
