/** What should stand in the namespace of one grantee's guests, and the writes that lead there in a safe order. */
import { isDeepStrictEqual } from "node:util";
import type {
  ConfigMap,
  LimitRange,
  Namespace,
  ResourceQuota,
  ServiceAccount,
} from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { RoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { minQuantity, parseQuantity } from "../../../lib/quantity/mod.ts";
import type { Settings } from "../../api/mod.ts";
import type {
  BindingFacts,
  ClusterFacts,
  ConfigMapFacts,
  EventFact,
  GrantFacts,
  IdentityFacts,
  LimitRangeFacts,
  LocalRealm,
  NamespaceFacts,
  PodFacts,
  PolicyFacts,
  QuotaFacts,
  RealmFacts,
  ServiceAccountFacts,
} from "../facts.ts";
import type { Pooling } from "../grant/parties.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { adoptAnnotation, endedAnnotation, lockedLabel, realmGroup, volumesAnnotation } from "../names.ts";
import { cidr, parseRange } from "./address.ts";
import { cordonOf, isRecord } from "./cordon.ts";
import { alwaysProtected, resolveDestinations } from "./destinations.ts";
import { heldText, maxGraceSeconds, podsInExcess, victims } from "./drain.ts";
import { guideText } from "./guide.ts";
import { closedHard, type Hard, quotaHard, shown } from "./hard.ts";
import { type Holding, type Holdings, holdingsOf, isKnown } from "./holding.ts";
import { containerLimits } from "./limits.ts";
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
  subjectKey,
} from "./objects.ts";
import { type Ownership, ownershipOf, recordsOf } from "./ownership.ts";
import { rulesHere } from "./trust.ts";
import { wayTo } from "./way.ts";

/** Everything that is known about one grantee. */
export interface GuestWorld {
  /** Name of the grantee. */
  grantee: string;
  realm: RealmFacts | undefined;
  /** All grants to the grantee. */
  grants: readonly GrantFacts[];
  local: LocalRealm;
  /** As in StandingWorld. */
  pooling?: Pooling;
  settings: Settings;
  cluster: ClusterFacts;
  /** Any Realm by name, for destinations. */
  realmNamed: (name: string) => RealmFacts | undefined;
  /** What a DNS name resolves to, for destinations; undefined while it is being asked. */
  addressesOfName: (name: string) => readonly string[] | { error: string } | undefined;
  namespace: NamespaceFacts | undefined;
  /** Ours in the namespace: by label, and by the name that each kind has. */
  quota: QuotaFacts | undefined;
  limitRange: LimitRangeFacts | undefined;
  serviceAccount: ServiceAccountFacts | undefined;
  binding: BindingFacts | undefined;
  guide: ConfigMapFacts | undefined;
  /** The account that stands for the realm, if anybody has asked for one. */
  identity?: IdentityFacts;
  policies: readonly PolicyFacts[];
  /** Names of the network policies in the namespace that others have made. */
  otherPolicies: readonly string[];
  /** The pods of the namespace; undefined while nobody looks at them. */
  pods: readonly PodFacts[] | undefined;
  /** Why nobody can look at them. */
  podsError?: string;
  /** As in StandingWorld. */
  skewMs: number;
  /** Epoch milliseconds. */
  now: number;
}

export type GuestObject =
  | Namespace
  | ResourceQuota
  | LimitRange
  | ServiceAccount
  | NetworkPolicy
  | RoleBinding
  | ConfigMap;

/** One that is there, so that a write reaches it and no other of its name. */
export interface Target {
  kind: "Namespace" | "NetworkPolicy" | "ResourceQuota" | "RoleBinding" | "ServiceAccount" | "Pod";
  /** Absent for a Namespace. */
  namespace?: string;
  name: string;
  uid: string;
}

