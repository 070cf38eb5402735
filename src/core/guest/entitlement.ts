/** Entitlements of one grantee's grants: what each grant gives now, and what remains after all notices. */
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { ClusterFacts, GrantFacts, QuotaFacts } from "../facts.ts";
import type { Faults } from "../faults.ts";
import { exposedKeys, trustedDestinations } from "../grant/ceiling.ts";
import { drainMs, noticeMs, wasActive } from "../grant/termination.ts";
import { isDated, recordedReductions, type Reduction, reductionsOf } from "../grant/reduction.ts";
import { givingEntity, noPooling } from "../grant/parties.ts";
import { type Lifecycle, lifecycleIn, type LifecycleWorld, type Notice, rulesOf } from "../grant/lifecycle.ts";
import { earliest } from "../instants.ts";
import { consentOf } from "../superentity/consent.ts";
import { sharedTerms } from "../superentity/plan_pool.ts";
import { classesToTell, completeList, largerList, listFrom, quantitiesOf, sumLists } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { isPresent } from "../realm/present.ts";
import { conditionOf } from "../conditions.ts";

/** A grant in force. */
export interface Entitlement {
  grant: GrantFacts;
  /** Set if its terms can't be planned: it holds the amounts in its status. */
  asShown?: true;
  /** Amounts in its terms, with defaults filled in. */
  terms: ResourceList;
  /** Amounts in force now: the terms, and reductions on notice. */
  held: ResourceList;
  /** Amounts after all notices: empty if the grant itself ends. */
  remaining: ResourceList;
  /** Destinations that are open now. */
  destinations: readonly string[];
  /** Ranges excluded from them, including those of destinations on notice, so that no reduction opens anything. */
  except: readonly string[];
  /** Private ranges that their DNS names may resolve to. */
  within: readonly string[];
  notice?: Notice;
  /** Epoch milliseconds: its end without a notice yet, if that is before the end of its validity. */
  endsAt?: number;
  /** Reductions of the terms, on notice or ending now, the earliest end first. */
  reductions: readonly Reduction[];
  /** True if it is from the pool of a SuperEntity. */
  isShared?: true;
}

/** Sums over the grants of one grantee. */
export interface EntitlementSums {
  entitlements: readonly Entitlement[];
  /** Sum of the amounts in force. */
  granted: ResourceList;
  /** Sum of the remaining amounts. */
  remaining: ResourceList;
  /** True if anything is on notice. */
  onNotice: boolean;
  /**
   * Epoch milliseconds until which evictions respect PodDisruptionBudgets: the latest of the ends and reductions that
   * may have pods left. Undefined: none.
   */
  drainUntil?: number;
  /** The same for all known ends, including those without pods left. */
  lastDrainUntil?: number;
  /** True if a grant waits only for a fact that a restored backup may bring later, so grants may be in force. */
  unsure: boolean;
  /** The same even if another grant is ending; prevents permanent deletions. */
  waiting: boolean;
  /** Time of the next change without an external cause. */
  wakeAt?: number;
}

export interface EntitlementsWorld extends Omit<LifecycleWorld, "grant"> {
  grants: readonly GrantFacts[];
  cluster: Pick<ClusterFacts, "storageClasses">;
  /** The present quota. */
  quota?: Pick<QuotaFacts, "specHard"> | undefined;
}

/**
 * Computes the entitlements, in the order of the grants' names so that equal sums are written alike. A grant that can't
 * be read is a separate fault: it keeps its recorded state, and neither its own end nor those of others are delayed.
 */
