/**
 * `deno task bench:tailnet`: measures the cost of a big tailnet, and how soon a change in it is reported. Prints a
 * table and writes `bench/results/<date>-<commit>-tailnet.json`. Needs only Deno: the tailnet is simulated, with a
 * recorded bus.
 */
import { statusSchema } from "../lib/tailscale/status.ts";
import type { TailscaleStatus } from "../lib/tailscale/mod.ts";
import { planRealm } from "../src/core/realm/plan_realm.ts";
import { stateFrom, tailnetChange, withCapabilities } from "../src/tailnet/tailnet_state.ts";
import type { TailnetState } from "../src/tailnet/tailnet.ts";
import { realm as realmFacts } from "../tests/fixtures/made_facts.ts";
import { replay } from "../tests/fixtures/replay.ts";
import { dialects } from "../tests/fixtures/replayed_tailscaled.ts";
import { distribution, summary } from "./statistics.ts";

const sizes = [1250, 2500, 5000, 10_000, 20_000];
const realms = 1000;
const rounds = 15;

const say = (text: string) => console.error(`bench: ${text}`);

/** Returns a status as long as a real one: nodes with all fields that the daemon reports. */
function statusOf(peers: number, online = true): string {
  const node = (name: string, index: number) => ({
    ID: `n${index}CNTRL`,
    NodeID: index,
    PublicKey: `nodekey:${String(index).padStart(64, "0")}`,
    HostName: name,
    DNSName: `${name}.tailnet-name.ts.net.`,
    OS: "linux",
    UserID: index % 50,
    TailscaleIPs: [
      `100.${64 + (index >> 16)}.${index >> 8 & 255}.${index & 255}`,
      `fd7a:115c:a1e0::${index.toString(16)}`,
    ],
    AllowedIPs: [
      `100.${64 + (index >> 16)}.${index >> 8 & 255}.${index & 255}/32`,
      `fd7a:115c:a1e0::${index.toString(16)}/128`,
    ],
    Addrs: null,
    CurAddr: "",
    Relay: "fra",
    PeerRelay: "",
    RxBytes: 0,
    TxBytes: 0,
    Created: "2026-01-01T00:00:00Z",
    LastWrite: "0001-01-01T00:00:00Z",
    LastSeen: "0001-01-01T00:00:00Z",
    LastHandshake: "0001-01-01T00:00:00Z",
    Online: online,
    ExitNode: false,
    ExitNodeOption: false,
    Active: false,
    PeerAPIURL: [`http://100.64.0.1:${30_000 + index % 1000}`],
    TaildropTarget: 0,
    NoFileSharingReason: "",
    CapMap: { "https://tailscale.com/cap/is-admin": null },
    InNetworkMap: true,
    InMagicSock: true,
    InEngine: false,
    KeyExpiry: "2027-01-01T00:00:00Z",
  });
  const status = {
    Version: "1.98.10",
    BackendState: "Running",
    Self: node("alice-home", 1),
    MagicDNSSuffix: "tailnet-name.ts.net",
    Peer: Object.fromEntries(
      Array.from({ length: peers }, (_, index) => node(`peer-${index}`, index + 2)).map((
        peer,
      ) => [peer.PublicKey, peer]),
    ),
    User: Object.fromEntries(
      Array.from({ length: 50 }, (_, id) => [id, { ID: id, LoginName: `user-${id}@example.com` }]),
    ),
  };
  return JSON.stringify(status, null, "\t");
}

function median(work: () => unknown): number {
  return summary(Array.from({ length: rounds }, () => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt;
  })).median;
}

/** Plans all realms again, as when tailscaled comes back. */
function planAll(state: TailnetState, facts: ReturnType<typeof realmFacts>[]): void {
  if (state.kind !== "running") throw new Error("The tailnet is not running.");
  for (const realm of facts) {
    planRealm({
      realm,
      rivals: [],
      tailnet: { kind: "running", nodes: state.peers.get(realm.spec.identity) ?? [], current: true },
      ping: undefined,
      local: false,
      lastSeenEveryMs: 300_000,
      now: Date.now(),
    });
  }
}

function pass(peers: number) {
  say(`a netmap of ${peers} nodes`);
  const [text, other] = [statusOf(peers), statusOf(peers, false)];
  const [parsed, offline] = [text, other].map((text) => JSON.parse(text) as TailscaleStatus);
  const [before, same, after] = [parsed!, parsed!, offline!].map((status) => stateFrom(status, "/s"));
  const facts = Array.from({ length: realms }, (_, index) => realmFacts({ name: `peer-${index}` }));
  return {
    peers,
    megabytes: Math.round(text.length / 1e4) / 100,
    readMs: median(() => statusSchema.parse(JSON.parse(text))),
    projectMs: median(() => stateFrom(parsed!, "/s")),
    compareSameMs: median(() => tailnetChange(before!, same!)),
    compareAllChangedMs: median(() => tailnetChange(before!, after!)),
    capabilitiesMs: median(() => withCapabilities(before!, new Map())),
    planRealmsMs: median(() => planAll(before!, facts)),
  };
}

const passes = sizes.map(pass);
const latencies = [];
for (const peers of [50, 5000]) {
  for (const dialect of dialects) {
    say(`220 changes on the bus of ${dialect}, ${peers} nodes, ${Math.min(realms, peers)} realms`);
    const { latencies: samples, asked } = await replay({
      dialect,
      peers,
      changes: 220,
      realms: Math.min(realms, peers),
    });
    latencies.push({ dialect, peers, unit: "ms", asked, ...distribution([samples]) });
  }
}

const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] });
const commit = new TextDecoder().decode((await git.output()).stdout).trim();
const date = new Date().toISOString().slice(0, 10);
const result = {
  date,
  commit,
  machine: { cpus: navigator.hardwareConcurrency, memoryGB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30) },
  versions: { deno: Deno.version.deno },
  realms,
  passes,
  latencies,
};
await Deno.writeTextFile(
  new URL(`results/${date}-${commit}-tailnet.json`, import.meta.url),
  `${JSON.stringify(result, null, 2)}\n`,
);

console.log("\n| nodes | status | read | project | compare: same / all changed | 1,000 realms planned | µs a node |");
console.log("|---|---|---|---|---|---|---|");
for (const each of passes) {
  const { peers, megabytes, readMs, projectMs, compareSameMs, compareAllChangedMs, planRealmsMs } = each;
  const whole = readMs + projectMs + compareAllChangedMs;
  console.log(
    `| ${peers} | ${megabytes} MB | ${readMs} ms | ${projectMs} ms | ${compareSameMs} / ${compareAllChangedMs} ms | ${planRealmsMs} ms | ${
      Math.round(whole / peers * 1e5) / 100
    } |`,
  );
}
console.log("\n| bus | nodes | changes | p50 | p99 | max | requests |\n|---|---|---|---|---|---|---|");
for (const { dialect, peers, samples, median, p99, quantiles, asked } of latencies) {
  console.log(
    `| ${dialect} | ${peers} | ${samples} | ${median} ms | ${p99.median} ms | ${quantiles.at(-1)} ms | ${asked} |`,
  );
}
