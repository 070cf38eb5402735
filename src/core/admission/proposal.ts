/** Changes of an object with which it fits. Each is tried with the model before it is proposed. */
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { type Format, parseQuantity, Quantity } from "../../../lib/quantity/mod.ts";
import { own } from "../own.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { Change, Proposal, Shortfall } from "./change.ts";
import { type Course, fenceposts, replicasIn, specOf } from "./course.ts";
import { partsOf } from "./fields.ts";
import { sumLoads } from "./ledger.ts";
import { type QuotaPlace, type Tried, wholeLoad } from "./pod_shapes.ts";

type Try = (change: Change & Tried) => Course;

/** Returns changes that fit; nothing if none is known. */
export function proposalOf(
  place: QuotaPlace,
  change: Change,
  course: Course,
  shortfalls: readonly Shortfall[],
  attempt: Try,
): Proposal {
  const [first] = shortfalls;
  if (!first) return {};
  if (!course.each || course.wanted === 0) {
    const most = freeNow(place, course, first);
    return most.sign() > 0 && !first.key.startsWith("count/") ? { upTo: { key: first.key, most } } : {};
  }
  if (change.obstacle !== undefined || isLarge(course.each.spec)) return {};
  const pods = numberThatFits(place, change, course, attempt);
  const size = sizeThatFits(place, change, course, shortfalls, attempt);
  return {
    ...(pods === undefined ? {} : { pods }),
    ...(size ? { size } : {}),
    ...(isUnavailableEnough(change, course, attempt) ? { maxUnavailable: true } : {}),
  };
}

/** Returns what is free for the owner of a key, with what it has. */
function freeNow({ ledger }: QuotaPlace, { held }: Course, { quota, key, hard }: Shortfall): Quantity {
  const index = ledger.slots.findIndex((slot) => slot.quota.name === quota && slot.key === key);
  const [free, limit] = [ledger.free[index]! + (held.get(index) ?? 0n), ledger.limits[index]!];
  return new Quantity(free < limit ? free : limit, hard.format);
}

/** Pods with more parts than this get no proposal, because each is tried several times. */
const mostParts = 100;

const isLarge = ({ containers, initContainers, volumes }: PodSpec): boolean =>
  (containers?.length ?? 0) + (initContainers?.length ?? 0) + (volumes?.length ?? 0) > mostParts;

/** Returns what is free for the owner in the end, beside its objects and claims. */
function freeFor({ ledger }: QuotaPlace, { goal, held, each, wanted }: Course): bigint[] {
  const fixed = sumLoads([goal, 1], [wholeLoad(each!), -wanted]);
  return ledger.free.map((free, index) => {
    const other = fixed.get(index) ?? 0n;
    const most = free + (held.get(index) ?? 0n);
    const limit = ledger.limits[index]!;
    return (most < limit ? most : limit) - (other > 0n ? other : 0n);
  });
}

/** Returns the format of amounts of a key: the limit's, unless that is zero. */
export const formatOf = (key: string, hard: Quantity): Format =>
  hard.nanos !== 0n ? hard.format : /memory|storage/.test(key) ? "BinarySI" : "DecimalSI";

function numberThatFits(place: QuotaPlace, change: Change, course: Course, attempt: Try): number | undefined {
  const set = replicaSetter(change.after);
  if (!set) return undefined;
  const free = freeFor(place, course);
  let most = BigInt(course.wanted - 1);
  for (const [index, amount] of wholeLoad(course.each!)) {
    const room = free[index]! < 0n ? 0n : free[index]! / amount;
    if (room < most) most = room;
  }
  // A roll-out needs room beside its pods, and claims add to them: fewer may fit.
  const candidates = [most, most - 1n, most - 2n, most * 4n / 5n, most / 2n, 1n];
  const found = candidates.map(Number).find((count) => count > 0 && attempt({ ...change, after: set(count) }).complete);
  return found;
}

/** Returns the object with another number of pods; undefined if that is not a field of its kind. */
function replicaSetter(after: unknown): ((count: number) => unknown) | undefined {
  const object = partsOf(after);
  const spec = specOf(after);
  switch (object.kind) {
    case "Deployment":
    case "ReplicaSet":
    case "ReplicationController":
    case "StatefulSet":
      return (replicas) => ({ ...object, spec: { ...spec, replicas } });
    case "Job":
      return (parallelism) => ({ ...object, spec: { ...spec, parallelism } });
    case "CronJob": {
      const jobTemplate = partsOf(spec.jobTemplate);
      return (parallelism) => ({
        ...object,
        spec: { ...spec, jobTemplate: { ...jobTemplate, spec: { ...partsOf(jobTemplate.spec), parallelism } } },
      });
    }
    default:
      return undefined;
  }
}

