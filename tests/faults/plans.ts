/** The list of all plans: each fault at each point of each scenario at which it makes sense. */
import { Random } from "../simulation/random.ts";
import { catalogue } from "./catalogue.ts";
import { type Fault, type FaultKind, type RequestFault, requestFaults, watchFaults } from "./fault.ts";
import type { Plan } from "./plan.ts";
import { isLease, isWrite } from "./request_name.ts";

/** Nothing is committed, so it doesn't matter when the answer is lost; and no process has anything to lose. */
const ofReads: readonly RequestFault[] = ["closed", "half-answer", "429", "500", "503", "timeout"];
const ofWatches: readonly RequestFault[] = ["closed", "429", "500", "503", "timeout"];
/** Events are told if they can be; nothing depends on them. */
const ofEvents: readonly RequestFault[] = ["answer-lost", "500", "killed-before", "killed-after"];

/**
 * All scenarios begin as this one does: what comes in it is disturbed there, and not again in all others. So is what an
 * operator reads when it starts; later it reads no more than the Lease, and pods that have to go.
 */
const beginning = "create";

function faultsAt(scenario: string, name: string): readonly FaultKind[] {
  if (name.startsWith("event.")) return watchFaults;
  if (scenario !== beginning && !isWrite(name) && !isLease(name) && !/\.pods\b/.test(name)) return [];
  if (name.startsWith("watch.")) return ofWatches;
  if (!isWrite(name)) return ofReads;
  return name.startsWith("create.events") ? ofEvents : requestFaults;
}

export function allPlans(): Plan[] {
  return Object.entries(catalogue).flatMap(([scenario, counts]) =>
    Object.entries(counts).flatMap(([at, count]) => {
      const before = scenario === beginning ? 0 : catalogue[beginning]?.[at] ?? 0;
      const times = Array.from({ length: Math.max(0, count - before) }, (_, index) => before + index + 1);
      return faultsAt(scenario, at).flatMap((kind) =>
        times.map((nth): Plan => ({ id: `${scenario}/${kind}/${at}/${nth}`, scenario, faults: [{ kind, at, nth }] }))
      );
    })
  );
}

/** A few of all, the same each time: of each scenario every second kind of fault, and so of each kind every second scenario. */
export function samplePlans(): Plan[] {
  const kinds: readonly FaultKind[] = [...requestFaults, ...watchFaults];
  const groups = Map.groupBy(allPlans(), ({ scenario, faults: [fault] }) => `${scenario} ${fault!.kind}`);
  return Object.keys(catalogue).flatMap((scenario, row) =>
    kinds.flatMap((kind, column) => {
      const plans = groups.get(`${scenario} ${kind}`) ?? [];
      return (row + column) % 2 === 0 ? plans.slice(plans.length >> 1).slice(0, 1) : [];
    })
  );
}

/** Plans of two or three faults each, as a seed chooses them. */
export function randomPlans(count: number, seed: number): Plan[] {
  const plans = allPlans();
  return Array.from({ length: count }, (_, index) => {
    const random = new Random(Math.imul(seed, 0x9e3779b9) + index);
    const { scenario } = random.of(plans);
    const candidates = plans.filter((plan) => plan.scenario === scenario).flatMap(({ faults }) => faults);
    const faults: Fault[] = Array.from({ length: 2 + random.below(2) }, () => random.of(candidates));
    return { id: `random/${seed}/${index}`, scenario, faults, seed };
  });
}
