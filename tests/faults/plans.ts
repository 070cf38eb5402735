/** The list of all plans: each fault at each point of each scenario at which it makes sense. */
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

/** Where tailscaled is asked again and again, and what it says meanwhile: so many points, spread evenly. */
const mostPoints = 3;
/** Each plan of a scenario on a tailnet takes its time; what it asks of single nodes is the same in all of them. */
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

/** Where processes are stopped and killed: at the last of each kind of write of one whose grant begins and ends. */
const lastWrites = [
  "create.namespaces",
  "patch.resourcequotas:keystone",
  "patch.rolebindings:keystone-guest",
  "patch.grants.status:one",
  "delete.rolebindings:keystone-guest",
  "create.pods.eviction:web",
];

/** Each waits until a Lease has run out, or a part of the control plane is back. */
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
 * A few of all, the same each time: of each scenario every second kind of fault, and so of each kind every second scenario.
 * What takes long, a tailnet or a Lease that has to run out, comes in one scenario each.
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
    // A past that tailscaled tells is believed until the next look: a minute is long for a sample.
    ...[...localApiFaults, ...busFaults].filter((kind) => kind !== "localapi-stale").flatMap((kind) =>
      one("rename", kind)
    ),
    ...(["stopped", "sigkill-after"] as const).flatMap((kind) => one("revoke", kind)),
  ];
}

/** Plans of two or three faults each, as a seed chooses them. */
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