function sizeThatFits(
  place: QuotaPlace,
  change: Change,
  course: Course,
  shortfalls: readonly Shortfall[],
  attempt: Try,
): Proposal["size"] | undefined {
  const { each, wanted } = course;
  const free = freeFor(place, course);
  const isSized = ({ key }: Shortfall) => /^((requests|limits)\.)?(cpu|memory|ephemeral-storage)$/.test(key);
  if (!shortfalls.every(isSized)) return undefined;
  // A roll-out needs room for the pods beside it too.
  const { maxSurge } = change.before !== undefined && partsOf(change.after).kind === "Deployment"
    ? fenceposts(specOf(change.after).strategy, wanted)
    : { maxSurge: 0 };
  for (const count of new Set([wanted, wanted + 1, wanted + maxSurge])) {
    const amounts = amountsFor(place, course, shortfalls, free, count);
    if (!amounts || isBelowMinimum(place, each!.spec, amounts)) continue;
    const trial = attempt({ ...change, resized: amounts });
    if (trial.complete) return { pods: wanted, amounts };
  }
  return undefined;
}

/** Returns the largest amounts of one pod for which `count` of them have room, rounded down to readable ones. */
function amountsFor(
  { ledger }: QuotaPlace,
  { each }: Course,
  shortfalls: readonly Shortfall[],
  free: readonly bigint[],
  count: number,
): ResourceList | undefined {
  const amounts = new Map<string, Quantity>();
  for (const [index, { quota, key }] of ledger.slots.entries()) {
    const shortfall = shortfalls.find((each) => each.quota === quota.name && each.key === key);
    if (!shortfall) continue;
    const format = formatOf(key, shortfall.hard);
    const step = format === "BinarySI" || /memory|storage/.test(key) ? 1024n * 1024n * 1_000_000_000n : 1_000_000n;
    const part = (free[index]! < 0n ? 0n : free[index]!) / BigInt(count);
    const rounded = count === 1 ? part : part - part % step;
    if (rounded <= 0n) return undefined;
    const name = /^(cpu|memory|ephemeral-storage)$/.test(key) ? `requests.${key}` : key;
    const other = amounts.get(name);
    if (!other || rounded < other.nanos) amounts.set(name, new Quantity(rounded, format));
  }
  // A request is at most its limit.
  for (const [key, limit] of [...amounts].filter(([key]) => key.startsWith("limits."))) {
    const request = `requests.${key.slice("limits.".length)}`;
    const present = amounts.get(request) ?? each!.usage.get(request);
    if (present && present.compare(limit) > 0) amounts.set(request, limit);
  }
  return amounts.size > 0 ? amounts : undefined;
}

/** Reports whether a LimitRange refuses pods so small. */
function isBelowMinimum(
  { around }: QuotaPlace,
  { containers }: { containers?: unknown[] },
  amounts: ResourceList,
): boolean {
  return around.limits.some(({ type, min, maxLimitRequestRatio }) => {
    if (type !== "Container" && type !== "Pod") return false;
    const count = type === "Container" ? BigInt(Math.max(1, containers?.length ?? 1)) : 1n;
    return [...amounts].some(([key, amount]) => {
      const name = key.replace(/^(requests|limits)\./, "");
      const least = own(min, name);
      if (own(maxLimitRequestRatio, name) !== undefined) return true;
      return least !== undefined && amount.nanos < parseQuantity(least).nanos * count;
    });
  });
}

/** Reports whether the roll-out goes on if one pod may be missing. */
function isUnavailableEnough(change: Change, course: Course, attempt: Try): boolean {
  const spec = specOf(change.after);
  const strategy = partsOf(spec.strategy);
  if (partsOf(change.after).kind !== "Deployment" || course.stall?.kind !== "surge" || change.before === undefined) {
    return false;
  }
  if (strategy.type === "Recreate" || fenceposts(strategy, replicasIn(change)).maxUnavailable > 0) return false;
  const rollingUpdate = { ...partsOf(strategy.rollingUpdate), maxUnavailable: 1 };
  const after = { ...partsOf(change.after), spec: { ...spec, strategy: { ...strategy, rollingUpdate } } };
  return attempt({ ...change, after }).complete;
}
