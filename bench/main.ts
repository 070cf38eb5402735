/**
 * `deno task bench [--grants N]`: what a grant costs and how soon it holds, on a lab with a real control plane. Prints a
 * table and writes `bench/results/<date>-<commit>.json`. The controller-manager has raised client limits: by default it
 * sets about 20 quotas a second, and that is what would be measured (tests/lab/controller_manager.ts).
 */
import { parseArgs } from "node:util";
import { grantOf, prepared, realmOf, type TestCluster } from "../tests/fixtures/operator.ts";
import { type OperatorProcess, startOperatorProcess } from "../tests/fixtures/operator_process.ts";
import { type Lab, startLab } from "../tests/lab/lab.ts";
import { poll } from "../tests/lab/poll.ts";
import { auditMark, reads, type Requests, requestsSince, writes } from "./audit.ts";
import { summary } from "./statistics.ts";
import { Witness } from "./witness.ts";

const { values } = parseArgs({
  args: Deno.args.filter((arg) => arg !== "--"),
  options: { grants: { type: "string", default: "1000" }, steady: { type: "string", default: "60" } },
});
const count = Number(values.grants);
const steadySeconds = Number(values.steady);
const idleRounds = 50;
const endingTogether = 50;

const say = (text: string) => console.error(`bench: ${text}`);
const key = (prefix: string, index: number) => `${prefix}${String(index).padStart(5, "0")}`;

/** Resident memory in MB. */
async function rss(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Math.round(Number(status.match(/VmRSS:\s+(\d+) kB/)![1]) / 1024);
}

async function createRealms(cluster: TestCluster, prefix: string, length: number): Promise<void> {
  await Promise.all(Array.from({ length }, (_, i) => cluster.realms.create(realmOf(key(prefix, i)))));
  await poll("every Realm has a status", async () => {
    const { items } = await cluster.realms.list();
    const without = items.filter(({ status }) => !status?.connectionState).length;
    return without === 0 || `${without} have none`;
  }, { withinMs: 120_000, everyMs: 200 });
}

/** Creates a grant and waits until it holds; milliseconds from just before the request. */
async function untilEnforced(cluster: TestCluster, witness: Witness, name: string, to: string): Promise<number> {
  const began = performance.now();
  const enforced = witness.enforced(name, to);
  await cluster.grants.create(grantOf({ name, to, hard: { "requests.cpu": "1", "requests.memory": "1Gi" } }));
  return await enforced - began;
}

async function latencies(cluster: TestCluster, witness: Witness, auditLog: string) {
  say(`${idleRounds} grants, one after the other`);
  await createRealms(cluster, "idle", idleRounds);
  const mark = await auditMark(auditLog);
  const idle: number[] = [];
  for (let i = 0; i < idleRounds; i++) {
    idle.push(await untilEnforced(cluster, witness, key("idle-grant", i), key("idle", i)));
  }
  await quiet(auditLog);
  const requests = await requestsSince(auditLog, mark);

  say(`${count} grants at once`);
  await createRealms(cluster, "burst", count);
  const began = performance.now();
  const burstMark = await auditMark(auditLog);
  const burst = await Promise.all(
    Array.from({ length: count }, (_, i) => untilEnforced(cluster, witness, key("burst-grant", i), key("burst", i))),
  );
  const seconds = (performance.now() - began) / 1000;
  await quiet(auditLog);
  const burstRequests = await requestsSince(auditLog, burstMark);
  return { idle, requests, burst, burstRequests, seconds };
}

/** Moves the end of some grants to one instant; milliseconds from it until each quota has lost the share. */
async function expiries(cluster: TestCluster, witness: Witness): Promise<number[]> {
  say(`${endingTogether} grants that end at one instant`);
  const until = Math.ceil(Date.now() / 1000 + 4) * 1000;
  const validUntil = new Date(until).toISOString().replace(".000Z", "Z");
  const closed = Array.from({ length: endingTogether }, (_, i) => witness.closed(key("burst", i)));
  await Promise.all(
    Array.from(
      { length: endingTogether },
      (_, i) => cluster.grants.patch(key("burst-grant", i), { spec: { validity: { validUntil } } }, { type: "merge" }),
    ),
  );
  const at = performance.now() + (until - Date.now());
  return (await Promise.all(closed)).map((when) => when - at);
}

