/**
 * An attack by a hostile guest with all means at once, beside other guests, on a cluster as users install it: the
 * operator and the front are separate processes with their shipped rights and permissions, and all guards are in force.
 */
import { prepared } from "../../fixtures/test_operator.ts";
import { startStranger } from "../../hostile/attacker_process.ts";
import { startLab } from "../../lab/lab.ts";
import { randomOf, SeededRandom } from "../../simulation/random.ts";
import { stateDifferences } from "../../specs/cluster_view.ts";
import { finishing, much, ownEnd, squeezing, working } from "./company.ts";
import type { Tally } from "./hands.ts";
import type { JudgedObject } from "./judgement.ts";
import { GrantCycle, noTimes, Sight } from "./grant_cycle.ts";
import {
  belongings,
  databaseOf,
  guestOf,
  installKeystone,
  leaseOf,
  local,
  memoryOf,
  processorOf,
  settleIn,
} from "./attack_scene.ts";

/** Options of a run. */
export interface AttackTerms {
  /** Length of the attack. */
  attackMs: number;
  /** Time before the attack, in which only the other guests are measured. */
  beforeMs: number;
  seed: number;
  /** Limit of what all attackers may write, in MB: the database may keep all of it to the end. */
  megabytes: number;
  /** Names of attacks, separated by commas. Default: all. */
  only?: string;
  /** Called now and then with the progress. */
  say: (line: string) => void;
}

/** Outcome of a run. */
export interface AttackOutcome {
  seen: JudgedObject;
  /** Responses to the attackers, by attack. */
  tally: Tally;
  /** The last log lines of the operator and the front. */
  log: string[];
}

const others = 3;
/** Guests need little processor time themselves, but they are to get it. */
const guestNiceness = 5;
/** Default limit of etcd's database. */
const databaseBytes = 2 * 2 ** 30;

