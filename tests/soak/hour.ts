/**
 * `deno task soak`: an hour of churn on a real cluster and tailnet, with the operator as users run it. In each round,
 * grants, realms and pools are created, changed and deleted for a while; then everything is deleted, and the idle
 * operator is measured: it must need no more than in the last round. The API server and a tailscaled are restarted now
 * and then.
 *
 * It fails if, over the second half, a series grows with each new grant by more than is tolerated, after subtracting
 * four standard errors; if a leak of a kilobyte could not have been detected; or if any object is wrong or left over.
 * `--minutes` sets the duration, `--seed` the changes, `--rate` their number per second.
 */
import { parseArgs } from "node:util";
import { plainTable } from "../../src/cli/table_layout.ts";
import { clientOf, eventually, prepared, realmOf } from "../fixtures/test_operator.ts";
import { ownAddress } from "../fixtures/own_address.ts";
import { startOperatorProcess } from "../fixtures/operator_process.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { SeededRandom } from "../simulation/random.ts";
import { ClusterView } from "../specs/cluster_view.ts";
import { faultsOf } from "../specs/oracles.ts";
import { Churn } from "./churn.ts";
import { type Sample, sampleOf } from "./samples.ts";
import { grows, isTelling, leastPoints, trendOf } from "./trend.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const forMs = Number(values.minutes) * 60_000;
/** Duration of churn between two measurements. */
const stintMs = 12_000;
const disturbedEveryMs = 120_000;

/** The measured series: unit, and the tolerated growth with each new grant. */
const series: { name: string; of: (sample: Seen) => number; unit: string; tolerated: number; leak?: number }[] = [
  { name: "heap", of: ({ heap }) => heap, unit: "B", tolerated: 256, leak: 1024 },
  { name: "resident memory", of: ({ rss }) => rss, unit: "B", tolerated: 2048 },
  { name: "handles", of: ({ handles }) => handles, unit: "", tolerated: 0.001 },
  { name: "queued keys", of: ({ queued }) => queued, unit: "", tolerated: 0.01 },
  { name: "requests per change", of: ({ perChange }) => perChange, unit: "", tolerated: 0.001 },
];

interface Seen extends Sample {
  grants: number;
  perChange: number;
}

console.log(`soak: ${values.minutes} min, --seed ${values.seed} --rate ${values.rate}`);
const local = "alice-home";
const steady = "bob-home";
await using lab = await startLab({ realms: [local, steady], fastControllers: true });
using cluster = await prepared(lab);
const address = ownAddress();
if (address === undefined) throw new Error("The soak test needs an address of this machine other than loopback.");
const settings = await Deno.makeTempFile({ suffix: ".yaml" });
await Deno.writeTextFile(settings, "namespaceRetentionSeconds: 0\n");
await using operator = await startOperatorProcess({
  KUBECONFIG: lab.kubeconfig,
  TS_SOCKET: lab.realms[local]!.socket,
  KEYSTONE_REALM: local,
  // On loopback the lab's tailscaled, which has no network device, would deliver traffic from other nodes.
  KEYSTONE_LISTEN: `${address}:0`,
  KEYSTONE_CONFIG: settings,
  // Each garbage collection is a full one, after each megabyte, so the heap in use is the heap needed, to within a
  // megabyte.
  DENO_V8_FLAGS: "--gc-global,--max-semi-space-size=1",
});
const url = await operator.url();
await operator.says(/Enforcing grants/, 30_000);
for (const name of [local, steady]) {
  await cluster.realms.create(realmOf(name, { identity: lab.realms[name]!.identity, trustLevel: "internal" }));
}
const churn = new Churn(cluster, new SeededRandom(Number(values.seed)), local, steady);
const seen: Seen[] = [];
using rest = await clientOf(lab.kubeconfig);
const mirror = new ClusterView(rest);
const stop = new AbortController();
const mirroring = mirror.run(stop.signal);
const failures: string[] = [];
await soaked().catch((error) => failures.push((error as Error).message));
stop.abort();
await mirroring.ended;
if (await operator.stop() !== 0) failures.push("the operator did not exit cleanly");
await Deno.remove(settings);
failures.push(...judged());
for (const failure of failures) console.log(`  ${failure}`);
if (failures.length > 0) console.log(["The end of the operator's log:", ...operator.log.slice(-40)].join("\n  "));
console.log(
  `soak: ${failures.length === 0 ? "ok" : "failed"} after ${churn.done.changes} changes, ${churn.done.grants} grants`,
);
Deno.exitCode = failures.length === 0 ? 0 : 1;

