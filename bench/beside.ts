/**
 * Another operator that does the same job, measured in turns with this one: both start from the same database, with
 * Realms that are settled and Grants that nobody has seen yet.
 */
import { mapValues, merge } from "es-toolkit/object";
import { resourceQuotas } from "../lib/kubernetes_apis/core@v1.ts";
import { ResourceApi } from "../lib/kubernetes/mod.ts";
import { type OperatorProcess, piped, startOperatorProcess, watched } from "../tests/fixtures/operator_process.ts";
import { clientOf, type TestCluster } from "../tests/fixtures/test_operator.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { poll } from "../tests/lab/poll.ts";
import { type AuditedRequest, AuditLog, counted, isRead, isWriteRequest } from "./audit.ts";
import { readBenchState } from "./bench_state.ts";
import { ControlPlane } from "./control_plane.ts";
import type { EfficiencyRun } from "./efficiency.ts";
import type { Figures } from "./figures.ts";
import { isGuests } from "./necessary.ts";
import type { BenchPart } from "./parts.ts";
import { atRest, type Memory, memoryAtRest, residentMemory } from "./processes.ts";
import { finished, startMeasuredOperator } from "./rounds.ts";
import { type BenchShape, grantsIn, shapeGrants, shapeRealms } from "./shapes.ts";
import { type Summary, summary } from "./statistics.ts";
import { withConcurrency } from "./with_concurrency.ts";

/** The other operator: a program that takes the cluster from KUBECONFIG and ends on SIGTERM. */
export interface Peer {
  binary: string;
  args: readonly string[];
}

/** Figures of one operator in one round. */
interface Turn {
  grantsPerSecond: number;
  /** Milliseconds of processor time for each grant, by process. */
  processor: Record<string, number>;
  writesPerGrant: number;
  readsPerGrant: number;
  memory: Memory;
  /** A start with nothing to change: seconds until it is at rest, requests, and memory in MB. */
  restart: { seconds: number; writes: number; reads: number; rss: number };
  /** Requests by verb and resource. */
  requests: Record<string, number>;
}

/** Starts one of the two operators with a kubeconfig. */
type Start = (kubeconfig: string) => Promise<OperatorProcess>;

/** The numbers of realms, a grant each, and the controller-manager that they are measured with. */
const cases = {
  "300": { realms: 300, fastControllers: true, seconds: { first: 40, each: 120 } },
  "1000": { realms: 1000, fastControllers: true, seconds: { first: 50, each: 180 } },
  "3000": { realms: 3000, fastControllers: true, seconds: { first: 90, each: 420 } },
  defaultControllers: { realms: 300, fastControllers: false, seconds: { first: 40, each: 140 } },
};

/** Returns the parts that measure the other operator, by name. */
export const partsBeside = (peer: Peer): Record<string, BenchPart> =>
  Object.fromEntries(
    Object.entries(cases).map(([name, { realms, fastControllers, seconds }]): [string, BenchPart] => [
      `beside-${name}`,
      {
        seconds,
        run: async (run) => ({
          beside: { [name]: await beside(peer, { realms, grantsEach: 1 }, fastControllers, run) },
        }),
      },
    ]),
  );

async function beside(
  peer: Peer,
  shape: BenchShape,
  fastControllers: boolean,
  { rounds, say }: EfficiencyRun,
): Promise<Figures> {
  await using controlPlane = await ControlPlane.prepare((cluster) => settled(cluster, shape), fastControllers);
  const starts: Record<"ours" | "peer", Start> = {
    ours: (kubeconfig) => startOperatorProcess({ KUBECONFIG: kubeconfig, KEYSTONE_REALM: "alice-home" }),
    peer: (kubeconfig) =>
      Promise.resolve(
        watched(new Deno.Command(peer.binary, { args: [...peer.args], env: { KUBECONFIG: kubeconfig }, ...piped })),
      ),
  };
  const turns: Record<"ours" | "peer", Turn[]> = { ours: [], peer: [] };
  for (let round = 1; round <= rounds; round++) {
    const order = ["ours", "peer"] as const;
    for (const name of round % 2 === 1 ? order : order.toReversed()) {
      turns[name].push(await turnOf(controlPlane, shape, name, starts[name]));
    }
    const [ours, theirs] = [turns.ours.at(-1)!, turns.peer.at(-1)!].map(({ grantsPerSecond }) => grantsPerSecond);
    say(`round ${round} of ${rounds}: ${ours!.toFixed(1)} grants/s, the other operator ${theirs!.toFixed(1)}`);
  }
  return { grants: grantsIn(shape), ...besideFigures(turns.ours, turns.peer) };
}

/** Creates the Realms, lets an operator write their status, and then creates the Grants. */
async function settled(cluster: TestCluster, shape: BenchShape): Promise<void> {
  await withConcurrency(shapeRealms(shape), (realm) => cluster.realms.create(realm));
  await using operator = await startMeasuredOperator(cluster);
  await poll("all Realms have a status", async () => {
    let lacking = 0;
    for await (const { items } of cluster.realms.pages()) {
      lacking += items.filter(({ status }) => status === undefined).length;
    }
    return lacking === 0 || `${lacking} have none`;
  }, { withinMs: 900_000, everyMs: 500 });
  await operator.stop();
  await withConcurrency(shapeGrants(shape), (grant) => cluster.grants.create(grant));
}

