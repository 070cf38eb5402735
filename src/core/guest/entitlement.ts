/** What each grant to one grantee holds at this instant, and what remains of it when its notice is over. */
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

/** One grant that is in force. */
export interface Entitlement {
  grant: GrantFacts;
  /** Set when its terms can't be planned: it holds what its status shows. */
  asShown?: true;
  /** What its terms give, completed. */
  terms: ResourceList;
  /** What it holds now: the terms, and what was cut from them and is on notice. */
  held: ResourceList;
  /** What it will hold when all notices are over: nothing when it ends itself. */
  remaining: ResourceList;
  /** The allowed destinations that are open now. */
  destinations: readonly string[];
  /** What is taken out of them, also what was when those on notice were removed: no cut may open anything. */
  except: readonly string[];
  /** Private ranges in which their DNS names are opened. */
  within: readonly string[];
  notice?: Notice;
  /** Cuts of the terms, the first to end first: on notice, or going now. */
  reductions: readonly Reduction[];
  /** Whether it takes from the pool of a SuperEntity. */
  isShared?: true;
}

/** All that the grants of one grantee come to. */
export interface EntitlementSums {
  entitlements: readonly Entitlement[];
  /** Sum of what is held. */
  granted: ResourceList;
  /** Sum of what remains. */
  remaining: ResourceList;
  /** Whether anything is on notice. */
  onNotice: boolean;
  /**
   * Until when evictions respect PodDisruptionBudgets, in epoch milliseconds: of the ends and cuts whose pods are not
   * all gone, the latest. Undefined: none.
   */
  drainUntil?: number;
  /** The same of all ends that are known, also of those whose pods were gone. */
  lastDrainUntil?: number;
  /**
   * Whether a grant waits only since a fact is missing that a restored backup brings later: then it isn't sure that
   * nothing is granted.
   */
  unsure: boolean;
  /** Whether a grant waits for such a fact, also where another comes to its end: nothing is deleted for good then. */
  waiting: boolean;
  /** When any of this changes by itself. */
  wakeAt?: number;
}

export interface EntitlementsWorld extends Omit<LifecycleWorld, "grant"> {
  grants: readonly GrantFacts[];
  cluster: Pick<ClusterFacts, "storageClasses">;
  /** The quota as it stands. */
  quota?: Pick<QuotaFacts, "specHard"> | undefined;
}

/**
 * Takes stock of the grants, in the order of their names so that equal sums are written alike. A grant that can't be read
 * is a fault of its own: it stays as it was last shown, and neither the others' ends nor its own wait for it.
 */
export function entitlementSums(world: EntitlementsWorld, faults: Faults): EntitlementSums {
  const grants = [...world.grants].sort((a, b) => a.name < b.name ? -1 : 1);
  const lifecycles = grants.map((grant) => {
    const { lifecycle, error } = lifecycleIn({ ...world, grant });
    if (error !== undefined) faults.note(`grant ${grant.name}`, grant.name, error);
    return { grant, lifecycle };
  });
  // Without our finalizer a deletion would go unseen; the Grant controller adds it first. One that is in force and has
  // lost it, as by kubectl replace, stays so.
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

/** What its terms name; undefined where that can't be read. */
const namedBy = ({ name, spec }: GrantFacts, faults: Faults): ResourceList | undefined =>
  faults.attempt({ part: `spec.hard of grant ${name}`, grant: name }, () => listFrom(spec.hard), undefined);

/** What a grant holds that is due; one whose terms can't be planned holds what it was shown to hold, and no more. */
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
  // As that of a grantee who isn't known: neither more nor less.
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
 * Only what carries our finalizer has ever been due. And what comes to its end now ends, whoever else waits: a deleted
 * grant can't wait for a Realm that never comes.
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

/**
 * The keys that any of the grants names, or was completed by while another did: a quota has one limit for all of them.
 */
function reportedKeys(due: readonly { grant: GrantFacts; named: ResourceList | undefined }[]): Set<string> {
  return new Set(due.flatMap(({ grant, named }) => [
    ...named?.keys() ?? [],
    ...(wasActive(grant) ? Object.keys(grant.status.hard ?? {}) : []),
  ]));
}

const onNoticeStill = (reductions: readonly Reduction[], now: number): Reduction[] =>
  reductions.filter(({ until }) => now < until);

/** What the keys of other grants make this one say. */
interface ReportedAmounts {
  classes: readonly string[];
  reported: ReadonlySet<string>;
}

function entitlementOf(
  world: EntitlementsWorld,
  grant: GrantFacts,
  { notice }: Extract<Lifecycle, { is: "active" }>,
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
  // A cut without a date is none yet: the status goes on to show what was given, which is what it is told by later.
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
    reductions,
    ...(isFromPool(world, grant) ? { isShared: true as const } : {}),
  };
}

/** While the trust isn't known nothing is opened that wasn't, and nothing closed but what the terms close. */
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
  // A share can't be told without the consent of those who give.
  const isShared = entity !== undefined && local.kind === "known" && consentOf(entity).given;
  const wasShared = grant.status.sharedFrom !== undefined && !isShared;
  // Whose trust isn't known any more keeps what was given: neither more nor less.
  if ((!isPresent(realm) || wasShared) && grant.status.hard) {
    return quantitiesOf(grant.status.hard);
  }
  const rules = rulesOf(settings, realm);
  const complete = (given: ResourceList) => completeList(given, rules, classes, reported);
  const terms = isShared
    ? sharedTerms({ grant, entity, local: local.name, allotment: pooling.roomOf(grant).allotment }, complete)
    : complete(named);
  // Beyond a ceiling that was lowered: what lets the world in goes, by the ladder as any other cut.
  if (!rules.exposed) { for (const key of exposedKeys) terms.set(key, parseQuantity("0")); }
  return terms;
}

function endDrain(grant: GrantFacts, lifecycle: Lifecycle): number[] {
  if (lifecycle.is !== "ended" && lifecycle.is !== "terminating") return [];
  const draining = conditionOf(grant.status, "Draining");
  // Pods that were left when all was over belong to no end.
  if (lifecycle.at === undefined || draining?.reason === "Drained") return [];
  return [lifecycle.at + drainMs(grant)];
}

function reductionDrain({ grant, reductions }: Entitlement, now: number): number[] {
  return [...recordedReductions(grant), ...reductions].flatMap(({ until }) =>
    until <= now ? [until + drainMs(grant)] : []
  );
}