/** Runs the attack. Throws if it can't be set up; the observations aren't judged here. */
export async function attacked(terms: AttackTerms): Promise<AttackOutcome> {
  const { say } = terms;
  await using lab = await startLab({ etcdQuotaBytes: databaseBytes });
  using cluster = await prepared(lab);
  await using world = await installKeystone(lab);
  const { operator, front, port } = world;
  const bob = await guestOf(lab, cluster, "bob", { cpu: "4", memory: "4Gi", pods: "10" });
  using rest = bob.rest;
  await settleIn(lab, bob.namespace);
  const mallory = await guestOf(lab, cluster, "mallory", much);
  mallory.rest.close();
  const stop = new AbortController();
  const sight = new Sight(cluster);
  const watching = sight.run(stop.signal);
  await watching.synced;
  const lanes = Array.from(
    { length: others },
    (_, index) => new GrantCycle(cluster, sight, `carol-${index}`, local, randomOf(terms.seed, 1000 + index)),
  );
  for (const { realm } of lanes) await cluster.createRealm(realm);

  const over = new AbortController();
  const lending = lanes.map((lane) => lane.run(over.signal));
  const before = await timesOf(lanes, terms.beforeMs);
  say(`before the attack: ${before.begun.length} grants began, ${before.ended.length} ended`);
  const kept = await belongings(lab, bob.namespace);
  const lease = await leaseOf(cluster);
  const spent = () =>
    Object.fromEntries(
      [lab.apiserver, lab.etcd, lab.controllerManager, { name: "operator", pid: operator.pid }, {
        name: "front",
        pid: front.pid,
      }]
        .map(({ name, pid }) => [name, processorOf(pid)]),
    );
  const spentBefore = spent();

  const perSecond = terms.megabytes * 1e6 / (terms.attackMs / 1000);
  await using attacking = new AsyncDisposableStack();
  const crew = [mallory.kubeconfig, mallory.accomplice].map((kubeconfig, index) => {
    const [seed, share] = [String(terms.seed + index), String(Math.round(perSecond / 2))];
    const args = [kubeconfig, mallory.namespace, bob.namespace, seed, share, terms.only ?? ""];
    return attacking.use(startStranger(new URL("attacking_guest.ts", import.meta.url), args, guestNiceness));
  });
  const frontAttack = new URL("../../hostile/front_attack.ts", import.meta.url);
  const strangers = attacking.use(startStranger(frontAttack, [String(port)]));
  const requests = { ms: [] as number[], failed: [] as string[] };
  const work = [
    working(rest, bob.namespace, requests, over.signal),
    finishing(cluster, mallory.namespace, over.signal),
    squeezing(cluster, mallory.realm, new SeededRandom(terms.seed), over.signal),
  ];
  // Failures are reported at the end.
  for (const each of work) each.catch(() => {});
  const peaks = { operatorMiB: 0, frontMiB: 0, databaseMiB: 0 };
  const look = async () => {
    peaks.databaseMiB = Math.max(peaks.databaseMiB, await databaseOf(lab));
    peaks.operatorMiB = Math.max(peaks.operatorMiB, memoryOf(operator, "VmHWM"));
    peaks.frontMiB = Math.max(peaks.frontMiB, memoryOf(front, "VmHWM"));
  };
  const during = await timesOf(lanes, terms.attackMs, async (ms, times) => {
    await look();
    say(
      `${Math.round(ms / 1000)} s: ${times.begun.length} grants began (${Math.max(0, ...times.begun)} ms at most), ` +
        `${times.ended.length} ended (${Math.max(0, ...times.ended)} ms), ${times.missed.length} failed; ` +
        `operator ${memoryOf(operator, "VmRSS").toFixed(0)} MiB, front ${memoryOf(front, "VmRSS").toFixed(0)} MiB, ` +
        `database ${peaks.databaseMiB.toFixed(0)} MiB`,
    );
  });
  const processor = Object.fromEntries(Object.entries(spent()).map(([name, s]) => [name, s - spentBefore[name]!]));
  // Cycles in progress end under attack too.
  over.abort();
  await Promise.all([...lending, ...work]);
  const ownEndMs = await ownEnd(cluster, sight, mallory.realm);
  const told = await Promise.all(crew.map(async (each) => JSON.parse(await each.end()) as Tally));
  const connections = Number(await strangers.end());
  await look();
  const now = await belongings(lab, bob.namespace);
  const leaseNow = await leaseOf(cluster);
  stop.abort();
  await watching.ended;
  const [operatorCode, frontCode] = await Promise.all([operator.stop(), front.stop()]);
  const tally = summed(told);
  return {
    seen: {
      before,
      during,
      ownEndMs,
      requestsMs: requests.ms,
      requestsFailed: requests.failed,
      ...peaks,
      transitions: leaseNow.holder === lease.holder ? leaseNow.transitions - lease.transitions : 1,
      operatorCode,
      frontCode,
      differences: now === kept ? [] : stateDifferences(JSON.parse(kept), JSON.parse(now)),
      breaches: tally.breaches,
      attempts: Object.values(tally.answers).flatMap((each) => Object.values(each)).reduce((a, b) => a + b, 0),
      connections,
      processor,
    },
    tally,
    log: [...operator.log.slice(-30), ...front.log.slice(-10)],
  };
}

const lookEveryMs = 10_000;

/** Runs grant cycles for a while; returns their times. Calls `look` every ten seconds. */
async function timesOf(
  lanes: readonly GrantCycle[],
  ms: number,
  look: (ms: number, times: JudgedObject["during"]) => Promise<void> = () => Promise.resolve(),
): Promise<JudgedObject["during"]> {
  const times = noTimes();
  for (const lane of lanes) lane.times = times;
  const beganAt = performance.now();
  for (let passed = 0; passed < ms; passed = performance.now() - beganAt) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(lookEveryMs, ms - passed)));
    await look(performance.now() - beganAt, times);
  }
  return times;
}

function summed(tallies: readonly Tally[]): Tally {
  const sum: Tally = { answers: {}, breaches: tallies.flatMap(({ breaches }) => breaches) };
  for (const { answers } of tallies) {
    for (const [name, each] of Object.entries(answers)) {
      const total = sum.answers[name] ??= { through: 0, refused: 0, throttled: 0, unanswered: 0 };
      for (const key of ["through", "refused", "throttled", "unanswered"] as const) total[key] += each[key];
    }
  }
  return sum;
}
