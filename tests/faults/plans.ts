/** The list of all plans: each fault at each point of each scenario where it makes sense. */
import { SeededRandom } from "../simulation/random.ts";
import { catalogue, isOfTailscaled } from "./catalogue.ts";
import {
  busFaults,
  type FaultKind,
  type InjectedFault,
  localApiFaults,
  processFaults,
  type RequestFault,
  requestFaults,
  watchFaults,
} from "./fault.ts";
import type { FaultPlan } from "./fault_plan.ts";
import { isLease, isWrite } from "./request_name.ts";

/**
 * Faults of reads. Nothing is committed, so a lost response makes no difference, and no process has anything to lose.
 */
const ofReads: readonly RequestFault[] = ["closed", "half-answer", "429", "500", "503", "timeout"];
const ofWatches: readonly RequestFault[] = ["closed", "429", "500", "503", "timeout"];
/** Faults of writes of Events, which are best effort: nothing depends on them. */
const ofEvents: readonly RequestFault[] = ["answer-lost", "500", "killed-before", "killed-after"];

/**
 * The scenario with which all others begin: its requests are disturbed in it only, not again in the others. It also has
 * the reads of a starting operator; later an operator reads only the Lease, and pods that have to go.
 */
const beginning = "create";

/** Number of points for repeated requests to tailscaled and its messages, spread evenly. */
const mostPoints = 3;
/** Plans on a tailnet are slow. Requests about single nodes are the same in all scenarios, so this one has them. */
const meeting = "meet";

function faultsAt(scenario: string, name: string): readonly FaultKind[] {
  if (/^localapi\.(whois|ping|prefs)$/.test(name) && scenario !== meeting) return [];
  if (name.startsWith("localapi.")) return localApiFaults;
  if (name.startsWith("bus.")) return busFaults;
  if (name.startsWith("event.")) return watchFaults;
  if (scenario !== beginning && !isWrite(name) && !isLease(name) && !/\.pods\b/.test(name)) return [];
  if (name.startsWith("watch.")) return ofWatches;
  if (!isWrite(name)) return ofReads;
  return name.startsWith("create.events") ? ofEvents : requestFaults;
}

const spread = (count: number): number[] => {
  const points = Math.min(count, mostPoints);
  return Array.from({ length: points }, (_, index) => Math.ceil(count * (index + 1) / points));
};

/**
 * Points at which processes are stopped and killed: the last of each kind of write in the scenario of a grant that
 * begins and ends.
 */
const lastWrites = [
  "create.namespaces",
  "patch.resourcequotas:keystone",
  "patch.rolebindings:keystone-guest",
  "patch.grants.status:one",
  "delete.rolebindings:keystone-guest",
  "create.pods.eviction:web",
];

/** These are slow: each waits until a Lease has expired, or until a part of the control plane is back. */
function processPlans(scenario: string): FaultPlan[] {
  return processFaults.flatMap((kind) =>
    lastWrites.map((at): FaultPlan => {
      const nth = catalogue[scenario]![at]!;
      return { id: `${scenario}/${kind}/${at}/${nth}`, scenario, faults: [{ kind, at, nth }] };
    })
  );
}

export function allPlans(): FaultPlan[] {
  return [...pointPlans(), ...processPlans("revoke")];
}

function pointPlans(): FaultPlan[] {
  return Object.entries(catalogue).flatMap(([scenario, counts]) =>
    Object.entries(counts).flatMap(([at, count]) => {
      const before = scenario === beginning ? 0 : catalogue[beginning]?.[at] ?? 0;
      const times = isOfTailscaled(at)
        ? spread(count)
        : Array.from({ length: Math.max(0, count - before) }, (_, index) => before + index + 1);
      return faultsAt(scenario, at).flatMap((kind) =>
        times.map((nth): FaultPlan => ({
          id: `${scenario}/${kind}/${at}/${nth}`,
          scenario,
          faults: [{ kind, at, nth }],
        }))
      );
    })
  );
}

/**
 * A sample of all plans, always the same: of each scenario every second kind of fault, and so of each kind every second
 * scenario. Slow kinds, which need a tailnet or an expired Lease, are in one scenario each.
 */
export function samplePlans(): FaultPlan[] {
  const kinds: readonly FaultKind[] = [...requestFaults, ...watchFaults];
  const groups = Map.groupBy(allPlans(), ({ scenario, faults: [fault] }) => `${scenario} ${fault!.kind}`);
  const one = (scenario: string, kind: FaultKind) => {
    const plans = groups.get(`${scenario} ${kind}`) ?? [];
    return plans.slice(plans.length >> 1).slice(0, 1);
  };
  return [
    ...Object.keys(catalogue).flatMap((scenario, row) =>
      kinds.flatMap((kind, column) => (row + column) % 2 === 0 ? one(scenario, kind) : [])
    ),
    // A stale response of tailscaled is believed until the next poll, a minute later: too slow for a sample.
    ...[...localApiFaults, ...busFaults].filter((kind) => kind !== "localapi-stale").flatMap((kind) =>
      one("rename", kind)
    ),
    ...(["stopped", "sigkill-after"] as const).flatMap((kind) => one("revoke", kind)),
  ];
}

/** Returns plans with two or three faults each, chosen by a seed. */
export function randomPlans(count: number, seed: number): FaultPlan[] {
  const plans = pointPlans();
  return Array.from({ length: count }, (_, index) => {
    const random = new SeededRandom(Math.imul(seed, 0x9e3779b9) + index);
    const { scenario } = random.of(plans);
    const candidates = plans.filter((plan) => plan.scenario === scenario).flatMap(({ faults }) => faults);
    const faults: InjectedFault[] = Array.from({ length: 2 + random.below(2) }, () => random.of(candidates));
    return { id: `random/${seed}/${index}`, scenario, faults, seed };
  });
}
