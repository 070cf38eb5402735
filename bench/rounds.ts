/** Rounds of the operator and of the bare loop, each from the same start, timed by the API server's audit log. */
import { clientOf } from "../tests/fixtures/test_operator.ts";
import { type OperatorProcess, startOperatorProcess } from "../tests/fixtures/operator_process.ts";
import { poll } from "../tests/lab/poll.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { operatorName } from "../src/core/names.ts";
import { type AuditedRequest, AuditLog, by, isEvent, isLeaseRequest, isQuotaStatus, isWriteRequest } from "./audit.ts";
import type { ControlPlane } from "./control_plane.ts";
import { bodyOf, necessary } from "./necessary.ts";
import { type Memory, memoryAtRest, ProcessorUse } from "./processes.ts";
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
export async function startMeasuredOperator(lab: Lab, env: { TS_SOCKET?: string } = {}): Promise<OperatorProcess> {
  return await startOperatorProcess({ KUBECONFIG: lab.kubeconfig, KEYSTONE_REALM: "alice-home", ...env });
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
  const work = await finished(lab, log, { name: operatorName, pid: operator.pid }, shape);
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
    finished(controlPlane.lab, log, { name: "bare-loop", pid: loop.pid }, shape),
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

/** Waits until the program has written everything, and no more requests arrive. */
async function finished(
  lab: Lab,
  log: AuditLog,
  program: { name: string; pid: number },
  shape: BenchShape,
): Promise<Omit<Round, "state">> {
  using use = new ProcessorUse({
    itself: program.pid,
    apiserver: lab.apiserver.pid!,
    etcd: lab.etcd.pid!,
    controllerManager: lab.controllerManager.pid!,
  });
  const own = by(program.name);
  const counts = (exchange: AuditedRequest) => isQuotaStatus(exchange) || own(exchange) && isWriteRequest(exchange);
  // Events are sent with low priority, possibly after everything else is done.
  const isWork = (exchange: AuditedRequest) => counts(exchange) && !isEvent(exchange);
  const done = { "grants/status": new Set(), "realms/status": new Set(), "resourcequotas/status": new Set() };
  const wanted = {
    "grants/status": grantsIn(shape),
    "realms/status": shape.realms,
    "resourcequotas/status": shape.realms,
  };
  const kinds = Object.keys(done) as (keyof typeof done)[];
  await poll(`${program.name} has written all`, async () => {
    for (const exchange of await log.read()) {
      if (isWork(exchange) && exchange.what in done) {
        done[exchange.what as keyof typeof done].add(`${exchange.namespace}/${exchange.name}`);
      }
    }
    const lacking = kinds.filter((kind) => done[kind].size < wanted[kind]);
    return lacking.length === 0 || lacking.map((kind) => `${wanted[kind] - done[kind].size} × ${kind}`).join(", ");
  }, { withinMs: 900_000, everyMs: 500 });
  await log.quiet(`${program.name} is idle`, counts, 600_000);
  const began =
    log.exchanges.find((exchange) => own(exchange) && isLeaseRequest(exchange) && exchange.verb === "create")!.done;
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