export function entitlementSums(world: EntitlementsWorld, faults: Faults): EntitlementSums {
  const grants = [...world.grants].sort((a, b) => a.name < b.name ? -1 : 1);
  const lifecycles = grants.map((grant) => {
    const { lifecycle, error } = lifecycleIn({ ...world, grant });
    if (error !== undefined) faults.note(`grant ${grant.name}`, grant.name, error);
    return { grant, lifecycle };
  });
  // Without our finalizer a deletion could be missed, so the grant loop adds it first. A grant in force that has lost
  // it, as by kubectl replace, stays in force.
  const due = lifecycles.flatMap(({ grant, lifecycle }) =>
    lifecycle.is === "active" && (grant.finalized || wasActive(grant))
      ? [{ grant, lifecycle, named: namedBy(grant, faults) }]
      : []
  );
  const offered = faults.attempt("the storage classes", () => world.cluster.storageClasses, []);
  const classes = classesToTell(
    due.flatMap(({ named }) => named ?? []),
    offered,
    Object.keys(world.quota?.specHard ?? {}),
  );
  const reported = reportedKeys(due);
  const entitlements = due.flatMap(({ grant, lifecycle, named }) =>
    heldBy(world, grant, lifecycle, named, { classes, reported }, faults) ?? []
  );
  const about = ({ name }: GrantFacts) => ({ part: `the drain of grant ${name}`, grant: name });
  const drains = [
    ...lifecycles.flatMap(({ grant, lifecycle }) => faults.attempt(about(grant), () => endDrain(grant, lifecycle), [])),
    ...entitlements.flatMap((entitlement) =>
      faults.attempt(about(entitlement.grant), () => reductionDrain(entitlement, world.now), [])
    ),
  ];
  const ends = lifecycles.flatMap(({ grant, lifecycle }) =>
    "at" in lifecycle && lifecycle.at !== undefined ? [lifecycle.at + drainMs(grant)] : []
  );
  const onNotice = entitlements.some(({ notice, reductions }) =>
    notice !== undefined || onNoticeStill(reductions, world.now).length > 0
  );
  const [unsure, waiting] = [isUnsure(lifecycles), waitsForFacts(lifecycles)];
  const wakeAt = earliest(
    ...lifecycles.map(({ lifecycle }) => "wakeAt" in lifecycle ? lifecycle.wakeAt : undefined),
    ...entitlements.flatMap(({ reductions }) =>
      onNoticeStill(reductions, world.now).filter(isDated).map(({ until }) => until)
    ),
  );
  return {
    entitlements,
    granted: sumLists(entitlements.map(({ held }) => held)),
    remaining: sumLists(entitlements.map(({ remaining }) => remaining)),
    onNotice,
    unsure,
    waiting,
    ...(drains.length > 0 ? { drainUntil: Math.max(...drains) } : {}),
    ...(ends.length > 0 ? { lastDrainUntil: Math.max(...ends) } : {}),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}

/** Returns the amounts in the terms; undefined if they can't be parsed. */
const namedBy = ({ name, spec }: GrantFacts, faults: Faults): ResourceList | undefined =>
  faults.attempt({ part: `spec.hard of grant ${name}`, grant: name }, () => listFrom(spec.hard), undefined);

/** Returns the entitlement of an active grant. If its terms can't be planned, its recorded amounts stay in force. */
function heldBy(
  world: EntitlementsWorld,
  grant: GrantFacts,
  lifecycle: Extract<Lifecycle, { is: "active" }>,
  named: ResourceList | undefined,
  reported: ReportedAmounts,
  faults: Faults,
): Entitlement | undefined {
  const about = { part: `the terms of grant ${grant.name}`, grant: grant.name };
  const whole = named &&
    faults.attempt(about, () => entitlementOf(world, grant, lifecycle, named, reported), undefined);
  if (whole || !wasActive(grant)) return whole;
  const nothing: ResourceList = new Map();
  const shown = faults.attempt(about, () => quantitiesOf(grant.status.hard), nothing);
  // As for an unknown grantee: the recorded amounts, neither more nor less.
  const alone = { ...world, realm: undefined, pooling: noPooling };
  const kept: Entitlement = {
    grant,
    asShown: true,
    terms: shown,
    held: shown,
    remaining: lifecycle.notice ? nothing : shown,
    destinations: [],
    except: [],
    within: [],
    reductions: [],
    ...(lifecycle.notice ? { notice: lifecycle.notice } : {}),
  };
  return faults.attempt(about, () => entitlementOf(alone, grant, lifecycle, shown, reported), undefined) ?? kept;
}

/**
 * Reports whether grants may be in force without being known: one with our finalizer, so once active, waits for a fact.
 * A grant that ends now takes precedence: a deleted grant must not wait for a Realm that never appears.
 */
function isUnsure(lifecycles: readonly { grant: GrantFacts; lifecycle: Lifecycle }[]): boolean {
  const ending = lifecycles.some(({ grant, lifecycle }) =>
    lifecycle.is === "terminating" || (lifecycle.is === "ended" && lifecycle.phase !== grant.status.phase)
  );
  return !ending && waitsForFacts(lifecycles);
}

const waitsForFacts = (lifecycles: readonly { grant: GrantFacts; lifecycle: Lifecycle }[]): boolean =>
  lifecycles.some(({ grant, lifecycle }) =>
    lifecycle.is === "pending" && missingFacts.has(lifecycle.reason) && grant.finalized
  );

const missingFacts: ReadonlySet<string> = new Set([
  "GranteeUnknown",
  "LocalRealmUnknown",
  "PlanFailed",
  "PoolPending",
  "SuperEntityIncomplete",
  "SuperEntityPending",
]);

/** Returns the keys of any grant's terms or recorded amounts, because the quota has one limit for all grants. */
function reportedKeys(due: readonly { grant: GrantFacts; named: ResourceList | undefined }[]): Set<string> {
  return new Set(due.flatMap(({ grant, named }) => [
    ...named?.keys() ?? [],
    ...(wasActive(grant) ? Object.keys(grant.status.hard ?? {}) : []),
  ]));
}

const onNoticeStill = (reductions: readonly Reduction[], now: number): Reduction[] =>
  reductions.filter(({ until }) => now < until);

/** Keys of other grants and the quota, for which a grant needs a default too. */
interface ReportedAmounts {
  classes: readonly string[];
  reported: ReadonlySet<string>;
}

function entitlementOf(
  world: EntitlementsWorld,
  grant: GrantFacts,
  { notice, endsAt }: Extract<Lifecycle, { is: "active" }>,
  named: ResourceList,
  reported: ReportedAmounts,
): Entitlement {
  const { realm, settings, now, skewMs } = world;
  const rules = rulesOf(settings, realm);
  const { networkPolicy } = grant.spec;
  const asked = networkPolicy?.egressAllowed ? networkPolicy.allowedDestinations ?? [] : [];
  const given = termsOf(world, grant, named, reported);
  const reductions = reductionsOf(grant, given, asked, noticeMs(grant, rules), { now, skewMs });
  const undated = reductions.filter((cut) => !isDated(cut));
  const still = onNoticeStill(reductions, now);
  // An undated reduction doesn't count yet: the status keeps the previous amounts, from which it is computed later.
  const terms = undated.map(({ hard }) => hard).reduce(largerList, given);
  const held = still.map(({ hard }) => hard).reduce(largerList, given);
  const open = [...asked, ...still.flatMap(({ destinations }) => destinations)];
  return {
    grant,
    terms,
    held,
    remaining: notice ? new Map() : given,
    destinations: isPresent(realm) ? trustedDestinations(grant, rules, open) : stillOpen(grant, open),
    except: [...new Set([...networkPolicy?.except ?? [], ...still.flatMap(({ except }) => except)])],
    within: networkPolicy?.within ?? [],
    ...(notice ? { notice } : {}),
    ...(endsAt === undefined ? {} : { endsAt }),
    reductions,
    ...(isFromPool(world, grant) ? { isShared: true as const } : {}),
  };
}

/** Returns the destinations while the trust level is unknown: nothing new opens, and only the terms close. */
function stillOpen({ status }: GrantFacts, open: readonly string[]): string[] {
  const before = new Set((status.resolvedDestinations ?? []).map(({ destination }) => destination));
  return open.filter((text) => before.has(text));
}

const isFromPool = ({ local, pooling = noPooling }: EntitlementsWorld, grant: GrantFacts): boolean =>
  grant.status.sharedFrom !== undefined || givingEntity(grant, local, pooling) !== undefined;

function termsOf(
  world: EntitlementsWorld,
  grant: GrantFacts,
  named: ResourceList,
  { classes, reported }: ReportedAmounts,
): ResourceList {
  const { realm, settings, local, pooling = noPooling } = world;
  const entity = givingEntity(grant, local, pooling);
  // Without the members' approval the share can't be computed.
  const isShared = entity !== undefined && local.kind === "known" && consentOf(entity).given;
  const wasShared = grant.status.sharedFrom !== undefined && !isShared;
  // While the trust level is unknown, the recorded amounts stay in force: neither more nor less.
  if ((!isPresent(realm) || wasShared) && grant.status.hard) {
    return quantitiesOf(grant.status.hard);
  }
  const rules = rulesOf(settings, realm);
  const complete = (given: ResourceList) => completeList(given, rules, classes, reported);
  const terms = isShared
    ? sharedTerms({ grant, entity, local: local.name, allotment: pooling.roomOf(grant).allotment }, complete)
    : complete(named);
  // After the trust level was lowered: exposed Services end like any other reduction.
  if (!rules.exposed) { for (const key of exposedKeys) terms.set(key, parseQuantity("0")); }
  return terms;
}

function endDrain(grant: GrantFacts, lifecycle: Lifecycle): number[] {
  if (lifecycle.is !== "ended" && lifecycle.is !== "terminating") return [];
  const draining = conditionOf(grant.status, "Draining");
  // After Drained, remaining pods belong to no end.
  if (lifecycle.at === undefined || draining?.reason === "Drained") return [];
  return [lifecycle.at + drainMs(grant)];
}

function reductionDrain({ grant, reductions }: Entitlement, now: number): number[] {
  return [...recordedReductions(grant), ...reductions].flatMap(({ until }) =>
    until <= now ? [until + drainMs(grant)] : []
  );
}
