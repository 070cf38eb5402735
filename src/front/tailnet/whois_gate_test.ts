import assert from "node:assert/strict";
import { FakeClock } from "../../../lib/clock/mod.ts";
import { LocalApiError, type LocalApiErrorKind } from "../../../lib/tailscale/mod.ts";
import { whoisOf } from "../../../tests/fixtures/made_whois.ts";
import { WhoIsGate } from "./whois_gate.ts";

const bob = "127.0.0.1:40001";
/** A tailscaled on a simulated clock: its answers take as long as a real one's, one at a time. */
class SimulatedDaemon {
  readonly clock = new FakeClock();
  /** Addresses that it has forwarded, with the answer. */
  readonly forwarded = new Map([[bob, whoisOf()]]);
  /** Asked addresses, with the milliseconds at which the daemon thought about them. */
  readonly asked: { address: string; at: number; protocol?: "tcp" }[] = [];
  misses = 0;
  busy = 0;
  mostAtOnce = 0;
  failing: LocalApiErrorKind | undefined;

  gate(options: { random?: () => number; isFromDaemon?: (port: number) => Promise<boolean> } = {}): WhoIsGate {
    return new WhoIsGate({ client: this, clock: this.clock, random: () => 0, ...options });
  }

  async whois(address: string, { protocol }: { protocol?: "tcp" }) {
    this.asked.push({ address, at: this.clock.monotonic(), ...(protocol ? { protocol } : {}) });
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.busy);
    const answer = this.forwarded.get(address);
    const thinks = !answer && address.startsWith("127.0.0.1:");
    await new Promise<void>((resolve) => this.clock.setTimer(thinks ? 182 : 1, resolve));
    this.busy--;
    if (this.failing) throw new LocalApiError(this.failing, "no answer");
    if (answer) return answer;
    if (thinks) this.misses++;
    throw new LocalApiError("NotFound", "no match for IP:port");
  }
}

/** Runs a question to its end on the simulated clock. */
async function ask(daemon: SimulatedDaemon, gate: WhoIsGate, address: string, ms = 600): Promise<string> {
  const answer = gate.ask(address, new AbortController().signal);
  await daemon.clock.advance(ms);
  const found = await answer;
  return "refused" in found ? found.reason : found.stableId;
}

Deno.test("gate: a forwarded connection has the identity of its node, asked about each time", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  assert.equal(await ask(daemon, gate, bob), "nBOB1CNTRL");
  daemon.forwarded.set(bob, whoisOf({ node: { StableID: "nEVE" } }));
  assert.equal(await ask(daemon, gate, bob), "nEVE");
  assert.deepEqual(daemon.asked.map(({ address, protocol }) => [address, protocol]), [[bob, "tcp"], [bob, "tcp"]]);
});

Deno.test("gate: tailnet addresses are asked about without their port, and cost nothing if no node has them", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  daemon.forwarded.set("100.64.0.2", whoisOf()).set("fd7a:115c:a1e0::2", whoisOf());
  assert.equal(await ask(daemon, gate, "100.64.0.2:5000"), "nBOB1CNTRL");
  assert.equal(await ask(daemon, gate, "[fd7a:115c:a1e0::2]:5000"), "nBOB1CNTRL");
  for (let port = 1; port <= 100; port++) assert.equal(await ask(daemon, gate, `100.64.0.9:${port}`, 5), "NotTailnet");
  assert.equal(daemon.misses, 0);
  assert.equal(await ask(daemon, gate, bob), "nBOB1CNTRL");
});

Deno.test("gate: other addresses are refused without a question", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  const others = ["192.168.1.5:1", "8.8.8.8:1", "[::1]:40001", "[::ffff:127.0.0.1]:40001", "127.0.0.2:40001"];
  const odd = [
    "",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:40001 ",
    "localhost:1",
    "100.64.0.2",
    "@",
    "100.100.100.100:1",
  ];
  for (const address of [...others, ...odd]) assert.equal(await ask(daemon, gate, address, 0), "NotTailnet", address);
  assert.deepEqual(daemon.asked, []);
});

Deno.test("gate: local processes flood: one miss at a time, and one in 20 s after the first two", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  const { signal } = new AbortController();
  const answers: Promise<unknown>[] = [];
  for (let second = 0; second < 200; second++) {
    for (let each = 0; each < 20; each++) answers.push(gate.ask(`127.0.0.1:${50_000 + second * 20 + each}`, signal));
    await daemon.clock.advance(1000);
  }
  assert.equal(daemon.mostAtOnce, 1);
  assert.deepEqual(daemon.misses, 11);
  const missed = daemon.asked.map(({ at }) => at);
  for (let index = 2; index < missed.length; index++) assert(missed[index]! - missed[index - 1]! >= 20_000 - 250);
  const reasons = (await Promise.all(answers)).map((answer) => (answer as { reason: string }).reason);
  assert.equal(reasons.filter((reason) => reason === "LocalProcess").length, 11);
  assert.equal(reasons.filter((reason) => reason === "Busy").length, 4000 - 11);
});

Deno.test("gate: one local process: guests are served, and after a while nothing is remembered", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  assert.equal(await ask(daemon, gate, "127.0.0.1:6000"), "LocalProcess");
  assert.equal(await ask(daemon, gate, bob), "nBOB1CNTRL");
  assert.equal(await ask(daemon, gate, "127.0.0.1:6001"), "LocalProcess");
  assert.equal(await ask(daemon, gate, bob, 0), "Busy");
  await daemon.clock.advance(20_000);
  assert.equal(await ask(daemon, gate, bob), "nBOB1CNTRL");
  await daemon.clock.advance(20_000);
  assert.equal(await ask(daemon, gate, bob, 1), "nBOB1CNTRL");
});