/** Repeats churn, measurement and disturbance until the time is up. */
async function soaked(): Promise<void> {
  await mirroring.synced;
  const endsAt = performance.now() + forMs;
  let [disturbAt, disturbances] = [performance.now() + disturbedEveryMs, 0];
  while (performance.now() < endsAt) {
    const before = { changes: churn.done.changes, requests: (await sampleOf(operator.pid, url)).requests };
    await stint();
    await atRest();
    const sample = await lookedAt();
    const { grants, changes } = churn.done;
    seen.push({ ...sample, grants, perChange: (sample.requests - before.requests) / (changes - before.changes) });
    if (performance.now() < disturbAt) continue;
    await disturb(lab, disturbances++);
    disturbAt = performance.now() + disturbedEveryMs;
  }
}

/** Churns at the rate for one period. */
async function stint(): Promise<void> {
  const endsAt = performance.now() + stintMs;
  while (performance.now() < endsAt) {
    const nextAt = performance.now() + 1000 / Number(values.rate);
    await churn.change();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextAt - performance.now())));
  }
}

/** Waits until the objects match the terms; then deletes everything and waits until nothing is left. */
async function atRest(): Promise<void> {
  const faults = () => Promise.resolve(faultsOf(mirror.all()).join("; ") || true);
  await eventually("the objects match the terms", faults, 120_000);
  await churn.end();
  await eventually("nothing is left", () => {
    const left = Object.keys(mirror.all()).filter((key) => /^(Grant|SuperEntity) |guest-|-(realm|pool)-\d/.test(key));
    return Promise.resolve(left.length === 0 || `${left.slice(0, 5).join(", ")} exist`);
  }, 120_000);
}

/** Returns the minimum of several measurements, with garbage collections between them. */
async function lookedAt(): Promise<Sample> {
  let least = await sampleOf(operator.pid, url);
  for (let look = 0; look < 12; look++) {
    const next = await sampleOf(operator.pid, url);
    const keys = ["rss", "heap", "handles", "queued"] as const;
    least = { ...next, ...Object.fromEntries(keys.map((key) => [key, Math.min(least[key], next[key])])) };
  }
  return least;
}

/** Restarts the API server and a tailscaled by turns. */
async function disturb(lab: Lab, count: number): Promise<void> {
  await (count % 2 === 0 ? lab.apiserver : lab.realms[steady]!.tailscaled).restart();
}

/** Prints the series; returns those that grew over the second half. */
function judged(): string[] {
  const half = seen.slice(seen.length / 2);
  if (half.length < leastPoints) return ["too few samples; run it longer"];
  const rows: string[][] = [];
  const found: string[] = [];
  for (const { name, of, unit, tolerated, leak } of series) {
    const points = half.map((sample) => ({ grants: sample.grants, value: of(sample) }));
    const trend = trendOf(points);
    const isGrowing = grows(trend, tolerated);
    if (isGrowing) found.push(`${name} grows by ${trend.perGrant.toPrecision(3)} ${unit} with each grant`);
    if (leak !== undefined && !isTelling(trend, leak, tolerated)) {
      found.push(`${name} is too noisy to detect a leak of ${leak} ${unit} per grant; run it longer`);
    }
    const rounded = (value: number) =>
      value > 1e6 ? `${(value / 1e6).toFixed(1)} M${unit}` : String(Math.round(value * 100) / 100);
    rows.push([
      name,
      rounded(points[0]!.value),
      rounded(points.at(-1)!.value),
      `${trend.perGrant.toFixed(4)} ± ${trend.error.toFixed(4)} ${unit}`,
      `${tolerated} ${unit}`,
      isGrowing ? "grows" : "flat",
    ]);
  }
  console.log(plainTable(["", "at half-time", "at the end", "per new grant", "tolerated", ""], rows));
  return found;
}
