import assert from "node:assert/strict";
import { FakeClock } from "../../../lib/clock/mod.ts";
import { LocalApiError, type LocalApiErrorKind, type Notify, type WhoIs } from "../../../lib/tailscale/mod.ts";
import { whoisOf } from "../../../tests/fixtures/made_whois.ts";
import { identityFrom } from "../../core/people/tailnet_identity.ts";
import { IdentityWatch } from "./identity_watch.ts";

/** A watch of a tailscaled on a simulated clock. */
class World implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly answers = new Map<string, WhoIs | LocalApiErrorKind>([["100.64.0.2", whoisOf()]]);
  readonly asked: { address: string; at: number }[] = [];
  readonly told: string[] = [];
  readonly watch: IdentityWatch;
  readonly #abort = new AbortController();
  readonly #run: Promise<void>;
  #line = Promise.withResolvers<Notify>();

  constructor() {
    this.watch = new IdentityWatch({ client: this, clock: this.clock });
    this.watch.onChange((stableId, identity) =>
      this.told.push(`${stableId}: ${identity ? Object.keys(identity.capabilities).join() || identity.node : "over"}`)
    );
    this.#run = this.watch.run(this.#abort.signal);
  }

  whois(address: string): Promise<WhoIs> {
    this.asked.push({ address, at: this.clock.monotonic() });
    const answer = this.answers.get(address) ?? "NotFound";
    return typeof answer === "string" ? Promise.reject(new LocalApiError(answer, "no")) : Promise.resolve(answer);
  }

  async *followIpnBus({ signal }: { signal: AbortSignal }): AsyncGenerator<Notify> {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    );
    while (true) {
      yield await Promise.race([this.#line.promise, aborted]);
    }
  }

  async says(line: Notify): Promise<void> {
    const { resolve } = this.#line;
    this.#line = Promise.withResolvers();
    resolve(line);
    await this.clock.advance(0);
  }

  open(answer: WhoIs = whoisOf()): Disposable {
    return this.watch.add(identityFrom(answer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Error("over"));
    await this.#run;
    assert.equal(this.clock.pending, 0);
  }
}

const news: Notify = { PeersChanged: [{ StableID: "nBOB1CNTRL" }] };

Deno.test("identities: asked again at once, every 10 s and at each change on the bus, by their tailnet address", async () => {
  await using world = new World();
  using _open = world.open();
  await world.clock.advance(0);
  await world.clock.advance(10_000);
  await world.clock.advance(5000);
  await world.says(news);
  assert.deepEqual(world.asked.map(({ at }) => at), [0, 10_000, 15_000]);
  assert(world.asked.every(({ address }) => address === "100.64.0.2"));
  assert.deepEqual(world.told, []);
});

Deno.test("identities: without open connections nothing is asked", async () => {
  await using world = new World();
  world.open()[Symbol.dispose]();
  const [first, second] = [world.open(), world.open()];
  await world.clock.advance(0);
  const before = world.asked.length;
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await world.clock.advance(10_000);
  assert.equal(world.asked.length, before + 1);
  second[Symbol.dispose]();
  await world.says(news);
  await world.clock.advance(60_000);
  assert.equal(world.asked.length, before + 1);
});

Deno.test("identities: a heartbeat asks nothing; a burst of changes asks at most every 100 ms", async () => {
  await using world = new World();
  using _open = world.open();
  await world.clock.advance(1000);
  const before = world.asked.length;
  await world.says({ Version: "1.101", Engine: {} });
  assert.equal(world.asked.length, before);
  for (let ms = 0; ms < 1000; ms++) {
    await world.says(news);
    await world.clock.advance(1);
  }
  const asked = world.asked.length - before;
  assert(asked >= 9 && asked <= 11, String(asked));
});

Deno.test("identities: changed capabilities are told with the identity", async () => {
  await using world = new World();
  using _open = world.open();
  await world.clock.advance(0);
  world.answers.set("100.64.0.2", whoisOf({ capMap: { "keystone.io/cap/realm": [{ name: "bob-home" }] } }));
  await world.clock.advance(10_000);
  assert.deepEqual(world.told, ["nBOB1CNTRL: keystone.io/cap/realm"]);
  world.answers.set("100.64.0.2", whoisOf());
  await world.clock.advance(10_000);
  await world.clock.advance(10_000);
  assert.deepEqual(world.told.slice(1), ["nBOB1CNTRL: bob-home.tailnet-name.ts.net"]);
});

Deno.test("identities: removed, re-keyed, replaced, another login, tagged: over, once", async () => {
  const cases: (WhoIs | LocalApiErrorKind)[] = [
    "NotFound",
    whoisOf({ node: { Key: `nodekey:${"c0".repeat(32)}` } }),
    whoisOf({ node: { StableID: "nEVE1CNTRL" } }),
    whoisOf({ login: "eve@example.com" }),
    whoisOf({ node: { Tags: ["tag:x"] } }),
  ];
  for (const answer of cases) {
    await using world = new World();
    using _open = world.open();
    await world.clock.advance(1000);
    world.answers.set("100.64.0.2", answer);
    await world.says(news);
    await world.clock.advance(60_000);
    assert.deepEqual(world.told, ["nBOB1CNTRL: over"]);
  }
});

Deno.test("identities: a connection of a re-keyed node ends the earlier ones and is watched itself", async () => {
  await using world = new World();
  const earlier = world.open();
  await world.clock.advance(0);
  const rekeyed = whoisOf({ node: { Key: `nodekey:${"c0".repeat(32)}` } });
  using _later = world.open(rekeyed);
  assert.deepEqual(world.told, ["nBOB1CNTRL: over"]);
  earlier[Symbol.dispose]();
  world.answers.set("100.64.0.2", "NotFound");
  await world.clock.advance(10_000);
  assert.deepEqual(world.told, ["nBOB1CNTRL: over", "nBOB1CNTRL: over"]);
});

Deno.test("identities: the daemon can't be asked: tried every second, and over after 15 s", async () => {
  await using world = new World();
  using _open = world.open();
  await world.clock.advance(0);
  world.answers.set("100.64.0.2", "NotRunning");
  await world.clock.advance(10_000);
  for (let second = 0; second < 4; second++) await world.clock.advance(1000);
  assert.deepEqual(world.told, []);
  await world.clock.advance(1000);
  assert.deepEqual(world.told, ["nBOB1CNTRL: over"]);
});

Deno.test("identities: the daemon answers again in time: nothing is told", async () => {
  await using world = new World();
  using _open = world.open();
  await world.clock.advance(0);
  world.answers.set("100.64.0.2", "Timeout");
  await world.clock.advance(10_000);
  await world.clock.advance(3000);
  world.answers.set("100.64.0.2", whoisOf());
  for (let second = 0; second < 60; second++) await world.clock.advance(1000);
  assert.deepEqual(world.told, []);
});