Deno.test("gate: other users' processes flood: never asked about, and guests are answered at once", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate({ isFromDaemon: (port) => Promise.resolve(port < 50_000) });
  for (let port = 50_000; port < 50_100; port++) {
    assert.equal(await ask(daemon, gate, `127.0.0.1:${port}`, 0), "LocalProcess");
  }
  assert.equal(await ask(daemon, gate, bob, 1), "nBOB1CNTRL");
  assert.deepEqual(daemon.asked.map(({ address }) => address), [bob]);
});

Deno.test("gate: nobodies of the tailnet flood: they are answered, and so is a guest among them", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  const { signal } = new AbortController();
  for (let port = 1; port <= 500; port++) {
    daemon.forwarded.set(`127.0.0.1:${port}`, whoisOf({ node: { StableID: `n${port}` } }));
  }
  const answers = Array.from({ length: 500 }, (_, index) => gate.ask(`127.0.0.1:${index + 1}`, signal));
  answers.push(gate.ask(bob, signal));
  for (let ms = 0; ms < 600; ms++) await daemon.clock.advance(1);
  const found = await Promise.all(answers);
  assert(found.every((answer) => "stableId" in answer));
  assert.equal(daemon.mostAtOnce, 1);
});

Deno.test("gate: more connections than may wait: the rest is refused at once", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  const abort = new AbortController();
  const answers = Array.from({ length: 600 }, (_, index) => gate.ask(`127.0.0.1:${index + 1}`, abort.signal));
  const settled = Promise.allSettled(answers);
  await daemon.clock.advance(0);
  abort.abort(new Error("closed"));
  await daemon.clock.advance(1000);
  const refused = (await settled).filter((each) => each.status === "fulfilled" && "refused" in each.value);
  // All but one that is asked about and 512 that wait; and the one that is asked about, as a local process.
  assert.equal(refused.length, 600 - 513 + 1);
  assert.equal(daemon.asked.length, 1);
  assert.equal(daemon.clock.pending, 0);
});

Deno.test("gate: a connection that closes while it waits is not asked about, and its place is free", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  assert.equal(await ask(daemon, gate, "127.0.0.1:6000"), "LocalProcess");
  const abort = new AbortController();
  const closed = assert.rejects(gate.ask("127.0.0.1:6001", abort.signal), /closed/);
  const next = gate.ask(bob, new AbortController().signal);
  await daemon.clock.advance(40);
  abort.abort(new Error("closed"));
  await closed;
  await daemon.clock.advance(51);
  assert("stableId" in await next);
  assert.deepEqual(daemon.asked.map(({ address }) => address), ["127.0.0.1:6000", bob]);
});

Deno.test("gate: a connection that closes during its question: the miss counts", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate();
  for (const port of [6000, 6001]) {
    const abort = new AbortController();
    const answer = gate.ask(`127.0.0.1:${port}`, abort.signal).catch(() => "aborted");
    await daemon.clock.advance(100);
    abort.abort();
    await daemon.clock.advance(500);
    await answer;
  }
  assert.equal(daemon.misses, 2);
  assert.equal(await ask(daemon, gate, "127.0.0.1:6002", 0), "Busy");
});

Deno.test("gate: after a miss the moment of a question is random, within a quarter of a second", async () => {
  for (const [random, at] of [[0, 182 + 50], [0.999, 182 + 249.8]] as const) {
    const daemon = new SimulatedDaemon();
    const gate = daemon.gate({ random: () => random });
    const { signal } = new AbortController();
    const both = Promise.all([gate.ask("127.0.0.1:6000", signal), gate.ask(bob, signal)]);
    await daemon.clock.advance(1000);
    await both;
    assert.equal(daemon.asked[1]!.at, at);
  }
});

Deno.test("gate: after a miss hundreds of nobodies pause together: a guest is served within half a second", async () => {
  const daemon = new SimulatedDaemon();
  const gate = daemon.gate({ random: () => 0.5 });
  assert.equal(await ask(daemon, gate, "127.0.0.1:6000"), "LocalProcess");
  const { signal } = new AbortController();
  for (let port = 1; port <= 200; port++) {
    daemon.forwarded.set(`127.0.0.1:${port}`, whoisOf({ node: { StableID: `n${port}` } }));
    void gate.ask(`127.0.0.1:${port}`, signal);
  }
  const guest = gate.ask(bob, signal);
  for (let ms = 0; ms < 500; ms += 1) await daemon.clock.advance(1);
  assert("stableId" in await guest);
});

Deno.test("gate: the daemon can't be asked: refused, without a default, and no miss counts", async () => {
  for (const kind of ["NotRunning", "AccessDenied", "Timeout", "Protocol", "Refused"] as const) {
    const daemon = new SimulatedDaemon();
    const gate = daemon.gate();
    daemon.failing = kind;
    for (let again = 0; again < 3; again++) assert.equal(await ask(daemon, gate, bob), "TailscaledUnavailable", kind);
    daemon.failing = undefined;
    assert.equal(await ask(daemon, gate, bob, 1), "nBOB1CNTRL");
  }
});

Deno.test("gate: an identity without StableID or address is refused", async () => {
  for (const node of [{ StableID: "" }, { Addresses: null }, { StableID: "a b" }]) {
    const daemon = new SimulatedDaemon();
    daemon.forwarded.set(bob, whoisOf({ node }));
    assert.equal(await ask(daemon, daemon.gate(), bob), "NoIdentity");
  }
});