/** Waits until the operator has asked for nothing for three seconds. */
async function quiet(auditLog: string): Promise<void> {
  let last = "";
  let since = performance.now();
  const mark = await auditMark(auditLog);
  await poll("the operator is quiet", async () => {
    const now = JSON.stringify(await requestsSince(auditLog, mark));
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 3000 || "it still asks";
  }, { withinMs: 120_000, everyMs: 250 });
}

async function steady(auditLog: string): Promise<Requests> {
  say(`${steadySeconds} s of nothing`);
  const mark = await auditMark(auditLog);
  await new Promise((resolve) => setTimeout(resolve, steadySeconds * 1000));
  return await requestsSince(auditLog, mark);
}

async function startOperator(lab: Lab): Promise<OperatorProcess> {
  const operator = await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM: "alice-home" });
  await operator.says(/Enforcing grants/, 60_000);
  return operator;
}

const commandOutput = async (command: string, args: string[]): Promise<string> =>
  new TextDecoder().decode((await new Deno.Command(command, { args }).output()).stdout).trim();

async function measure(lab: Lab) {
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab);
  await using witness = await Witness.watch(cluster.rest);
  const rssEmpty = await rss(operator.pid);
  const { idle, requests, burst, burstRequests, seconds } = await latencies(cluster, witness, lab.auditLog);
  const rssFull = await rss(operator.pid);
  const steadyRequests = await steady(lab.auditLog);
  const ends = await expiries(cluster, witness);
  await quiet(lab.auditLog);

  say("a restart");
  await operator.stop();
  const mark = await auditMark(lab.auditLog);
  const began = performance.now();
  await using _next = await startOperator(lab);
  const restartMs = performance.now() - began;
  await quiet(lab.auditLog);
  const restartRequests = await requestsSince(lab.auditLog, mark);

  return {
    writesPerGrant: { idle: writes(requests) / idleRounds, burst: writes(burstRequests) / count, requests },
    readsPerGrant: { idle: reads(requests) / idleRounds, burst: reads(burstRequests) / count },
    latency: {
      unit: "ms",
      idle: summary(idle),
      burst: { ...summary(burst), grants: count, seconds: Math.round(seconds * 100) / 100 },
      expiry: { ...summary(ends), endingTogether },
    },
    rss: { unit: "MB", empty: rssEmpty, full: rssFull, grants: count + idleRounds },
    restart: { ms: Math.round(restartMs), writes: writes(restartRequests), requests: restartRequests },
    steadyState: { seconds: steadySeconds, requests: steadyRequests },
  };
}

await using lab = await startLab({ fastControllers: true });
const figures = await measure(lab);
const commit = await commandOutput("git", ["rev-parse", "--short", "HEAD"]);
const date = new Date().toISOString().slice(0, 10);
const result = {
  date,
  commit,
  machine: { cpus: navigator.hardwareConcurrency, memoryGB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30) },
  versions: { deno: Deno.version.deno, kubernetes: "v1.34.4" },
  ...figures,
};
const file = new URL(`results/${date}-${commit}.json`, import.meta.url);
await Deno.writeTextFile(file, `${JSON.stringify(result, null, 2)}\n`);

const { latency, rss: memory } = figures;
console.log(`
| figure | |
|---|---|
| writes for a new grant to a new realm (events included) | ${figures.writesPerGrant.idle} |
| reads for it | ${figures.readsPerGrant.idle} |
| grant applied → enforced, idle, p50 / p99 | ${latency.idle.median} / ${latency.idle.p99} ms |
| the same, ${count} at once, p50 / p99 | ${latency.burst.median} / ${latency.burst.p99} ms |
| validUntil → share gone, ${endingTogether} at one instant, p50 / max | ${latency.expiry.median} / ${latency.expiry.max} ms |
| RSS empty / with ${memory.grants} grants | ${memory.empty} / ${memory.full} MB |
| restart → enforcing, and the writes that it takes | ${figures.restart.ms} ms, ${figures.restart.writes} |
| requests in ${steadySeconds} s of steady state, Lease left out | ${JSON.stringify(figures.steadyState.requests)} |
`);