async function turnOf(controlPlane: ControlPlane, shape: BenchShape, name: string, start: Start): Promise<Turn> {
  const { lab } = controlPlane;
  const grants = grantsIn(shape);
  await controlPlane.renew();
  // Its user tells its requests from all others, whatever it is. Both may do everything, and flow control exempts both.
  const user = `bench-${name}`;
  const kubeconfig = await lab.user(user, { groups: ["system:masters"] });
  const own = (exchange: AuditedRequest) => exchange.user === user;
  const log = await AuditLog.fromNow(lab.auditLog);
  await using operator = await start(kubeconfig);
  const { seconds, exchanges, processor } = await finished(lab, log, {
    name,
    pid: operator.pid,
    own,
    wanted: { "grants/status": grants, "resourcequotas/status": shape.realms },
    began: (exchanges) => exchanges.filter(own).reduce((first, { received }) => Math.min(first, received), Infinity),
  }).catch((error) => {
    throw new Error(`${(error as Error).message} The end of its log:\n${operator.log.slice(-20).join("\n")}`);
  });
  const memory = await memoryAtRest(operator.pid);
  await assertEnforced(lab, shape);
  await operator.stop();
  return {
    grantsPerSecond: grants / seconds,
    processor: mapValues(processor, (used) => used / grants * 1000),
    writesPerGrant: exchanges.filter(isWriteRequest).length / grants,
    readsPerGrant: exchanges.filter(isRead).length / grants,
    memory,
    restart: await restarted(lab, own, () => start(kubeconfig)),
    requests: counted(exchanges),
  };
}

async function restarted(
  lab: Lab,
  own: (exchange: AuditedRequest) => boolean,
  start: () => Promise<OperatorProcess>,
): Promise<Turn["restart"]> {
  const log = await AuditLog.fromNow(lab.auditLog);
  const began = performance.now();
  await using operator = await start();
  // A process that hasn't begun yet is at rest too.
  await poll("the operator has read the Grants", async () => {
    await log.read();
    return log.exchanges.some((exchange) => own(exchange) && exchange.what === "grants") || "it has not";
  }, { withinMs: 120_000 });
  const rested = await atRest(operator.pid, 900_000);
  await log.read();
  const exchanges = log.exchanges.filter(own);
  return {
    seconds: (rested - began) / 1000,
    writes: exchanges.filter(isWriteRequest).length,
    reads: exchanges.filter(isRead).length,
    rss: (await residentMemory(operator.pid)).now,
  };
}

/** Throws an error unless each Grant is Active and each guest namespace has a quota that counts. */
async function assertEnforced(lab: Lab, shape: BenchShape): Promise<void> {
  using rest = await clientOf(lab.kubeconfig);
  await readBenchState(rest);
  let enforced = 0;
  for await (const { items } of new ResourceApi(rest, resourceQuotas).pages()) {
    enforced += items.filter((quota) => isGuests(quota) && Object.keys(quota.status?.hard ?? {}).length > 0).length;
  }
  if (enforced < shape.realms) throw new Error(`Only ${enforced} of ${shape.realms} quotas are in force.`);
}

/** Summarizes the turns, and ours divided by the other operator's in the same round. */
export function besideFigures(ours: readonly Turn[], peer: readonly Turn[]): Figures {
  const ratio = (figure: (turn: Turn) => number) =>
    summary(ours.map((turn, round) => figure(turn) / figure(peer[round]!)));
  return {
    ours: summarized(ours),
    peer: summarized(peer),
    ratio: {
      grantsPerSecond: ratio(({ grantsPerSecond }) => grantsPerSecond),
      processor: mapValues(ours[0]!.processor, (_, process) => ratio(({ processor }) => processor[process]!)),
      rss: { ...ratio(({ memory }) => memory.now), peak: ratio(({ memory }) => memory.peak) },
      restart: { seconds: ratio(({ restart }) => restart.seconds), rss: ratio(({ restart }) => restart.rss) },
    },
  };
}

function summarized(turns: readonly Turn[]): Figures {
  const of = (figure: (turn: Turn) => number): Summary => summary(turns.map(figure));
  return merge({
    unit: "ms for each grant, MB, s",
    grantsPerSecond: of(({ grantsPerSecond }) => grantsPerSecond),
    processor: mapValues(turns[0]!.processor, (_, process) => of(({ processor }) => processor[process]!)),
    writesPerGrant: { ...of(({ writesPerGrant }) => writesPerGrant), requests: turns.at(-1)!.requests },
    readsPerGrant: of(({ readsPerGrant }) => readsPerGrant),
    rss: { ...of(({ memory }) => memory.now), peak: of(({ memory }) => memory.peak) },
  }, {
    restart: mapValues(turns[0]!.restart, (_, name) => of(({ restart }) => restart[name])),
  });
}
