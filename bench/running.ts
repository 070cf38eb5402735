/** An operator that restarts, is at rest, or takes over. */
import { operatorName } from "../src/core/names.ts";
import type { OperatorProcess } from "../tests/fixtures/operator_process.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { AuditLog, by, counted, isLeaseRequest, isRead, isWriteRequest } from "./audit.ts";
import { ControlPlane } from "./control_plane.ts";
import { atRest, residentMemory } from "./processes.ts";
import { startMeasuredOperator } from "./rounds.ts";
import type { EfficiencyRun } from "./efficiency.ts";
import { createShape } from "./shapes.ts";

const isOperator = by(operatorName);

/** One start without any changes. */
export interface Restart {
  /** Seconds from the start of the process until it enforces. */
  enforcing: number;
  /** Seconds until it has nothing left to do. */
  atRest: number;
  writes: number;
  reads: number;
  /** Resident memory then, in MB. */
  rss: number;
}

/** Starts an operator, and stops it when it is at rest. */
export async function restart(lab: Lab): Promise<Restart> {
  const log = await AuditLog.fromNow(lab.auditLog);
  const began = performance.now();
  await using operator = await startMeasuredOperator(lab);
  await operator.says(/Enforcing grants/, 120_000);
  const enforcing = performance.now();
  const rested = await atRest(operator.pid, 120_000);
  await log.read();
  const own = log.exchanges.filter(isOperator);
  return {
    enforcing: (enforcing - began) / 1000,
    atRest: (Math.max(rested, enforcing) - began) / 1000,
    writes: own.filter(isWriteRequest).length,
    reads: own.filter(isRead).length,
    rss: (await residentMemory(operator.pid)).now,
  };
}

/** Returns the requests of an operator at rest in a period, without those of its Lease. */
export async function steady(lab: Lab, seconds: number): Promise<Record<string, number>> {
  const log = await AuditLog.fromNow(lab.auditLog);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await log.read();
  // A watch is logged when it ends, and the server ends each within ten minutes.
  return counted(
    log.exchanges.filter((exchange) => isOperator(exchange) && !isLeaseRequest(exchange) && exchange.verb !== "watch"),
  );
}

/** Seconds from the end of the leader until the standby enforces, by the signal that ended the leader. */
export interface Failovers {
  SIGTERM: number[];
  SIGKILL: number[];
}

/** Ends leaders by both signals. */
export async function failovers({ rounds }: EfficiencyRun): Promise<Failovers> {
  await using controlPlane = await ControlPlane.prepare((cluster) =>
    createShape(cluster, { realms: 10, grantsEach: 10 })
  );
  const { lab } = controlPlane;
  await controlPlane.renew();
  const seconds: Failovers = { SIGTERM: [], SIGKILL: [] };
  let leader = await enforcing(await startMeasuredOperator(lab));
  for (let round = 0; round < rounds * 2; round++) {
    const signal = round % 2 === 0 ? "SIGTERM" : "SIGKILL";
    const next = await startMeasuredOperator(lab);
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