/** A write. An apply carries the whole desired object; all others are bound to the UID that was seen. */
export type Write =
  | { apply: GuestObject; event?: EventFact }
  /** Takes over a namespace that a person has handed over, or opens one that was closed, and takes the marks of that off. */
  | { adopt: Namespace; uid: string }
  | { remove: Target; graceSeconds?: number }
  | { evict: Target; graceSeconds: number }
  /** All claims of the namespace. */
  | { removeVolumes: { namespace: string } };

export interface GuestPlan {
  /** Stages in the order of safety; the writes of one stage are independent of each other. */
  stages: Write[][];
  /** How many of the stages, the first ones, close: a write of theirs that fails holds up no other of them. */
  closing: number;
  /** What the grants come to. */
  holdings: Holdings;
  /** What the quota should be; undefined where nothing may be written. */
  hard?: Hard;
  /** Whether pods have to go, or it isn't known yet whether. */
  draining: boolean;
  /** Whether the pods of the namespace have to be looked at. */
  needsPods: boolean;
  /** What keeps the drain from coming to its end, in a sentence. */
  obstacle?: string;
  /** Epoch milliseconds at which the plan is due again by itself. */
  wakeAt?: number;
}

/** Between two tries to evict a pod that a PodDisruptionBudget keeps. */
const evictAgainMs = 2000;

/**
 * Plans the guest namespace. What closes comes before what opens: access goes first and comes last, the namespace with
 * its Pod Security and the default deny stand before anything else, and the quota before what lets traffic through. A
 * namespace in which nothing is granted any more stays, closed: nothing stored is lost.
 */
export function planGuest(world: GuestWorld): GuestPlan {
  const quotaKeys = Object.keys(world.quota?.asked ?? {});
  const holdings = holdingsOf({ ...world, storageClasses: world.cluster.storageClasses, quotaKeys });
  const ownership = ownershipOf(world);
  const { namespace } = world;
  const nothing: GuestPlan = {
    stages: [],
    closing: 0,
    holdings,
    draining: false,
    needsPods: false,
    ...(holdings.wakeAt === undefined ? {} : { wakeAt: holdings.wakeAt }),
  };
  if (ownership.is === "foreign" || ownership.is === "leaving") return nothing;
  if (holdings.holdings.length === 0) {
    // What a person has handed over, but nothing is granted in, is nobody's business yet.
    if (!namespace || (ownership.is === "handedOver" && !ownership.made)) return nothing;
  }
  const plan = planStanding(world, holdings, ownership);
  const drain = planDrain(world, holdings, plan.hard);
  const atRest = !holdings.unsure && plan.closing.length + plan.opening.length === 0 &&
    holdings.holdings.length === 0 && !drain.draining;
  const after = atRest ? planAfter(world, plan.hard) : { writes: [] };
  const closing = [...plan.closing, ...nonEmpty([drain.writes])];
  return {
    stages: [...closing, ...plan.opening, ...nonEmpty([after.writes])],
    closing: closing.length,
    holdings,
    hard: plan.hard,
    draining: drain.draining,
    needsPods: drain.needsPods,
    ...(drain.obstacle ? { obstacle: drain.obstacle } : {}),
    ...earliestWake(holdings.wakeAt, drain.wakeAt, after.wakeAt),
  };
}

function earliestWake(...instants: (number | undefined)[]): { wakeAt?: number } {
  const at = earliest(...instants);
  return at === undefined ? {} : { wakeAt: at };
}

const nonEmpty = (stages: Write[][]): Write[][] => stages.filter((stage) => stage.length > 0);

