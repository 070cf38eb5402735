import assert from "node:assert/strict";
import { FakeClock } from "../../lib/clock/mod.ts";
import {
  type FollowOptions,
  LocalApiError,
  type LocalApiErrorKind,
  type Notify,
  type PeerStatus,
  type PingResult,
  type Prefs,
  type TailscaleStatus,
  type WhoIs,
} from "../../lib/tailscale/mod.ts";
import { type LocalApi, LocalTailnet } from "./local_tailnet.ts";
import type { TailnetChange } from "./tailnet_state.ts";

const second = 1000;

/** A tailscaled whose status takes no time unless it hangs, and whose bus sends the test's lines. */
class FakeDaemon implements LocalApi {
  readonly #clock: FakeClock;
  /** Monotonic times of status requests. */
  readonly asked: number[] = [];
  online = true;
  backend = "Running";
  failing: LocalApiErrorKind | undefined;
  /** Addresses of whois requests. */
  readonly askedAbout: string[] = [];
  capabilities: Record<string, unknown[]> = {};
  failingWhois: LocalApiErrorKind | undefined;
  peers: PeerStatus[] | undefined;
  askedPrefs = 0;
  pinging = 0;
  mostPings = 0;
  answerPing: (ip: string) => PingResult | LocalApiErrorKind = () => ({
    LatencySeconds: 0.002,
    Endpoint: "192.0.2.1:1",
  });
  /** Duration of a status request. */
  statusMs = 0;
  closed = false;
  #lines: (Notify | LocalApiError)[] = [];
  #wake = () => {};

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async status({ signal }: { signal: AbortSignal }): Promise<TailscaleStatus> {
    signal.throwIfAborted();
    this.asked.push(this.#clock.monotonic());
    if (this.statusMs > 0) await new Promise<void>((resolve) => this.#clock.setTimer(this.statusMs, resolve));
    if (this.failing) throw new LocalApiError(this.failing, `it is ${this.failing}`);
    return {
      BackendState: this.backend,
      Self: { ID: "1", DNSName: "alice-home.ts.net." },
      Peer: Object.fromEntries(
        (this.peers ?? [{ ID: "2", DNSName: "bob-home.ts.net.", Online: this.online, TailscaleIPs: ["100.64.0.2"] }])
          .map((peer, index) => [String(index), peer]),
      ),
    };
  }

  prefs(): Promise<Prefs> {
    this.askedPrefs++;
    return Promise.resolve({ ControlURL: "https://prefs.example" });
  }

  async whois(address: string): Promise<WhoIs> {
    this.askedAbout.push(address);
    await new Promise<void>((resolve) => this.#clock.setTimer(1, resolve));
    if (this.failingWhois) throw new LocalApiError(this.failingWhois, `it is ${this.failingWhois}`);
    return { Node: { StableID: address.split(".").at(-1)! }, UserProfile: {}, CapMap: { ...this.capabilities } };
  }

  async ping(ip: string, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }): Promise<PingResult> {
    signal.throwIfAborted();
    this.mostPings = Math.max(this.mostPings, ++this.pinging);
    const answer = this.answerPing(ip);
    await new Promise<void>((resolve) => this.#clock.setTimer(answer === "Timeout" ? timeoutMs : 1, resolve));
    this.pinging--;
    signal.throwIfAborted();
    if (typeof answer === "string") throw new LocalApiError(answer, `it is ${answer}`);
    return answer;
  }

  say(line: Notify | LocalApiError): void {
    this.#lines.push(line);
    this.#wake();
  }

  async *followIpnBus({ signal, onError }: FollowOptions): AsyncGenerator<Notify> {
    while (true) {
      for (let line = this.#lines.shift(); line; line = this.#lines.shift()) {
        if (line instanceof LocalApiError) onError?.(line);
        else yield line;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      signal.throwIfAborted();
    }
  }

  [Symbol.dispose](): void {
    this.closed = true;
  }
}

interface World {
  clock: FakeClock;
  daemon: FakeDaemon;
  tailnet: LocalTailnet;
  changes: TailnetChange[];
  /** Advances the clock with a heartbeat every 2 s. */
  beat(ms: number): Promise<void>;
}

const heartbeat: Notify = { Version: "1", Engine: { NumLive: 0 } };
const hello: Notify = { Version: "1", SessionID: "s", State: 6, Prefs: { ControlURL: "https://headscale.example" } };
const gone = new LocalApiError("NotRunning", "it ended the bus");

async function watching(use: (world: World) => Promise<void>, prepare: (daemon: FakeDaemon) => void = () => {}) {
  const clock = new FakeClock();
  const daemon = new FakeDaemon(clock);
  prepare(daemon);
  const tailnet = new LocalTailnet({ socket: "/s", clock, connect: () => daemon });
  const changes: TailnetChange[] = [];
  tailnet.onChange((change) => changes.push(change));
  const abort = new AbortController();
  const run = tailnet.run(abort.signal);
  const beat = async (ms: number) => {
    for (let left = ms; left > 0; left -= 2 * second) {
      daemon.say(heartbeat);
      await clock.advance(Math.min(left, 2 * second));
    }
  };
  try {
    await use({ clock, daemon, tailnet, changes, beat });
  } finally {
    abort.abort();
    await clock.advance(10 * second);
    await run;
  }
  assert.equal(clock.pending, 0, "a timer was left behind");
  assert(daemon.closed);
}

/** Starts on the tailnet, after the first poll and its pause. */
function running(use: (world: World) => Promise<void>): Promise<void> {
  return watching(async (world) => {
    world.daemon.say(hello);
    await world.clock.advance(150);
    assert.equal(world.tailnet.state.kind, "running");
    world.changes.length = world.daemon.asked.length = 0;
    await use(world);
  });
}

const bobOnline = ({ tailnet }: World) =>
  tailnet.state.kind === "running" && tailnet.state.peers.get("bob-home.ts.net")?.[0]?.online;
const reason = ({ tailnet }: World) => tailnet.state.kind === "unavailable" ? tailnet.state.reason : tailnet.state.kind;

Deno.test("tailnet: nothing known yet: starting, and ready waits", async () => {
  await watching(async (world) => {
    let ready = false;
    const waiting = world.tailnet.ready(new AbortController().signal).then(() => ready = true);
    await world.clock.advance(10);
    assert.equal(reason(world), "Starting");
    assert.equal(ready, false);
    await assert.rejects(world.tailnet.ready(AbortSignal.abort(new Error("no time"))), /no time/);
    world.daemon.say(hello);
    await waiting;
    assert.equal(reason(world), "running");
  });
});

Deno.test("tailnet: first line: first state with the control server, in one change", async () => {
  await watching(async ({ daemon, clock, tailnet, changes }) => {
    daemon.say(hello);
    await clock.advance(0);
    assert(tailnet.state.kind === "running");
    assert.equal(tailnet.state.controlURL, "https://headscale.example");
    await clock.advance(second);
    assert.deepEqual(changes.map(({ all }) => all), [true]);
    assert.equal(daemon.asked.length, 1);
  });
});

Deno.test("tailnet: bus neither opens nor fails: the first poll isn't delayed for long", async () => {
  await watching(async (world) => {
    await world.clock.advance(second);
    assert.equal(reason(world), "running");
  });
});

Deno.test("tailnet: change on the bus: polled at once, only changed names are reported", async () => {
  await running(async (world) => {
    world.daemon.online = false;
    world.daemon.say({ PeerChangedPatch: [{ NodeID: 2, Online: false }] });
    await world.clock.advance(0);
    assert.equal(bobOnline(world), false);
    assert.deepEqual(world.changes, [{ names: new Set(["bob-home.ts.net"]), all: false }]);
  });
});

Deno.test("tailnet: burst of changes: two polls, the second after the burst", async () => {
  await running(async ({ daemon, clock }) => {
    for (let i = 0; i < 50; i++) {
      daemon.say({ PeersRemoved: [i] });
      await clock.advance(1);
    }
    await clock.advance(second);
    assert.equal(daemon.asked.length, 2);
    assert.equal((daemon.asked[1] ?? 0) - (daemon.asked[0] ?? 0), 100);
  });
});

Deno.test("tailnet: change during a poll: polled again", async () => {
  await running(async (world) => {
    world.daemon.statusMs = 50;
    world.daemon.say({ PeersRemoved: [1] });
    await world.clock.advance(10);
    world.daemon.say({ PeersRemoved: [2] });
    await world.clock.advance(second);
    assert.equal(world.daemon.asked.length, 2);
  });
});

Deno.test("tailnet: constant changes: at most a fifth of a slow daemon's time", async () => {
  await running(async ({ daemon, clock }) => {
    daemon.statusMs = 200;
    for (let i = 0; i < 100; i++) {
      daemon.say({ PeersRemoved: [i] });
      await clock.advance(100);
    }
    assert(daemon.asked.length >= 10 && daemon.asked.length <= 11, String(daemon.asked));
  });
});

Deno.test("tailnet: only heartbeats: polled once a minute, no listener is notified", async () => {
  await running(async ({ daemon, changes, beat }) => {
    await beat(300 * second);
    assert(daemon.asked.length >= 4 && daemon.asked.length <= 5, String(daemon.asked));
    assert.deepEqual(changes, []);
  });
});

Deno.test("tailnet: line was lost: found within a minute", async () => {
  await running(async (world) => {
    world.daemon.online = false;
    await world.beat(61 * second);
    assert.equal(bobOnline(world), false);
  });
});

Deno.test("tailnet: daemon without heartbeats is silent: no poll", async () => {
  await running(async ({ daemon, clock }) => {
    await clock.advance(55 * second);
    assert.deepEqual(daemon.asked, []);
  });
});

Deno.test("tailnet: daemon dies and returns: unavailable at once, known again with its first line", async () => {
  await running(async (world) => {
    world.daemon.failing = "NotRunning";
    world.daemon.say(gone);
    await world.clock.advance(0);
    assert.equal(reason(world), "TailscaledUnreachable");
    assert.deepEqual(world.changes.map(({ all, names }) => [all, names.size]), [[true, 2]]);

    world.daemon.failing = undefined;
    world.daemon.say(hello);
    await world.clock.advance(100);
    assert.equal(reason(world), "running");
    assert.equal(world.changes.length, 2);
  });
});

Deno.test("tailnet: daemon stays unreachable: reported once, polled once a second", async () => {
  await running(async (world) => {
    world.daemon.failing = "NotRunning";
    world.daemon.say(gone);
    await world.clock.advance(10 * second);
    assert.equal(world.changes.length, 1);
    assert(world.daemon.asked.length <= 11, String(world.daemon.asked.length));
    world.daemon.failing = undefined;
    await world.clock.advance(second);
    assert.equal(reason(world), "running");
  });
});

Deno.test("tailnet: bus ends while the status is fine: no change", async () => {
  await running(async ({ daemon, clock, changes }) => {
    daemon.say(gone);
    await clock.advance(second);
    assert.equal(daemon.asked.length, 1);
    assert.deepEqual(changes, []);
  });
});

Deno.test("tailnet: daemon hangs and continues: unavailable within 10 s, then known again", async () => {
  await running(async (world) => {
    await world.beat(4 * second);
    world.daemon.statusMs = 3 * second;
    world.daemon.failing = "Timeout";
    // The last line was 2 s ago: 2.5 s of silence, and 3 s for one poll.
    await world.clock.advance(6 * second);
    assert.equal(reason(world), "TailscaledUnreachable");

    world.daemon.statusMs = 0;
    world.daemon.failing = undefined;
    // A poll that began before fails first.
    await world.clock.advance(4 * second);
    assert.equal(reason(world), "running");
  });
});

Deno.test("tailnet: daemon hangs just after a line: unavailable within 5 s", async () => {
  await running(async (world) => {
    await world.beat(4 * second);
    world.daemon.say(heartbeat);
    world.daemon.statusMs = 2.5 * second;
    world.daemon.failing = "Timeout";
    await world.clock.advance(5 * second);
    assert.equal(reason(world), "TailscaledUnreachable");
  });
});

Deno.test("tailnet: daemon hangs just after a poll: unavailable within 10 s", async () => {
  await running(async (world) => {
    await world.beat(4 * second);
    world.daemon.say({ PeersRemoved: [1] });
    await world.clock.advance(100);
    world.daemon.statusMs = 3 * second;
    world.daemon.failing = "Timeout";
    await world.clock.advance(9 * second);
    assert.equal(reason(world), "TailscaledUnreachable");
  });
});

Deno.test("tailnet: bus is silent while the status is fine: one poll", async () => {
  await running(async ({ daemon, clock, changes }) => {
    daemon.say(heartbeat);
    await clock.advance(50 * second);
    assert.equal(daemon.asked.length, 1);
    assert.deepEqual(changes, []);
  });
});

Deno.test("tailnet: several slow responses: each has a second chance", async () => {
  await running(async (world) => {
    for (let round = 0; round < 2; round++) {
      world.daemon.statusMs = 3 * second;
      world.daemon.failing = "Timeout";
      world.daemon.say({ PeersRemoved: [1] });
      await world.clock.advance(second);
      world.daemon.say(heartbeat);
      await world.clock.advance(2 * second);
      world.daemon.statusMs = 0;
      world.daemon.failing = undefined;
      await world.beat(10 * second);
    }
    assert.deepEqual(world.changes, []);
  });
});

Deno.test("tailnet: slow responses of a daemon that sends lines: one changes nothing, two do", async () => {
  await running(async (world) => {
    world.daemon.statusMs = 3 * second;
    world.daemon.failing = "Timeout";
    world.daemon.say({ PeersRemoved: [1] });
    await world.clock.advance(second);
    world.daemon.say(heartbeat);
    await world.clock.advance(2 * second);
    assert.equal(reason(world), "running");
    await world.beat(5 * second);
    assert.equal(reason(world), "TailscaledUnreachable");
  });
});

Deno.test("tailnet: daemon sends invalid data: unavailable, polled every 10 s", async () => {
  await running(async (world) => {
    world.daemon.failing = "Protocol";
    world.daemon.say({ State: 6 });
    await world.clock.advance(0);
    assert.equal(reason(world), "TailscaledUnreachable");
    await world.beat(30 * second);
    assert.equal(world.daemon.asked.length, 4);
  });
});

Deno.test("tailnet: daemon is stopped: unavailable for that reason", async () => {
  await running(async (world) => {
    world.daemon.backend = "Stopped";
    world.daemon.say({ State: 4 });
    await world.clock.advance(0);
    assert.equal(reason(world), "Stopped");
  });
});

Deno.test("tailnet: listener throws: other listeners and the tailnet continue", async () => {
  await running(async (world) => {
    const heard: boolean[] = [];
    world.tailnet.onChange(() => {
      throw new Error("listener");
    });
    world.tailnet.onChange(({ all }) => heard.push(all));
    for (const online of [false, true]) {
      world.daemon.online = online;
      world.daemon.say({ PeersRemoved: [1] });
      await world.clock.advance(200);
    }
    assert.deepEqual(heard, [false, false]);
  });
});

const capabilities = ({ tailnet }: World) =>
  tailnet.state.kind === "running" ? tailnet.state.peers.get("bob-home.ts.net")?.[0]?.capabilities : undefined;
const watched = new Set(["bob-home.ts.net", "nobody.ts.net"]);
const granted = { "keystone.io/cap/realm": [{ name: "bob" }], "keystone.io/cap/empty": null, "example.com/cap/x": [1] };

Deno.test("capabilities: node is watched: queried once and reported, without those of other products", async () => {
  await running(async (world) => {
    Object.assign(world.daemon.capabilities, granted);
    assert.equal(capabilities(world), undefined);
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    assert.deepEqual(capabilities(world), { "keystone.io/cap/realm": [{ name: "bob" }], "keystone.io/cap/empty": [] });
    assert.deepEqual(world.daemon.askedAbout, ["100.64.0.2"]);
    assert.deepEqual(world.changes, [{ names: new Set(["bob-home.ts.net"]), all: false }]);
  });
});

Deno.test("capabilities: node is no longer watched: none", async () => {
  await running(async (world) => {
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    assert.deepEqual(capabilities(world), {});
    world.tailnet.watch(new Set());
    world.daemon.say({ State: 6 });
    await world.clock.advance(second);
    assert.equal(capabilities(world), undefined);
  });
});

Deno.test("capabilities: whole netmap: all are queried again after a pause; patch: none", async () => {
  await running(async (world) => {
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    world.daemon.say({ PeerChangedPatch: [{ NodeID: 2, Online: true }] });
    await world.beat(10 * second);
    assert.equal(world.daemon.askedAbout.length, 1);
    Object.assign(world.daemon.capabilities, granted);
    world.daemon.say({ NetMap: {} });
    await world.clock.advance(second);
    assert.ok(capabilities(world)?.["keystone.io/cap/realm"]);
    for (let i = 0; i < 100; i++) {
      world.daemon.say(i % 2 ? { NetMap: {} } : { SelfChange: {} });
      await world.clock.advance(100);
    }
    await world.beat(4 * second);
    const { length } = world.daemon.askedAbout;
    assert(length >= 6 && length <= 8, String(length));
  });
});

Deno.test("capabilities: many slow responses: rounds take less than a tenth of the time", async () => {
  await running(async (world) => {
    const names = Array.from({ length: 100 }, (_, index) => `peer-${index}.ts.net`);
    world.daemon.peers = names.map((name, index) => ({
      ID: String(index),
      DNSName: name,
      TailscaleIPs: [`100.64.0.${index}`],
    }));
    world.daemon.say({ State: 6 });
    world.tailnet.watch(new Set(names));
    for (let i = 0; i < 100; i++) {
      world.daemon.say({ NetMap: {} });
      await world.clock.advance(100);
    }
    // Each takes 1 ms, and a pause of 1 ms: 200 ms for all, and ten times that until the next round.
    const { length } = world.daemon.askedAbout;
    assert(length > 300 && length <= 600, String(length));
  });
});

Deno.test("capabilities: node moves or is replaced: queried again, earlier answers aren't used", async () => {
  await running(async (world) => {
    Object.assign(world.daemon.capabilities, granted);
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    world.daemon.failingWhois = "Timeout";
    world.daemon.peers = [{ ID: "9", DNSName: "bob-home.ts.net.", TailscaleIPs: ["100.64.0.9"] }];
    world.daemon.say({ PeersRemoved: [2] });
    await world.clock.advance(second);
    assert.equal(capabilities(world), undefined);
    world.daemon.failingWhois = undefined;
    await world.beat(31 * second);
    assert.ok(capabilities(world)?.["keystone.io/cap/realm"]);
    assert.deepEqual(world.daemon.askedAbout, ["100.64.0.2", "100.64.0.9", "100.64.0.9"]);
  });
});

Deno.test("capabilities: answer is about another node: ignored", async () => {
  await running(async (world) => {
    Object.assign(world.daemon.capabilities, granted);
    world.daemon.peers = [{ ID: "2", DNSName: "bob-home.ts.net.", TailscaleIPs: ["100.64.0.7"] }];
    world.daemon.say({ State: 6 });
    await world.clock.advance(second);
    world.tailnet.watch(watched);
    await world.beat(60 * second);
    assert.deepEqual(world.daemon.askedAbout, ["100.64.0.7"]);
    assert.equal(capabilities(world), undefined);
  });
});

Deno.test("capabilities: tailscaled is unreachable: no queries, known ones return with it", async () => {
  await running(async (world) => {
    Object.assign(world.daemon.capabilities, granted);
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    world.daemon.failing = world.daemon.failingWhois = "NotRunning";
    world.daemon.say(gone);
    await world.clock.advance(120 * second);
    assert.equal(world.daemon.askedAbout.length, 1);
    world.daemon.failing = undefined;
    await world.clock.advance(2 * second);
    assert.equal(reason(world), "running");
    assert.ok(capabilities(world)?.["keystone.io/cap/realm"]);
  });
});

Deno.test("capabilities: quiet tailnet with watched realms: at most one request a minute", async () => {
  await running(async (world) => {
    world.tailnet.watch(watched);
    await world.clock.advance(second);
    const before = world.daemon.asked.length + world.daemon.askedAbout.length;
    await world.beat(600 * second);
    const asked = world.daemon.asked.length + world.daemon.askedAbout.length - before;
    assert(asked >= 9 && asked <= 10, String(asked));
    assert.equal(world.daemon.askedAbout.length, 1 + 2);
    assert.equal(world.daemon.askedPrefs, 0);
  });
});

Deno.test("tailnet: no bus: the control server is read from the preferences", async () => {
  await watching(async ({ clock, tailnet, daemon }) => {
    await clock.advance(2 * second);
    assert(tailnet.state.kind === "running");
    assert.equal(tailnet.state.controlURL, "https://prefs.example");
    assert.equal(daemon.askedPrefs, 1);
  });
});

Deno.test("tailnet: daemon without a control server: Tailscale's is used", async () => {
  await watching(async ({ clock, tailnet, daemon }) => {
    daemon.say({ SessionID: "s", Prefs: { ControlURL: "" } });
    await clock.advance(second);
    assert(tailnet.state.kind === "running");
    assert.equal(tailnet.state.controlURL, "https://controlplane.tailscale.com");
  });
});

const { signal: never } = new AbortController();
const pings: [string, PingResult | LocalApiErrorKind, Record<string, unknown>][] = [
  ["a direct answer", { LatencySeconds: 0.002, Endpoint: "192.0.2.1:1" }, {
    kind: "answered",
    path: "direct",
    via: "192.0.2.1:1",
    latencyMs: 2,
  }],
  ["an answer through a relay", { LatencySeconds: 0.04, DERPRegionCode: "fra", Endpoint: "" }, {
    kind: "answered",
    path: "relay",
    via: "fra",
    latencyMs: 40,
  }],
  ["an answer through a peer relay", { LatencySeconds: 0.04, PeerRelay: "192.0.2.1:1:vni:1" }, {
    kind: "answered",
    path: "relay",
    via: "192.0.2.1:1:vni:1",
    latencyMs: 40,
  }],
  ["no such peer", { Err: "no matching peer" }, {
    kind: "unanswered",
    message: "100.64.0.2 can't be pinged: no matching peer",
  }],
  ["no answer", "Timeout", { kind: "unanswered", message: "100.64.0.2 didn't answer a ping within 5 s" }],
  ["a daemon that refuses", "AccessDenied", { kind: "unknown", message: "it is AccessDenied" }],
];
for (const [what, answer, expected] of pings) {
  Deno.test(`ping: ${what}`, async () => {
    await running(async (world) => {
      world.daemon.answerPing = () => answer;
      const ping = world.tailnet.ping("100.64.0.2", never);
      await world.beat(10 * second);
      assert.deepEqual(await ping, expected);
    });
  });
}

Deno.test("ping: daemon hangs: unknown, not unanswered", async () => {
  await running(async (world) => {
    world.daemon.answerPing = () => "Timeout";
    world.daemon.failing = "Timeout";
    const ping = world.tailnet.ping("100.64.0.2", never);
    await world.clock.advance(10 * second);
    assert.deepEqual(await ping, { kind: "unknown", message: "it is Timeout" });
  });
});

Deno.test("ping: daemon is stopped: unknown, not unanswered", async () => {
  await running(async (world) => {
    world.daemon.answerPing = () => ({ Err: "local tailscaled stopped" });
    world.daemon.backend = "Stopped";
    const ping = world.tailnet.ping("100.64.0.2", never);
    await world.clock.advance(second);
    const found = await ping;
    assert(found.kind === "unknown" && found.message.includes("Stopped"));
  });
});

Deno.test("ping: many: at most 8 at a time, waiting ones can be aborted, all are sent", async () => {
  await running(async (world) => {
    const abort = new AbortController();
    const all = Array.from({ length: 20 }, () => world.tailnet.ping("100.64.0.2", never));
    const given = world.tailnet.ping("100.64.0.2", abort.signal);
    abort.abort(new Error("no time"));
    await assert.rejects(given, /no time/);
    await world.clock.advance(100);
    assert.deepEqual((await Promise.all(all)).map(({ kind }) => kind), Array(20).fill("answered"));
    assert.equal(world.daemon.mostPings, 8);
  });
});

Deno.test("ping: before and after run: nothing is sent", async () => {
  const tailnet = new LocalTailnet({ socket: "/s", clock: new FakeClock(), connect: () => assert.fail() });
  const found = await tailnet.ping("100.64.0.2", never);
  assert(found.kind === "unknown" && found.message.includes("/s"));
});
