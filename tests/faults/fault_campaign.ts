/** Runs plans on several control planes side by side. */
import { stale } from "./catalogue.ts";
import { FaultyControlPlane } from "./faulty_control_plane.ts";
import type { FaultPlan, FaultVerdict } from "./fault_plan.ts";
import { type FaultOutcome, judgeRun, perform } from "./fault_run.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

export interface CampaignOptions {
  /** For each, the folder of a running lab, or undefined to start one. */
  planes: readonly (string | undefined)[];
  /** Time after which no further plan is started, by `performance.now()`. */
  until?: number;
  /** Called after each plan. */
  told: (plan: FaultPlan, verdict: FaultVerdict) => Promise<void>;
}

function scenarioNamed(name: string): Scenario {
  const scenario = scenarios.find((each) => each.name === name);
  if (!scenario) {
    throw new Error(
      `Scenario "${name}" does not exist; must be one of: ${scenarios.map(({ name }) => name).join(", ")}.`,
    );
  }
  return scenario;
}

/** Works on several control planes until nothing is left to do. */
export async function onPlanes(
  planes: CampaignOptions["planes"],
  realms: readonly string[],
  work: (plane: FaultyControlPlane) => Promise<void>,
): Promise<void> {
  const lanes = planes.map(async (dir) => {
    // Given labs have no tailnet that could be left in a bad state.
    await using plane = await FaultyControlPlane.start(realms.length === 0 ? dir : undefined, realms);
    await work(plane);
  });
  // All are awaited, so that a failure leaves no programs of the others running.
  for (const lane of await Promise.allSettled(lanes)) if (lane.status === "rejected") throw lane.reason;
}

export async function runPlans(
  plans: readonly FaultPlan[],
  { planes, until = Infinity, told }: CampaignOptions,
): Promise<void> {
  for (const [realms, queue] of byRealms(plans, ({ scenario }) => scenarioNamed(scenario))) {
    if (performance.now() >= until) return;
    const shared = new Map<string, Promise<FaultOutcome>>();
    await onPlanes(planes.slice(0, queue.length), realms, async (plane) => {
      // Each tailnet gives its nodes other addresses, so a scenario's outcomes are comparable only on the same one.
      const references = realms.length === 0 ? shared : new Map<string, Promise<FaultOutcome>>();
      for (let plan = queue.shift(); plan !== undefined && performance.now() < until; plan = queue.shift()) {
        const scenario = scenarioNamed(plan.scenario);
        if (!references.has(scenario.name)) references.set(scenario.name, undisturbed(plane, scenario));
        await told(plan, await judgeRun(plane, scenario, plan, await references.get(scenario.name)!));
      }
    });
  }
}

/** Groups by the realms of their scenarios: a group can share control planes. */
export function byRealms<T>(all: readonly T[], scenarioOf: (each: T) => Scenario): [readonly string[], T[]][] {
  const groups = Map.groupBy(all, (each) => scenarioOf(each).realms?.join() ?? "");
  return [...groups.values()].map((group) => [scenarioOf(group[0]!).realms ?? [], group]);
}

/** Number of runs of a scenario after which a missing entry of the catalogue counts as gone. */
const mostRuns = 5;

/** Returns the outcome of a scenario without faults. */
async function undisturbed(plane: FaultyControlPlane, scenario: Scenario): Promise<FaultOutcome> {
  const outcomes: FaultOutcome[] = [];
  let wrong: string[];
  do {
    const outcome = await perform(plane, scenario, []);
    outcomes.push(outcome);
    const outdated = scenario.realms ? [] : stale(scenario.name, outcomes.map(({ asked }) => asked));
    wrong = [...outcome.broken, ...outdated];
    if (wrong.length === 0) return outcomes[0]!;
  } while (outcomes.at(-1)!.broken.length === 0 && outcomes.length < mostRuns);
  throw new Error(`The undisturbed run of ${scenario.name} failed:\n  ${wrong.join("\n  ")}`);
}
