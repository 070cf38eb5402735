/** What should stand in the namespace of one grantee's guests, and the effects that lead there in a safe order. */
import { isDeepStrictEqual } from "node:util";
import type { Namespace } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { RoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { minQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { BindingFacts, EventFact, PodFacts, PolicyFacts, QuotaFacts } from "../facts.ts";
import { type Effect, type Plan, stagesOf, type WrittenObject } from "../effects.ts";
import { type Fault, Faults, faultText } from "../faults.ts";
import type { Obstacle } from "../grant/share.ts";
import { earliest, rfc3339 } from "../instants.ts";
import {
  accountAnnotation,
  adoptAnnotation,
  cordonAnnotation,
  emptyAnnotation,
  endedAnnotation,
  lockedLabel,
  managedBy,
  managedByLabel,
  provisioningClassesAnnotation,
  realmGroup,
} from "../names.ts";
import { accountRemoval, accountWorld } from "./account.ts";
import { accountNames, accountRecord } from "../realm/account.ts";
import { cidr, parseRange } from "../address.ts";
import { cordonOf, isRecord } from "./cordon.ts";
import { resolveDestinations } from "../network/destinations.ts";
import { isLingering, maxGraceSeconds, neverGranted, podsInExcess, usersOf, victims } from "./drain.ts";
import { guideText } from "./guide.ts";
import { closedHard, quotaHard, shown } from "../resources/hard.ts";
import type { Hard } from "../resources/resource_list.ts";
import { type Holding, type Holdings, holdingsOf } from "./holding.ts";
import { isKnown } from "../realm/known.ts";
import { containerLimits } from "../resources/limits.ts";
import { heldText, isHeld, isThere, remainingText, withoutTracking } from "./remaining.ts";
import {
  bindingOf,
  defaultDenyOf,
  dnsOf,
  grantPolicyOf,
  guestInternalOf,
  guideOf,
  limitRangeOf,
  namespaceOf,
  quotaOf,
  realmPolicyOf,
  serviceAccountOf,
} from "./objects.ts";
import { subjectKey, subjectsOf } from "../realm/subjects.ts";
import { type Ownership, ownershipOf, recordsOf } from "./ownership.ts";
import { claimsIn, deletesVolumes, emptyRecord, emptySince, endedAt, keptBecause } from "./retention.ts";
import { type ExposedPlan, planExposed } from "./services.ts";
import { groundOf } from "../network/tiers.ts";
import { rulesHere } from "./trust.ts";
import { wayTo } from "../network/way.ts";
import type { GuestWorld } from "./world.ts";
import { adoption } from "./writes.ts";

export interface GuestPlan extends Plan {
  faults: readonly Fault[];
  /** What the grants come to. */
  holdings: Holdings;
  /** What the quota should be; undefined where nothing may be written. */
  hard?: Hard;
  /** Whether pods have to go, or it isn't known yet whether. */
  draining: boolean;
  /** Whether it isn't known yet, but is about to be. */
  looking?: true;
  /** Whether the pods of the namespace have to be looked at. */
  needsPods: boolean;
  /** Whether the Services of the namespace have to be listed. */
  needsServices: boolean;
  /** Whether what is stored there has to be listed. */
  needsStored: boolean;
  /** What keeps the drain from coming to its end. */
  obstacle?: Obstacle;
}

/** Between two tries to evict a pod that a PodDisruptionBudget keeps. */
const evictAgainMs = 2000;

/**
 * Plans the guest namespace. What closes comes before what opens: access goes first and comes last, the namespace with
 * its Pod Security and the default deny stand before anything else, and the quota before what lets traffic through. A
 * namespace in which nothing is granted any more stays, closed: nothing stored is lost.
 *
 * What closes doesn't depend on what opens, not even on whether that can be planned: a part that throws is a fault of
 * that part (see {@linkcode GuestPlan.faults}).
 */
export function planGuest(world: GuestWorld): GuestPlan {
  const faults = new Faults(world.unread);
  const quotaKeys = Object.keys(world.quota?.asked ?? {});
  const storageClasses = faults.attempt("the storage classes", () => world.cluster.storageClasses, []);
  const holdings = holdingsOf({ ...world, storageClasses, quotaKeys }, faults);
  const ownership = faults.attempt("the namespace's owner", () => ownershipOf(world), unreadOwner(world));
  const { namespace } = world;
  const isForeign = ownership.is === "foreign" || (ownership.is === "leaving" && !ownership.made);
  // What a person has handed over, but nothing is granted in, is nobody's business yet.
  const isIdle = holdings.holdings.length === 0 && (!namespace || (ownership.is === "handedOver" && !ownership.made));
  if (isForeign || isIdle) {
    const closes = faults.attempt("the realm's account", () => accountRemoval(accountWorld(world), false), []);
    return {
      stages: stagesOf("close", [closes]),
      faults: faults.all,
      holdings,
      draining: false,
      needsPods: false,
      needsServices: false,
      needsStored: false,
      ...wakeIn(holdings.wakeAt),
    };
  }
  const situation = situationOf(world, holdings, ownership, faults);
  const closing = planClosing(world, situation, faults);
  const unknown: Drain = { effects: [], draining: true, needsPods: false };
  const drain = faults.attempt("the drain of pods", () => planDrain(world, situation), unknown);
  const unseen: ExposedPlan = { effects: [], isOver: true, needsServices: false };
  const exposed = faults.attempt("the way in from the world", () => planWorld(world, situation), unseen);
  const draining = drain.draining || exposed.isOver;
  const stays: After = { effects: [], needsStored: false };
  const after = isOver(world, situation, draining)
    ? faults.attempt("the end of the namespace", () => planAfter(world, situation), stays)
    : stays;
  const closes = stagesOf("close", [...closing, exposed.effects, drain.effects, after.effects]);
  const obstacle = drain.obstacle ??
    (exposed.obstacle === undefined ? undefined : { reason: "ServicesUnknown" as const, message: exposed.obstacle });
  return {
    stages: [...closes, ...stagesOf("open", planOpening(world, situation, faults))],
    faults: faults.all,
    holdings,
    hard: situation.hard,
    draining,
    ...(drain.looking ? { looking: true } : {}),
    needsPods: drain.needsPods,
    needsServices: exposed.needsServices,
    needsStored: after.needsStored,
    ...(obstacle ? { obstacle } : {}),
    ...wakeIn(holdings.wakeAt, drain.wakeAt, after.wakeAt),
  };
}

function wakeIn(...instants: (number | undefined)[]): { wakeAt?: number } {
  const at = earliest(...instants);
  return at === undefined ? {} : { wakeAt: at };
}

/** Of an owner who can't be read nobody is let in, and nothing is given that isn't there. */
const unreadOwner = ({ grantee, namespace }: GuestWorld): Ownership => ({
  is: namespace?.labels[managedByLabel] === managedBy ? "another's" : "foreign",
  message: `Who owns the namespace of ${grantee} can't be read: nobody is let in.`,
});

/** Everything that writes are planned by. */
interface Situation {
  holdings: Holdings;
  ownership: Ownership;
  /** Whether anything is granted. */
  active: boolean;
  /** Whether somebody is let in: nobody comes in for whom it isn't sure that the namespace was made. */
  access: boolean;
  /** Whether the namespace is on its way out: what is there can be changed and deleted, and nothing made. */
  leaving: boolean;
  /** The quota while nothing is on notice. */
  whole: Hard;
  /** The quota now. */
  hard: Hard;
  cordon?: string;
  /** Policies that may open something now, as far as they can be planned. */
  policies: readonly NetworkPolicy[];
  /** Those of our policies that are there, by name. */
  present: ReadonlyMap<string, PolicyFacts>;
}

function situationOf(world: GuestWorld, holdings: Holdings, ownership: Ownership, faults: Faults): Situation {
  const { realm, policies } = world;
  const active = holdings.holdings.length > 0;
  const leaving = ownership.is === "leaving";
  const closed = ownership.is === "another's" || (leaving && ownership.another);
  const access = active && isKnown(realm) && !closed;
  const offered = faults.attempt("the devices of nodes", () => world.cluster.extendedKeys, []);
  const whole = quotaOfGrants(world, holdings, offered);
  const cordoned = faults.attempt<{ hard: Hard; cordon?: string }>(
    "the quota of a notice",
    () => cordonOf(world, holdings, whole),
    { hard: whole },
  );
  const { cordon } = cordoned;
  return {
    holdings,
    ownership,
    active,
    access,
    leaving,
    whole,
    hard: closed ? lowerHard(cordoned.hard, world.quota?.asked ?? {}) : cordoned.hard,
    ...(cordon === undefined ? {} : { cordon }),
    policies: active ? openPolicies(world, holdings.holdings, access, faults) : [],
    present: new Map(policies.map((policy) => [policy.name, policy])),
  };
}
/** What takes away or bounds, in the order of safety. Of what can't be planned nothing is wanted, so that it goes. */
function planClosing(world: GuestWorld, situation: Situation, faults: Faults): Effect[][] {
  const { binding, policies, grantee } = world;
  const { access, leaving, ownership, active, present, policies: open } = situation;
  const wanted = new Set(["default-deny", ...open.map((policy) => policy.metadata!.name!)]);
  const isThere = (policy: NetworkPolicy) => present.has(policy.metadata!.name!);
  const keepsNamespace = ownership.is !== "another's" && !leaving;
  return [
    access || !binding ? [] : [{ delete: { kind: "RoleBinding", ...target(binding) } }],
    faults.attempt("the realm's account", () => accountRemoval(accountWorld(world), access), []),
    access ? faults.attempt("who goes", () => bindingNarrowed(world), []) : [],
    keepsNamespace ? faults.attempt("the namespace", () => namespaceWrites(world, active, ownership), []) : [],
    // Where nothing can be made any more, what is there is still kept as it should be.
    differing([defaultDenyOf(grantee)].filter((policy) => !leaving || isThere(policy)), present),
    policies.filter((policy) => !wanted.has(policy.name)).map((policy) => ({
      delete: { kind: "NetworkPolicy", ...target(policy) },
    })),
    differing(open.filter(isThere), present),
    ...quotaWrites(world, situation),
  ];
}

/** Two stages: a quota that counts only some pods goes before it is made again. */
function quotaWrites({ grantee, quota, cluster }: GuestWorld, { hard, cordon, leaving }: Situation): Effect[][] {
  if (leaving && !quota) return [];
  // What somebody else has written there stays unless an apply takes its place.
  const blank = quota?.cordon !== undefined && !isRecord(quota.cordon) ? "" : undefined;
  const record = cordon ?? blank;
  // While the classes can't be read, what was written of them stays.
  const classes = cluster.provisioningClasses?.join(",") ?? quota?.provisioningClasses;
  const desired = quotaOf(grantee, shown(hard), {
    ...(record === undefined ? {} : { [cordonAnnotation]: record }),
    ...(classes === undefined ? {} : { [provisioningClassesAnnotation]: classes }),
  });
  // Scopes make a quota count only some pods; nothing but a new quota takes them away.
  const isScoped = quota?.scoped === true && !leaving;
  const isSame = quota && !isScoped && (quota.cordon || undefined) === cordon &&
    quota.provisioningClasses === classes && sameQuantities(quota.asked, shown(hard)) && labelled(desired, quota);
  return [
    isScoped ? [{ delete: { kind: "ResourceQuota", ...target(quota) } }] : [],
    isSame ? [] : [{ apply: desired }],
  ];
}

/** What comes, each stage by itself: where one can't be planned the others go on, and nothing of it opens. */
function planOpening(world: GuestWorld, situation: Situation, faults: Faults): Effect[][] {
  const { access, leaving, policies, present, holdings, whole, hard } = situation;
  if (leaving) return [];
  const stage = (part: string, plan: () => Effect[]) => faults.attempt(part, plan, []);
  const missing = policies.filter(({ metadata }) => !present.has(metadata!.name!));
  return [
    access
      ? stage("limits and accounts", () => [...limitRangeWrites(world, whole), ...serviceAccountWrites(world)])
      : [],
    access ? differing(missing, present) : [],
    access ? stage("access", () => bindingWrites(world, hard)) : [],
    stage("the guide", () => guideWrites(world, holdings.holdings)),
  ];
}

/** Key by key what is less, of what should be and what is asked already; what isn't asked yet is not given. */
const lowerHard = (hard: Hard, asked: Readonly<Record<string, string>>): Hard =>
  new Map([...hard].map(([key, most]) => [key, minQuantity(most, readQuantity(asked[key] ?? "0"))]));

/** A quantity that can't be read is none. */
function readQuantity(text: string): Quantity {
  try {
    return parseQuantity(text);
  } catch {
    return parseQuantity("0");
  }
}

const target = ({ namespace, name, uid }: { namespace: string; name: string; uid: string }) => ({
  namespace,
  name,
  uid,
});

/** The quota while nothing is on notice. */
function quotaOfGrants({ quota }: GuestWorld, { holdings, granted }: Holdings, offered: readonly string[]): Hard {
  const earlier = Object.keys(quota?.asked ?? {});
  return holdings.length > 0 ? quotaHard(granted, offered, earlier) : closedHard(offered, earlier);
}

function namespaceWrites(world: GuestWorld, active: boolean, ownership: Ownership): Effect[] {
  const { namespace, now } = world;
  const records = recordsOf(world, active, ownership);
  // As any other instant it is written down once the clocks agree.
  const news = !active && records[endedAnnotation] === undefined && world.skewMs === 0;
  const desired = namespaceWith(world, { ...records, ...(news ? { [endedAnnotation]: rfc3339(now) } : {}) }, !active);
  if (namespace && ownership.is === "handedOver") {
    // Only what stays: an apply takes away what an apply has written, and this is none.
    const { [endedAnnotation]: _, ...kept } = records;
    return [adoption(namespaceWith(world, kept, false), namespace.uid)];
  }
  // What says that it is closed goes, whoever has written it: an apply would leave what a restore has brought.
  const isMarked = namespace?.annotations[endedAnnotation] !== undefined ||
    namespace?.labels[lockedLabel] !== undefined;
  if (namespace && active && isMarked) return [adoption(desired, namespace.uid)];
  if (namespace && labelled(desired, namespace) && annotated(desired, namespace)) {
    // A word to adopt what is theirs already must not hand it over to whoever comes later under the name.
    const isSaid = namespace.annotations[adoptAnnotation] !== undefined && isKnown(world.realm);
    return isSaid ? [adoption(desired, namespace.uid)] : [];
  }
  // Created, not applied, when it isn't there: an apply would take over one that somebody else has just made.
  if (!namespace) return [{ create: desired }];
  const { name, uid } = namespace;
  const about = { apiVersion: "v1", kind: "Namespace", name, uid };
  return [{ apply: desired, uid, ...(news ? { events: [{ event: endedEvent(world), about }] } : {}) }];
}

const namespaceWith = (world: GuestWorld, records: Record<string, string>, locked: boolean): Namespace =>
  namespaceOf(world.grantee, rulesHere(world).podSecurity, records, locked);

function endedEvent(world: GuestWorld): EventFact {
  const { grantee, settings } = world;
  const namespace = world.namespace!;
  const { name } = namespace;
  const claims = claimsIn(world);
  const because = keptBecause(namespace, claims);
  const what = because === undefined
    ? `${claims > 0 ? `its volume claims (${claims}) are deleted as its grants asked, and ` : ""}it is deleted ${
      spanText(settings.namespaceRetentionSeconds)
    } after it is empty unless it is granted again.`
    : `${because}, so it stays until somebody deletes it. Copy the data out, then: kubectl delete namespace ${name}`;
  return {
    type: "Normal",
    reason: "LastGrantEnded",
    action: "Close",
    note: `The last grant to ${grantee} has ended: namespace ${name} is closed; ${what}`,
  };
}

const spanText = (seconds: number): string => seconds < 3600 ? `${seconds} s` : `${Math.round(seconds / 360) / 10} h`;

function limitRangeWrites({ grantee, limitRange }: GuestWorld, hard: Hard): Effect[] {
  const desired = limitRangeOf(grantee, containerLimits(hard));
  return limitRange && labelled(desired, limitRange) && isDeepStrictEqual(limitRange.limits, desired.spec!.limits)
    ? []
    : [{ apply: desired }];
}

function serviceAccountWrites({ grantee, serviceAccount }: GuestWorld): Effect[] {
  const desired = serviceAccountOf(grantee);
  return serviceAccount && labelled(desired, serviceAccount) && serviceAccount.automount === false
    ? []
    : [{ apply: desired }];
}

function guideWrites({ grantee, guide, namespace }: GuestWorld, holdings: readonly Holding[]): Effect[] {
  // In a closed namespace nothing can be made any more, this included; what is there says that nothing is granted.
  if (holdings.length === 0 && !(guide && namespace)) return [];
  // What is immutable is made again: nothing else changes it.
  if (guide?.immutable) return [{ delete: { kind: "ConfigMap", ...target(guide) } }];
  const desired = guideOf(grantee, guideText(holdings));
  return guide && labelled(desired, guide) && includesAll(guide.data, desired.data!) ? [] : [{ apply: desired }];
}

/** Access comes last: not before the default deny stands and the quota is in force. */
function bindingWrites(world: GuestWorld, hard: Hard): Effect[] {
  const { binding } = world;
  const desired = desiredBinding(world);
  // The role of a binding can't be changed: another one goes first.
  if (binding && !hasRoleOf(binding, desired)) return [{ delete: { kind: "RoleBinding", ...target(binding) } }];
  if (!binding) return isClosedByDefault(world) && isInForce(world, hard) ? [{ apply: desired }] : [];
  const stays = staying(binding, desired);
  const isNarrowed = stays.length < binding.subjects.length;
  const comes = stays.length < desired.subjects!.length;
  const same = labelled(desired, binding) && binding.account === desired.metadata!.annotations![accountAnnotation];
  return comes || (!same && !isNarrowed) ? [{ apply: desired }] : [];
}

/** Whoever isn't to be let in any more goes before anything opens, and before others come. */
function bindingNarrowed(world: GuestWorld): Effect[] {
  const { binding } = world;
  const desired = desiredBinding(world);
  if (!binding || !hasRoleOf(binding, desired)) return [];
  const subjects = staying(binding, desired);
  return subjects.length < binding.subjects.length ? [{ apply: { ...desired, subjects } }] : [];
}

/** Who is let in already, and is to be. */
function staying({ subjects }: BindingFacts, desired: RoleBinding): NonNullable<RoleBinding["subjects"]> {
  const present = new Set(subjects.map(subjectKey));
  return desired.subjects!.filter((each) => present.has(subjectKey(each)));
}

function desiredBinding(world: GuestWorld): RoleBinding {
  const { grantee } = world;
  const realm = world.realm!;
  const people = realm.spec.subjects ?? [{ kind: "Group" as const, name: realmGroup(grantee) }];
  const accounts = accountNames({ ...accountWorld(world), realm });
  return bindingOf(grantee, subjectsOf(people, accounts), accountRecord(realm));
}

const hasRoleOf = ({ roleRef }: BindingFacts, { roleRef: { kind, name } }: RoleBinding): boolean =>
  roleRef.kind === kind && roleRef.name === name;

/** Whether the default deny stands. */
export function isClosedByDefault({ grantee, policies }: GuestWorld): boolean {
  return differing([defaultDenyOf(grantee)], new Map(policies.map((policy) => [policy.name, policy]))).length === 0;
}

/** Whether admission counts against exactly this: it reads the quota's status, not its spec. */
export function isInForce({ quota }: GuestWorld, hard: Hard): boolean {
  return quota !== undefined && sameQuantities(quota.asked, shown(hard)) &&
    sameQuantities(quota.enforced, shown(hard)) &&
    uncounted(quota, hard).every(isOptional);
}

/** The keys that have no count yet, or never get one. */
export const uncounted = (quota: QuotaFacts, hard: Hard): string[] =>
  [...hard.keys()].filter((key) => quota.used[key] === undefined);

/** Objects of a kind that the cluster doesn't have are counted as soon as it does; until then there are none. */
export const isOptional = (key: string): boolean => key.startsWith("count/") || key.includes(".deviceclass.");

/**
 * The policies that open something, each planned by itself. While it isn't known for whom they stand none is opened: those
 * that are there may go and get narrower.
 *
 * @param access whether somebody is let in
 */
function openPolicies(
  world: GuestWorld,
  holdings: readonly Holding[],
  access: boolean,
  faults: Faults,
): NetworkPolicy[] {
  const { grantee } = world;
  return [
    guestInternalOf(grantee),
    ...faults.attempt("the way to DNS", () => dnsPolicies(world), []),
    ...access ? faults.attempt(`the way to the node of ${grantee}`, () => realmPolicies(world), []) : [],
    ...holdings.flatMap((holding) => {
      const { name } = holding.grant;
      const about = { part: `the destinations of grant ${name}`, grant: name };
      return faults.attempt(about, () => grantPolicies(world, holding, faults), []);
    }),
  ];
}

function dnsPolicies(world: GuestWorld): NetworkPolicy[] {
  const { grantee, settings } = world;
  if (!rulesHere(world).dns) return [];
  return [dnsOf(grantee, settings.dns.nodeLocal.map(parseRange).filter((range) => range !== undefined).map(cidr))];
}

function grantPolicies(world: GuestWorld, holding: Holding, faults: Faults): NetworkPolicy[] {
  const { grant } = holding;
  const { egress, failed } = destinationsOf(world, holding);
  for (const { destination, error } of failed) {
    faults.add({ part: `destination ${destination}`, grant: grant.name, isShown: true, error });
  }
  return egress.length > 0 ? [grantPolicyOf(world.grantee, grant.name, egress)] : [];
}

function realmPolicies({ grantee, realm, settings, cluster }: GuestWorld): NetworkPolicy[] {
  const { ranges, proxies } = wayTo(grantee, realm, { settings, cluster });
  const [first, ...rest] = [...ranges.map((range) => ({ ipBlock: { cidr: cidr(range) } })), ...proxies];
  return first === undefined ? [] : [realmPolicyOf(grantee, [first, ...rest])];
}

type Destinations = Pick<Holding, "destinations" | "except" | "within">;

/** What the destinations of a grant stand for, and the rules that open them. One that can't be planned opens nothing. */
export function destinationsOf(
  world: Pick<GuestWorld, "realm" | "namespace" | "settings" | "cluster" | "realmNamed" | "addressesOfName">,
  holding: Destinations,
): ReturnType<typeof resolveDestinations> & { failed: readonly { destination: string; error: unknown }[] } {
  try {
    return { ...resolved(world, holding), failed: [] };
  } catch {
    const each = holding.destinations.map((destination) => {
      try {
        return { destination, resolved: resolved(world, { ...holding, destinations: [destination] }).resolved };
      } catch (error) {
        const text = faultText({ part: `destination ${destination}`, error });
        return { destination, resolved: [{ destination, error: text }], failure: { destination, error } };
      }
    });
    const fine = each.filter(({ failure }) => failure === undefined).map(({ destination }) => destination);
    return {
      resolved: each.flatMap(({ resolved }) => resolved),
      egress: resolved(world, { ...holding, destinations: fine }).egress,
      failed: each.flatMap(({ failure }) => failure ?? []),
    };
  }
}

function resolved(
  world: Pick<GuestWorld, "realm" | "namespace" | "settings" | "cluster" | "realmNamed" | "addressesOfName">,
  { destinations, except, within }: Destinations,
): ReturnType<typeof resolveDestinations> {
  const { settings, cluster } = world;
  return resolveDestinations(destinations, {
    ground: groundOf(cluster.ranges, settings.clusterRanges),
    except,
    within,
    mayNameProtected: rulesHere(world).egress === "any",
    ...(cluster.rangesUnknown === undefined ? {} : { rangesUnknown: cluster.rangesUnknown }),
    addressesOfName: (name) => world.addressesOfName(name) ?? { error: `${name} is being resolved.` },
    wayTo: (name) => wayTo(name, world.realmNamed(name), { settings, cluster }),
  });
}

interface Drain {
  effects: Effect[];
  draining: boolean;
  looking?: true;
  needsPods: boolean;
  obstacle?: Obstacle;
  wakeAt?: number;
}

const noDrain: Drain = { effects: [], draining: false, needsPods: false };

/**
 * Ends pods once what is granted has been taken away: those above what remains, and where nothing remains all of them,
 * without counting. In a namespace that is being deleted they are deleted, since nothing can be made there, evictions
 * included; and all of them where the default deny is gone, which can't be made again either.
 */
function planDrain(world: GuestWorld, { holdings, hard, whole, cordon, active, leaving }: Situation): Drain {
  const { quota, pods, podsError, skewMs, now } = world;
  const { drainUntil, lastDrainUntil, unsure } = holdings;
  // Without an end nobody is evicted, whatever the use is: a quota that somebody lowered by hand ends no pods.
  // Nor while it isn't sure that nothing is granted.
  const all = (!active && !unsure) || (leaving && !isClosedByDefault(world));
  if (drainUntil === undefined && !all) return unsure ? noDrain : planStrays(world, hard, holdings);
  // Pods that no known end has left behind, as after a restore, get the usual time.
  const deadline = drainUntil ?? deadlineWithoutEnd(world, lastDrainUntil);
  const counts = quota !== undefined && sameQuantities(quota.asked, shown(hard)) &&
    sameQuantities(quota.enforced, shown(hard));
  // Where admission doesn't count against what remains others would come in their place; but not for ever.
  if (!counts && !leaving && now < deadline) {
    return { ...noDrain, draining: drainUntil !== undefined, ...wakeIn(deadline) };
  }
  const used = quota?.used ?? {};
  // What is on notice goes on running, also a pod that came before it was counted.
  const room = cordon === undefined ? hard : whole;
  if (
    all ? isEmpty(world, drainUntil, counts) : !podsInExcess(room, used) && !pods?.map(withoutTracking).some(isHeld)
  ) {
    return noDrain;
  }
  // A clock that jumped ahead would be past every deadline.
  if (skewMs !== 0) return { ...noDrain, draining: true };
  if (!pods) {
    return podsError === undefined ? { ...noDrain, draining: true, looking: true, needsPods: true } : {
      ...noDrain,
      draining: true,
      needsPods: true,
      obstacle: { reason: "PodsUnknown", message: `Its pods can't be looked at: ${podsError}` },
    };
  }
  return endPods(pods, { all, atOnce: leaving && all, leaving, counts, deadline, now, hard: room, used });
}

/** Ends pods that use a device that nobody was ever given: no notice was promised for it, and nothing may put it off. */
function planStrays({ quota, pods, skewMs, now }: GuestWorld, hard: Hard, { granted }: Holdings): Drain {
  // While the clocks disagree it isn't sure that no grant of it has begun.
  if (skewMs !== 0 || !quota || !sameQuantities(quota.enforced, shown(hard))) return noDrain;
  const keys = neverGranted(hard, granted, quota.used);
  if (keys.length === 0) return noDrain;
  const effects = usersOf(keys, pods ?? []).map((pod): Effect => ({
    delete: { kind: "Pod", ...target(pod) },
    graceSeconds: Math.min(pod.graceSeconds, maxGraceSeconds),
  }));
  return { ...noDrain, effects, needsPods: true, ...(effects.length > 0 ? wakeIn(now + evictAgainMs) : {}) };
}

/** Whether it is known that no pod is left where none may be. The quota doesn't count those whose time is over. */
function isEmpty({ quota }: GuestWorld, drainUntil: number | undefined, counts: boolean): boolean {
  if (!quota || !counts) return false;
  return quota.used["count/pods"] === "0" || (drainUntil === undefined && quota.used["pods"] === "0");
}

interface Ending {
  all: boolean;
  /** Whether the deadline isn't waited for. */
  atOnce: boolean;
  leaving: boolean;
  /** Whether admission counts against what remains. */
  counts: boolean;
  deadline: number;
  now: number;
  hard: Hard;
  used: Readonly<Record<string, string>>;
}

/** How long after the deadline a pod that doesn't go is named: by then its grace is over too. */
const overdueMs = 60_000;

function endPods(pods: readonly PodFacts[], ending: Ending): Drain {
  const { all, atOnce, leaving, counts, deadline, now, hard, used } = ending;
  const left = all ? pods.filter(isThere) : pods;
  // Where admission doesn't count against what remains, others may come: they are looked out for.
  if (all && left.length === 0) return { ...noDrain, needsPods: !counts };
  const isPast = atOnce || now >= deadline;
  const chosen = all ? left.filter(({ terminating }) => !terminating) : victims(pods, hard);
  const effects = chosen.map((pod): Effect => {
    const graceSeconds = Math.min(pod.graceSeconds, maxGraceSeconds);
    const of = { kind: "Pod" as const, ...target(pod) };
    return isPast || leaving ? { delete: of, graceSeconds } : { evict: of, graceSeconds };
  });
  // When time is up, that is cut short too.
  const lingering = pods.filter(isLingering);
  if (isPast) {
    const graceSeconds = maxGraceSeconds;
    effects.push(...lingering.map((pod) => ({ delete: { kind: "Pod" as const, ...target(pod) }, graceSeconds })));
  }
  const held = (all ? left : left.map(withoutTracking)).filter(isHeld);
  const rest = all ? left.filter((pod) => !isHeld(pod)) : [];
  // One that only a finalizer keeps takes no room any more, but it is still there. Until then it is being ended like any
  // other, and nobody is told that it isn't there any more.
  const isHeldOnly = all ? rest.length === 0 : !podsInExcess(hard, used);
  const again = [
    ...(chosen.length > 0 ? [now + evictAgainMs] : []),
    ...(now < deadline ? [deadline] : rest.length > 0 && now < deadline + overdueMs ? [deadline + overdueMs] : []),
  ].filter(Number.isFinite);
  return {
    effects,
    draining: now < deadline || !isHeldOnly,
    needsPods: true,
    ...obstacleOf(held, rest, now - deadline),
    ...wakeIn(...again),
  };
}

function obstacleOf(held: readonly PodFacts[], rest: readonly PodFacts[], lateMs: number): { obstacle?: Obstacle } {
  if (lateMs >= 0 && held.length > 0) return { obstacle: { reason: "HeldByFinalizers", message: heldText(held) } };
  return lateMs >= overdueMs && rest.length > 0
    ? { obstacle: { reason: "PodsRemain", message: remainingText(rest) } }
    : {};
}

/** What lets the world in goes with what was granted for it, as pods do, but at once: it is nobody's to finish. */
function planWorld(world: GuestWorld, { holdings, hard, active }: Situation): ExposedPlan {
  const isDue = active ? holdings.drainUntil !== undefined : !holdings.unsure;
  return isDue ? planExposed(world, active ? hard : undefined) : { effects: [], isOver: false, needsServices: false };
}

/** Whether nothing is granted, nobody is let in and no pod is left, so that it is time for what comes after. */
const isOver = ({ binding }: GuestWorld, { active, leaving, holdings }: Situation, draining: boolean): boolean =>
  !active && !leaving && !holdings.unsure && !holdings.waiting && !binding && !draining;

const usualDrainMs = 120_000;

function deadlineWithoutEnd({ namespace, now }: GuestWorld, lastDrainUntil: number | undefined): number {
  const ended = namespace && endedAt(namespace);
  return ended === undefined ? lastDrainUntil ?? now : ended + usualDrainMs;
}

interface After {
  effects: Effect[];
  needsStored: boolean;
  wakeAt?: number;
}

/**
 * What becomes of a namespace in which nothing is granted and nothing runs any more. It goes when it was known to be empty
 * for long enough, and is empty still: what is stored is listed for both, since the quota's count lags behind a restore.
 */
function planAfter(world: GuestWorld, { hard, ownership }: Situation): After {
  const { namespace, stored, storedError, settings, now, skewMs } = world;
  const none: After = { effects: [], needsStored: false };
  // A quota in force is what keeps others from storing anything between a look and what follows from it.
  if (skewMs !== 0 || !namespace || !isInForce(world, hard) || endedAt(namespace) === undefined) return none;
  if (claimsIn(world) > 0) {
    return deletesVolumes(namespace)
      ? { ...none, effects: [{ deleteAll: { kind: "PersistentVolumeClaim", namespace: namespace.name } }] }
      : none;
  }
  if (keptBecause(namespace, 0) !== undefined) return none;
  const since = emptySince(namespace);
  const goesAt = since === undefined ? now : since + settings.namespaceRetentionSeconds * 1000;
  if (now < goesAt) return { ...none, wakeAt: goesAt };
  if (!stored) return { ...none, needsStored: storedError === undefined };
  if (stored.snapshots > 0) return none;
  if (since !== undefined) {
    return { ...none, effects: [{ delete: { kind: "Namespace", name: namespace.name, uid: namespace.uid } }] };
  }
  const records = { ...recordsOf(world, false, ownership), [emptyAnnotation]: emptyRecord(namespace, rfc3339(now)) };
  return { ...none, effects: [{ apply: namespaceWith(world, records, true), uid: namespace.uid }] };
}

const includesAll = (actual: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => actual[key] === value);

const labelled = (object: WrittenObject, observed: { labels: Readonly<Record<string, string>> }): boolean =>
  includesAll(observed.labels, object.metadata!.labels!);

const annotated = (object: WrittenObject, observed: { annotations: Readonly<Record<string, string>> }): boolean =>
  includesAll(observed.annotations, object.metadata!.annotations ?? {});

/** Whether each wanted value is there, by value. Foreign keys in a quota only take away, so they may stay. */
export function sameQuantities(
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const text = actual[key];
    return text !== undefined && (text === value || isEqual(text, value));
  });
}

/** What can't be read is nothing that was asked for. */
function isEqual(text: string, value: string): boolean {
  try {
    return parseQuantity(text).compare(parseQuantity(value)) === 0;
  } catch {
    return false;
  }
}

/** Writes for the policies that are not exactly as they should be. */
function differing(desired: readonly NetworkPolicy[], present: ReadonlyMap<string, PolicyFacts>): Effect[] {
  return desired.flatMap((policy) => {
    const observed = present.get(policy.metadata!.name!);
    if (!observed) return [{ apply: policy }];
    if (labelled(policy, observed) && isDeepStrictEqual(observed.spec, policy.spec)) return [];
    // A rule that somebody else has added stays unless an apply says that there is none.
    const none = {
      ...(observed.spec.ingress && !policy.spec!.ingress ? { ingress: [] } : {}),
      ...(observed.spec.egress && !policy.spec!.egress ? { egress: [] } : {}),
    };
    return [{ apply: { ...policy, spec: { ...policy.spec!, ...none } } }];
  });
}
