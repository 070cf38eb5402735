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

/** What an operator asks when it starts is the same in all scenarios: it is disturbed in this one. */
const starting = "create";

function faultsAt(scenario: string, name: string): readonly FaultKind[] {
  if (name.startsWith("event.")) return watchFaults;
  if (isLease(name) || !isWrite(name)) {
    if (scenario !== starting && !/\.pods\b/.test(name)) return [];
    if (isWrite(name)) return requestFaults;
    return name.startsWith("watch.") ? ofWatches : ofReads;
  }
  return name.startsWith("create.events") ? ofEvents : requestFaults;
}

export function allPlans(): Plan[] {
  return Object.entries(catalogue).flatMap(([scenario, counts]) =>
    Object.entries(counts).flatMap(([at, count]) =>
      faultsAt(scenario, at).flatMap((kind) =>
        Array.from({ length: count }, (_, index): Plan => ({
          id: `${scenario}/${kind}/${at}/${index + 1}`,
          scenario,
          faults: [{ kind, at, nth: index + 1 }],
        }))
      )
    )
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