/** The objects, as they should stand now: what closes, and then what opens. */
function planStanding(
  world: GuestWorld,
  holdings: Holdings,
  ownership: Ownership,
): { closing: Write[][]; opening: Write[][]; hard: Hard } {
  const { grantee, realm, quota, policies } = world;
  const active = holdings.holdings.length > 0;
  const closing = ownership.is === "another's";
  // Nobody comes in for whom it isn't sure that the namespace was made.
  const access = active && isKnown(realm) && !closing;
  const whole = quotaOfGrants(world, holdings);
  const cordoned = cordonOf(world, holdings, whole);
  const hard = closing ? lowerHard(cordoned.hard, quota?.asked ?? {}) : cordoned.hard;
  // What somebody else has written there stays unless an apply takes its place.
  const blank = quota?.cordon !== undefined && !isRecord(quota.cordon) ? "" : undefined;
  const desiredQuota = quotaOf(grantee, shown(hard), cordoned.cordon ?? blank);
  const desiredPolicies = active && isKnown(realm) && !closing ? openingPolicies(world, holdings.holdings) : [];
  const wanted = new Set(["default-deny", ...desiredPolicies.map((policy) => policy.metadata!.name!)]);
  const present = new Map(policies.map((policy) => [policy.name, policy]));
  // While it isn't known for whom they stand, policies may go and get narrower, but none is opened.
  const standing = [guestInternalOf(grantee), ...dnsPolicies(world), ...grantPolicies(world, holdings.holdings)];
  const narrowed = active && !access ? standing.filter(isThere(present)) : [];
  for (const { metadata } of narrowed) wanted.add(metadata!.name!);
  const closingStages: Write[][] = [
    access || !world.binding ? [] : [{ remove: { kind: "RoleBinding", ...target(world.binding) } }],
    // With it every token that was made for it ends: whoever comes next under the realm's name is somebody else.
    access || !world.identity ? [] : [{ remove: { kind: "ServiceAccount", ...target(world.identity) } }],
    closing ? [] : namespaceWrites(world, active, ownership),
    differing([defaultDenyOf(grantee)], present),
    policies.filter((policy) => !wanted.has(policy.name)).map((policy) => ({
      remove: { kind: "NetworkPolicy", ...target(policy) },
    })),
    differing(narrowed, present),
    // Scopes make a quota count only some pods; nothing but a new quota takes them away.
    quota?.scoped ? [{ remove: { kind: "ResourceQuota", ...target(quota) } }] : [],
    quota && !quota.scoped && (quota.cordon || undefined) === cordoned.cordon &&
      sameQuantities(quota.asked, shown(hard)) &&
      labelled(desiredQuota, quota)
      ? []
      : [{ apply: desiredQuota }],
  ];
  const opening: Write[][] = [
    access ? [...limitRangeWrites(world, whole), ...serviceAccountWrites(world)] : [],
    differing(desiredPolicies, present),
    access ? bindingWrites(world, hard) : [],
    guideWrites(world, holdings.holdings),
  ];
  return { closing: nonEmpty(closingStages), opening: nonEmpty(opening), hard };
}

const isThere = (present: ReadonlyMap<string, PolicyFacts>) => (policy: NetworkPolicy): boolean =>
  present.has(policy.metadata!.name!);

/** Key by key what is less, of what should be and what is asked already; what isn't asked yet is not given. */
const lowerHard = (hard: Hard, asked: Readonly<Record<string, string>>): Hard =>
  new Map([...hard].map(([key, most]) => [key, minQuantity(most, parseQuantity(asked[key] ?? "0"))]));

const target = ({ namespace, name, uid }: { namespace: string; name: string; uid: string }) => ({
  namespace,
  name,
  uid,
});

/** The quota while nothing is on notice. */
function quotaOfGrants({ cluster, quota }: GuestWorld, { holdings, granted }: Holdings): Hard {
  const earlier = Object.keys(quota?.asked ?? {});
  return holdings.length > 0
    ? quotaHard(granted, cluster.extendedKeys, earlier)
    : closedHard(cluster.extendedKeys, earlier);
}

