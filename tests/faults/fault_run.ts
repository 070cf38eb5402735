/** Runs a plan: its scenario with its faults, and the oracles' verdict. */
import { stateFrom } from "../../src/tailnet/tailnet_state.ts";
import { patientClient } from "../fixtures/test_tailnet.ts";
import type { FaultyControlPlane } from "./faulty_control_plane.ts";
import { markPrefix } from "./request_name.ts";
import { FaultTrigger, type InjectedFault, isProcessFault } from "./fault.ts";
import { closings } from "./oracles/closings.ts";
import { counts } from "./oracles/quota_counts.ts";
import { endState } from "./oracles/end_state.ts";
import { plainDifferences } from "./oracles/plain.ts";
import { safety } from "./oracles/safety.ts";
import type { FaultPlan, FaultVerdict } from "./fault_plan.ts";
import { ReplicaStage } from "./replica_stage.ts";
import type { Scenario } from "./scenario.ts";
import { FaultStage } from "./fault_stage.ts";

/** The outcome of one run of a scenario. */
export interface FaultOutcome {
  state: Record<string, unknown>;
  counts: Record<string, number>;
  requests: number;
  /** Number of occurrences, by name. */
  asked: ReadonlyMap<string, number>;
  fired: readonly InjectedFault[];
  /** Broken invariants, regardless of the undisturbed run. */
  broken: string[];
  log: readonly string[];
}

/** Number of additional requests allowed after a fault: those of a restarted operator, and some retries. */
const moreRequests = 150;

/** Runs a scenario with faults and collects its outcome. */
export async function perform(
  plane: FaultyControlPlane,
  scenario: Scenario,
  faults: readonly InjectedFault[],
): Promise<FaultOutcome> {
  // Each run has its own names.
  const mark = `${markPrefix}${crypto.randomUUID().slice(0, 8)}`;
  const trigger = new FaultTrigger(faults);
  const ofProcesses = faults.some(({ kind }) => isProcessFault(kind));
  const stage = new (ofProcesses ? ReplicaStage : FaultStage)(plane, trigger, mark, scenario);
  const broken: string[] = [];
  let state = {};
  try {
    await stage.startOperator();
    for (const [index, step] of scenario.steps.entries()) {
      await step.does(stage);
      await stage.until(`step ${index + 1} of ${scenario.name}`, () => step.until(stage));
    }
    await stage.quiet();
    // A fault at the end may show only now and be over later.
    const last = scenario.steps.at(-1)!;
    await stage.until(`the end of ${scenario.name}`, () => last.until(stage));
    await stage.quiet();
    state = endState(await stage.objects(), mark);
  } catch (error) {
    broken.push(error instanceof Error ? error.message : String(error));
  }
  const asked = new Map(trigger.counts);
  broken.push(...(await stage.end()).map((failure) => `an operator doesn't exit cleanly: ${failure}`));
  broken.unshift(...await stage.broken());
  const sightings = plane.recorder.sightingsOf(mark);
  const around = { tailnet: await tailnetFacts(stage, scenario), aheadMs: 0 };
  broken.push(...safety(sightings, around));
  const outcome = {
    state,
    counts: { ...counts(sightings, mark), ...closings(sightings, mark) },
    requests: stage.requests,
    asked,
    fired: trigger.fired,
    broken,
  };
  await plane.clean(mark);
  return { ...outcome, log: stage.log };
}

/**
 * A late write from the wire may create a deleted object again; the oracles then require only that it is deleted again.
 */
const isLate = ({ faults }: FaultPlan): boolean => faults.some(({ kind }) => kind === "stopped-on-wire");

/** Compares a run with the undisturbed one. */
export async function judgeRun(
  plane: FaultyControlPlane,
  scenario: Scenario,
  plan: FaultPlan,
  undisturbed: FaultOutcome,
): Promise<FaultVerdict> {
  const startedAt = performance.now();
  const outcome = await perform(plane, scenario, plan.faults);
  const found = [
    ...outcome.broken,
    ...(outcome.broken.length > 0 ? [] : [
      ...plainDifferences(outcome.state, undisturbed.state),
      ...(isLate(plan) ? [] : plainDifferences(outcome.counts, undisturbed.counts)),
    ]),
  ];
  const most = undisturbed.requests + moreRequests * plan.faults.length;
  if (outcome.requests > most) found.push(`${outcome.requests} requests, but ${most} are enough`);
  const fired = outcome.fired.map(({ kind }) => kind);
  return {
    verdict: found.length > 0 ? "differs" : fired.length === 0 ? "not fired" : "agreed",
    fired,
    differences: found.length > 0 ? [...found, ...outcome.log.slice(-12)] : [],
    ms: Math.round(performance.now() - startedAt),
  };
}

async function tailnetFacts({ tailnet, plane }: FaultStage, { realms = [] }: Scenario) {
  if (realms.length === 0 && !tailnet) return { kind: "none" as const };
  const state = tailnet?.state ?? await stateAt(plane.lab.realms[realms[0]!]!.socket);
  if (state.kind !== "running") throw new Error(`The scenario's tailnet is ${state.kind}, not running.`);
  return { kind: "running" as const, self: state.self.dnsName, nodes: [...state.peers.values()].flat() };
}

/** Returns the state of a tailscaled, queried directly. */
async function stateAt(socket: string) {
  using client = patientClient(socket);
  return stateFrom(await client.status(), socket);
}
