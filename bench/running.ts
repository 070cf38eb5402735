/** An operator that starts again, rests, or takes over. */
import { operatorName } from "../src/core/names.ts";
import type { OperatorProcess } from "../tests/fixtures/operator_process.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { AuditLog, by, counted, isLease, isRead, isWrite } from "./audit.ts";
import { Ground } from "./ground.ts";
import { atRest, memoryOf } from "./processes.ts";
import { startOperator } from "./rounds.ts";
import type { Run } from "./efficiency.ts";
import { create } from "./shapes.ts";

const isOperator = by(operatorName);

/** One start where nothing has changed. */
export interface Restart {
  /** Seconds from the start of the process until it enforces. */
  enforcing: number;
  /** Until it has nothing left to do. */
  atRest: number;
  writes: number;
  reads: number;
  /** Resident memory then, MB. */
  rss: number;
}

/** Starts an operator, and ends it when it is at rest. */
export async function restart(lab: Lab): Promise<Restart> {
  const log = await AuditLog.fromNow(lab.auditLog);
  const began = performance.now();
  await using operator = await startOperator(lab);
  await operator.says(/Enforcing grants/, 120_000);
  const enforcing = performance.now();
  const rested = await atRest(operator.pid, 120_000);
  await log.read();
  const own = log.exchanges.filter(isOperator);
  return {
    enforcing: (enforcing - began) / 1000,
    atRest: (Math.max(rested, enforcing) - began) / 1000,
    writes: own.filter(isWrite).length,
    reads: own.filter(isRead).length,
    rss: (await memoryOf(operator.pid)).now,
  };
}

/** What an operator at rest asks for in so many seconds, its Lease left out. */
export async function steady(lab: Lab, seconds: number): Promise<Record<string, number>> {
  const log = await AuditLog.fromNow(lab.auditLog);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await log.read();
  // A watch is told of when it ends, and the server ends each within ten minutes.
  return counted(
    log.exchanges.filter((exchange) => isOperator(exchange) && !isLease(exchange) && exchange.verb !== "watch"),
  );
}

/** Seconds from the end of the leader until the one that waited enforces, by the signal that ended it. */
export interface Failovers {
  SIGTERM: number[];
  SIGKILL: number[];
}

/** Ends leaders in both ways. */
export async function failovers({ rounds }: Run): Promise<Failovers> {
  await using ground = await Ground.prepare((cluster) => create(cluster, { realms: 10, grantsEach: 10 }));
  const { lab } = ground;
  await ground.renew();
  const seconds: Failovers = { SIGTERM: [], SIGKILL: [] };
  let leader = await enforcing(await startOperator(lab));
  for (let round = 0; round < rounds * 2; round++) {
    const signal = round % 2 === 0 ? "SIGTERM" : "SIGKILL";
    const next = await startOperator(lab);
    await next.says(/holds the Lease/, 60_000);
    const began = performance.now();
    Deno.kill(leader.pid, signal);
    await enforcing(next);
    seconds[signal].push((performance.now() - began) / 1000);
    await leader.stop();
    leader = next;
  }
  await leader.stop();
  return seconds;
}

async function enforcing(operator: OperatorProcess): Promise<OperatorProcess> {
  await operator.says(/Enforcing grants/, 60_000);
  return operator;
}