function namespaceWrites(world: GuestWorld, active: boolean, ownership: Ownership): Write[] {
  const { grantee, namespace, now } = world;
  const { podSecurity } = rulesHere(world);
  const records = recordsOf(world, active, ownership);
  // As any other instant it is written down once the clocks agree.
  const news = !active && records[endedAnnotation] === undefined && world.skewMs === 0;
  const desired = namespaceOf(
    grantee,
    podSecurity,
    { ...records, ...(news ? { [endedAnnotation]: rfc3339(now) } : {}) },
    !active,
  );
  if (namespace && ownership.is === "handedOver") {
    // Only what stays: an apply takes away what an apply has written, and this is none.
    const { [endedAnnotation]: _, ...kept } = records;
    return [{ adopt: namespaceOf(grantee, podSecurity, kept, false), uid: namespace.uid }];
  }
  // What says that it is closed goes, whoever has written it: an apply would leave what a restore has brought.
  const isMarked = namespace?.annotations[endedAnnotation] !== undefined ||
    namespace?.labels[lockedLabel] !== undefined;
  if (namespace && active && isMarked) return [{ adopt: desired, uid: namespace.uid }];
  if (namespace && labelled(desired, namespace) && annotated(desired, namespace)) {
    // A word to adopt what is theirs already must not hand it over to whoever comes later under the name.
    const isSaid = namespace.annotations[adoptAnnotation] !== undefined && isKnown(world.realm);
    return isSaid ? [{ adopt: desired, uid: namespace.uid }] : [];
  }
  const volumes = Number(world.quota?.used["persistentvolumeclaims"] ?? 0);
  return [{ apply: desired, ...(news ? { event: endedEvent(world, volumes) } : {}) }];
}

function endedEvent({ grantee, settings, namespace }: GuestWorld, volumes: number): EventFact {
  const name = namespace!.name;
  const kept = volumes > 0 && namespace!.annotations[volumesAnnotation] === "Retain"
    ? `its volume claims (${volumes}) are kept. Copy the data out, then: kubectl delete namespace ${name}`
    : `${volumes > 0 ? `its volume claims (${volumes}) are deleted as its grants asked, and ` : ""}it is deleted ${
      spanText(settings.namespaceRetentionSeconds)
    } from now unless it is granted again.`;
  return {
    type: "Normal",
    reason: "LastGrantEnded",
    action: "Close",
    note: `The last grant to ${grantee} has ended: namespace ${name} is closed; ${kept}`,
  };
}

const spanText = (seconds: number): string => seconds < 3600 ? `${seconds} s` : `${Math.round(seconds / 360) / 10} h`;

function limitRangeWrites({ grantee, limitRange }: GuestWorld, hard: Hard): Write[] {
  const desired = limitRangeOf(grantee, containerLimits(hard));
  return limitRange && labelled(desired, limitRange) && isDeepStrictEqual(limitRange.limits, desired.spec!.limits)
    ? []
    : [{ apply: desired }];
}

function serviceAccountWrites({ grantee, serviceAccount }: GuestWorld): Write[] {
  const desired = serviceAccountOf(grantee);
  return serviceAccount && labelled(desired, serviceAccount) && serviceAccount.automount === false
    ? []
    : [{ apply: desired }];
}

function guideWrites({ grantee, guide, namespace }: GuestWorld, holdings: readonly Holding[]): Write[] {
  // In a closed namespace nothing can be made any more, this included; what is there says that nothing is granted.
  if (holdings.length === 0 && !(guide && namespace)) return [];
  const desired = guideOf(grantee, guideText(holdings));
  return guide && labelled(desired, guide) && includesAll(guide.data, desired.data!) ? [] : [{ apply: desired }];
}

/** Access comes last: not before the default deny stands and the quota is in force. */
function bindingWrites(world: GuestWorld, hard: Hard): Write[] {
  const { grantee, realm, binding } = world;
  const subjects = realm!.spec.subjects ?? [{ kind: "Group" as const, name: realmGroup(grantee) }];
  const desired = bindingOf(grantee, subjects);
  // The role of a binding can't be changed: another one goes first.
  if (binding && (binding.roleRef.kind !== desired.roleRef.kind || binding.roleRef.name !== desired.roleRef.name)) {
    return [{ remove: { kind: "RoleBinding", ...target(binding) } }];
  }
  const same = binding && labelled(desired, binding) && isDeepStrictEqual(
    binding.subjects.map(subjectKey),
    desired.subjects!.map(subjectKey),
  );
  if (same) return [];
  return binding || isClosedByDefault(world) && isInForce(world, hard) ? [{ apply: desired }] : [];
}

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

