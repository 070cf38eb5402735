/** Rounds of the operator and of the bare loop, each from the same start, timed by the API server's audit log. */
import { mapValues } from "es-toolkit/object";
import { clientOf } from "../tests/fixtures/test_operator.ts";
import { type OperatorProcess, startOperatorProcess } from "../tests/fixtures/operator_process.ts";
import { poll } from "../tests/lab/poll.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { operatorName } from "../src/core/names.ts";
import { type AuditedRequest, AuditLog, by, isEvent, isLeaseRequest, isQuotaStatus, isWriteRequest } from "./audit.ts";
import type { ControlPlane } from "./control_plane.ts";
import { bodyOf, necessary } from "./necessary.ts";
import { assertRuns, type Memory, memoryAtRest, ProcessorUse } from "./processes.ts";
import { type BenchShape, grantsIn } from "./shapes.ts";
import { type BenchState, readBenchState } from "./bench_state.ts";
import type { KubernetesObject } from "../lib/kubernetes/mod.ts";

/** One program's work, from the time it holds its Lease until the last write of the final state is complete. */
export interface Round {
  seconds: number;
  /** The program's requests after it got its Lease. */
  exchanges: AuditedRequest[];
  /** Seconds of processor time of each process meanwhile; `itself` is the program. */
  processor: Record<string, number>;
  /** The final state. */
  state: BenchState;
}

/** Starts the operator as users run it. */
export async function startMeasuredOperator(
  { kubeconfig }: { kubeconfig: string },
  env: { TS_SOCKET?: string } = {},
): Promise<OperatorProcess> {
  return await startOperatorProcess({ KUBECONFIG: kubeconfig, KEYSTONE_REALM: "alice-home", ...env });
}

/**
 * Runs the operator until everything is enforced.
 *
 * @param afterwards another measurement before the operator ends
 */
export async function operatorRound(
  controlPlane: ControlPlane,
  shape: BenchShape,
  afterwards: (operator: OperatorProcess, lab: Lab) => Promise<void>,
): Promise<Round & { memory: Memory }> {
  const { lab } = controlPlane;
  await controlPlane.renew();
  const log = await AuditLog.fromNow(lab.auditLog);
  await using operator = await startMeasuredOperator(lab);
  const work = await finished(lab, log, fromItsLease(operatorName, operator.pid, shape));
  const memory = await memoryAtRest(operator.pid);
  await afterwards(operator, lab);
  return { ...work, memory, state: await stateOf(lab) };
}

/** Runs the bare loop, which writes this state. */
export async function bareRound(controlPlane: ControlPlane, shape: BenchShape, state: BenchState): Promise<Round> {
  const file = `${controlPlane.lab.dir}/necessary`;
  await Deno.writeTextFile(file, linesOf(state));
  await controlPlane.renew();
  const log = await AuditLog.fromNow(controlPlane.lab.auditLog);
  const loop = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--frozen",
      "-A",
      new URL("bare.ts", import.meta.url).pathname,
      controlPlane.lab.kubeconfig,
      file,
    ],
  }).spawn();
  const ended = loop.status.then(({ code }) => {
    if (code !== 0) throw new Error(`The bare loop ended with exit code ${code}.`);
  });
  const [work] = await Promise.all([
    finished(controlPlane.lab, log, fromItsLease("bare-loop", loop.pid, shape)),
    ended,
  ]);
  return { ...work, state: await stateOf(controlPlane.lab) };
}

async function stateOf(lab: Lab): Promise<BenchState> {
  using rest = await clientOf(lab.kubeconfig);
  return await readBenchState(rest);
}

/** One line for each write: the number of its kind, and the body. */
function linesOf(state: BenchState): string {
  const objects = [...state].map(([key, text]) => ({ plural: key.slice(0, key.indexOf("/")), text }));
  return necessary.flatMap((kind, index) =>
    objects.flatMap(({ plural, text }) => {
      if (plural !== kind.resource.plural) return [];
      const object = JSON.parse(text) as KubernetesObject;
      if (kind.names && !kind.names.includes(object.metadata!.name!)) return [];
      return [`${index} ${JSON.stringify(bodyOf(kind, object))}`];
    })
  ).join("\n");
}

/** A program that is measured until everything is enforced. */
export interface MeasuredProgram {
  name: string;
  pid: number;
  /** Selects its requests. */
  own: (exchange: AuditedRequest) => boolean;
  /** Number of objects of each resource that must be written, by the program or the controller-manager. */
  wanted: Readonly<Record<string, number>>;
  /** Returns the time at which its work began, in epoch milliseconds. */
  began: (exchanges: readonly AuditedRequest[]) => number;
}

/** Returns a program that writes everything of a shape from the time it holds its Lease. */
function fromItsLease(name: string, pid: number, shape: BenchShape): MeasuredProgram {
  const own = by(name);
  return {
    name,
    pid,
    own,
    wanted: {
      "grants/status": grantsIn(shape),
      "realms/status": shape.realms,
      "resourcequotas/status": shape.realms,
    },
    began: (exchanges) =>
      exchanges.find((exchange) => own(exchange) && isLeaseRequest(exchange) && exchange.verb === "create")!.done,
  };
}

/** Waits until the program has written everything, and no more requests arrive. */
export async function finished(
  lab: Lab,
  log: AuditLog,
  { name, pid, own, wanted, began: beginning }: MeasuredProgram,
): Promise<Omit<Round, "state">> {
  using use = new ProcessorUse({
    itself: pid,
    apiserver: lab.apiserver.pid!,
    etcd: lab.etcd.pid!,
    controllerManager: lab.controllerManager.pid!,
  });
  const counts = (exchange: AuditedRequest) => isQuotaStatus(exchange) || own(exchange) && isWriteRequest(exchange);
  // Events are sent with low priority, possibly after everything else is done.
  const isWork = (exchange: AuditedRequest) => counts(exchange) && !isEvent(exchange);
  const done = mapValues(wanted, () => new Set<string>());
  const kinds = Object.keys(wanted);
  await poll(`${name} has written all`, async () => {
    await assertRuns(name, pid);
    for (const exchange of await log.read()) {
      if (isWork(exchange)) done[exchange.what]?.add(`${exchange.namespace}/${exchange.name}`);
    }
    const lacking = kinds.filter((kind) => done[kind]!.size < wanted[kind]!);
    return lacking.length === 0 || lacking.map((kind) => `${wanted[kind]! - done[kind]!.size} × ${kind}`).join(", ");
  }, { withinMs: 900_000, everyMs: 500 });
  await log.quiet(`${name} is idle`, counts, 600_000);
  const began = beginning(log.exchanges);
  const ended = log.exchanges.reduce(
    (last, exchange) => isWork(exchange) ? Math.max(last, exchange.done) : last,
    began,
  );
  return {
    seconds: (ended - began) / 1000,
    exchanges: log.exchanges.filter((exchange) => own(exchange) && exchange.received >= began),
    processor: use.between(began, ended),
  };
}