function openingPolicies(world: GuestWorld, holdings: readonly Holding[]): NetworkPolicy[] {
  return [
    guestInternalOf(world.grantee),
    ...dnsPolicies(world),
    ...realmPolicies(world),
    ...grantPolicies(world, holdings),
  ];
}

function dnsPolicies(world: GuestWorld): NetworkPolicy[] {
  const { grantee, settings } = world;
  if (!rulesHere(world).dns) return [];
  return [dnsOf(grantee, settings.dns.nodeLocal.map(parseRange).filter((range) => range !== undefined).map(cidr))];
}

function grantPolicies(world: GuestWorld, holdings: readonly Holding[]): NetworkPolicy[] {
  return holdings.flatMap((holding) => {
    const { egress } = destinationsOf(world, holding);
    return egress.length > 0 ? [grantPolicyOf(world.grantee, holding.grant.name, egress)] : [];
  });
}

function realmPolicies({ grantee, realm, settings, cluster }: GuestWorld): NetworkPolicy[] {
  const { ranges, proxies } = wayTo(grantee, realm, { settings, cluster });
  const [first, ...rest] = [...ranges.map((range) => ({ ipBlock: { cidr: cidr(range) } })), ...proxies];
  return first === undefined ? [] : [realmPolicyOf(grantee, [first, ...rest])];
}

/** What the destinations of a grant stand for, and the rules that open them. */
export function destinationsOf(
  world: Pick<GuestWorld, "realm" | "namespace" | "settings" | "cluster" | "realmNamed" | "addressesOfName">,
  { destinations }: Pick<Holding, "destinations">,
): ReturnType<typeof resolveDestinations> {
  const { settings, cluster } = world;
  return resolveDestinations(destinations, {
    protectedRanges: [...alwaysProtected, ...cluster.ranges],
    mayNameProtected: rulesHere(world).egress === "any",
    ...(cluster.rangesUnknown === undefined ? {} : { rangesUnknown: cluster.rangesUnknown }),
    addressesOfName: (name) => world.addressesOfName(name) ?? { error: `${name} is being resolved.` },
    wayTo: (name) => wayTo(name, world.realmNamed(name), { settings, cluster }),
  });
}

/** Ends pods until the rest fits, once what is granted has been taken away. */
function planDrain(
  world: GuestWorld,
  { drainUntil, lastDrainUntil, holdings, unsure }: Holdings,
  hard: Hard,
): { writes: Write[]; draining: boolean; needsPods: boolean; obstacle?: string; wakeAt?: number } {
  const { quota, pods, podsError, skewMs, now } = world;
  const none = { writes: [], draining: false, needsPods: false };
  // Without an end nobody is evicted, whatever the use is: a quota that somebody lowered by hand ends no pods.
  // Nor while it isn't sure that nothing is granted.
  const due = drainUntil !== undefined || (holdings.length === 0 && !unsure);
  if (!due || !quota || !sameQuantities(quota.asked, shown(hard))) return none;
  if (!sameQuantities(quota.enforced, shown(hard))) return { ...none, draining: drainUntil !== undefined };
  // Pods that no known end has left behind, as after a restore, get the usual time.
  const deadline = drainUntil ?? deadlineWithoutEnd(world, lastDrainUntil);
  const held = heldText(pods ?? []);
  const obstacle = held !== undefined && skewMs === 0 && now >= deadline ? { obstacle: held } : {};
  // A pod that only a finalizer keeps takes no room any more, but it is still there.
  if (!podsInExcess(hard, quota.used)) {
    if (held === undefined) return none;
    // Until then it is being ended like any other, and nobody is told that it isn't there any more.
    return {
      ...none,
      draining: now < deadline,
      needsPods: true,
      ...obstacle,
      ...(now < deadline ? earliestWake(deadline) : {}),
    };
  }
  // A clock that jumped ahead would be past every deadline.
  if (skewMs !== 0) return { ...none, draining: true };
  if (!pods) {
    const unseen = podsError === undefined ? {} : { obstacle: `Its pods can't be looked at: ${podsError}` };
    return { ...none, draining: true, needsPods: true, ...unseen };
  }
  const chosen = victims(pods, hard);
  const writes = chosen.map((pod): Write =>
    now < deadline
      ? { evict: { kind: "Pod", ...target(pod) }, graceSeconds: Math.min(pod.graceSeconds, maxGraceSeconds) }
      : { remove: { kind: "Pod", ...target(pod) }, graceSeconds: Math.min(pod.graceSeconds, maxGraceSeconds) }
  );
  // A guest can delete a pod with a grace of a year; when time is up, that is cut short too.
  const lingering = pods.filter(({ terminating, graceSeconds }) => terminating && graceSeconds > maxGraceSeconds);
  if (now >= deadline) {
    const graceSeconds = maxGraceSeconds;
    writes.push(...lingering.map((pod) => ({ remove: { kind: "Pod" as const, ...target(pod) }, graceSeconds })));
  }
  const again = [...(chosen.length > 0 ? [now + evictAgainMs] : []), ...(now < deadline ? [deadline] : [])].filter(
    Number.isFinite,
  );
  return { writes, draining: true, needsPods: true, ...obstacle, ...earliestWake(...again) };
}

const usualDrainMs = 120_000;

function deadlineWithoutEnd(world: GuestWorld, lastDrainUntil: number | undefined): number {
  const ended = endedOf(world);
  return ended === Infinity ? lastDrainUntil ?? world.now : ended + usualDrainMs;
}

/** When the last grant ended; Infinity while that isn't on record. */
function endedOf({ namespace }: GuestWorld): number {
  const ended = Date.parse(namespace?.annotations[endedAnnotation] ?? "");
  return Number.isNaN(ended) ? Infinity : ended;
}

/** What becomes of a namespace in which nothing is granted and nothing runs any more. */
function planAfter(world: GuestWorld, hard: Hard): { writes: Write[]; wakeAt?: number } {
  const { namespace, quota, settings, now, skewMs } = world;
  // Whether there are volumes is the quota's to say, once it counts them.
  if (skewMs !== 0 || !namespace || !quota || !isInForce(world, hard)) {
    return { writes: [] };
  }
  const ended = endedOf(world);
  if (ended === Infinity) return { writes: [] };
  if (parseQuantity(quota.used["persistentvolumeclaims"] ?? "0").sign() > 0) {
    return namespace.annotations[volumesAnnotation] === "Delete"
      ? { writes: [{ removeVolumes: { namespace: namespace.name } }] }
      : { writes: [] };
  }
  const goesAt = ended + settings.namespaceRetentionSeconds * 1000;
  return now < goesAt
    ? { writes: [], wakeAt: goesAt }
    : { writes: [{ remove: { kind: "Namespace", name: namespace.name, uid: namespace.uid } }] };
}

const includesAll = (actual: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => actual[key] === value);

const labelled = (object: GuestObject, observed: { labels: Readonly<Record<string, string>> }): boolean =>
  includesAll(observed.labels, object.metadata!.labels!);

const annotated = (object: GuestObject, observed: { annotations: Readonly<Record<string, string>> }): boolean =>
  includesAll(observed.annotations, object.metadata!.annotations ?? {});

/** Whether each wanted value is there, by value. Foreign keys in a quota only take away, so they may stay. */
export function sameQuantities(
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    const text = actual[key];
    return text !== undefined && (text === value || parseQuantity(text).compare(parseQuantity(value)) === 0);
  });
}

/** Writes for the policies that are not exactly as they should be. */
function differing(desired: readonly NetworkPolicy[], present: ReadonlyMap<string, PolicyFacts>): Write[] {
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
