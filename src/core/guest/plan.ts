/** What should stand in the namespace of one realm's guests, and the writes that lead there in a safe order. */
import { isDeepStrictEqual } from "node:util";
import type { Namespace, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts, LocalRealm, NamespaceFacts, PolicyFacts, QuotaFacts, RealmFacts } from "../facts.ts";
import { earliest } from "../facts.ts";
import { standingOf } from "../grant/standing.ts";
import { adoptAnnotation, managedBy, managedByLabel, realmLabel } from "../names.ts";
import { cidr, compareRanges, parseRange } from "./address.ts";
import { alwaysProtected, resolveDestinations } from "./destinations.ts";
import { closedHard, hardFrom, shown, sumHard } from "./hard.ts";
import { defaultDenyOf, grantPolicyOf, namespaceOf, quotaOf, realmPolicyOf } from "./objects.ts";

/** Everything that is known about one grantee. */
export interface GuestWorld {
  /** Name of the grantee. */
  grantee: string;
  realm: RealmFacts | undefined;
  /** All grants to the grantee. */
  grants: readonly GrantFacts[];
  local: LocalRealm;
  /** Any Realm by name, for destinations. */
  realmNamed: (name: string) => RealmFacts | undefined;
  namespace: NamespaceFacts | undefined;
  /** Ours in the namespace: by label, and `keystone` by name. */
  quota: QuotaFacts | undefined;
  policies: readonly PolicyFacts[];
  /** Epoch milliseconds. */
  now: number;
}

export type GuestObject = Namespace | ResourceQuota | NetworkPolicy;

/** A write. An apply carries the whole desired object; a delete is bound to the UID that was seen. */
export type Write =
  | { apply: GuestObject }
  | { remove: { kind: "NetworkPolicy" | "ResourceQuota"; namespace: string; name: string; uid: string } };

export interface GuestPlan {
  /** Stages in the order of safety; the writes of one stage are independent of each other. */
  stages: Write[][];
  /** Epoch milliseconds at which the plan is due again by itself. */
  wakeAt?: number;
}

/**
 * Plans the guest namespace. What closes comes before what opens: the namespace with its Pod Security, then the
 * default deny, then policies that go, then the quota, and only then what lets traffic through. A namespace in which
 * nothing is granted any more stays, closed: nothing stored is lost.
 */
export function planGuest(world: GuestWorld): GuestPlan {
  const { due, wakeAt } = dueGrants(world);
  const plan = (stages: Write[][]): GuestPlan => ({
    stages: stages.filter((stage) => stage.length > 0),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  });
  const { grantee, realm, namespace, quota, policies } = world;
  if (namespace ? namespaceConflict(grantee, namespace) !== undefined : due.length === 0) return plan([]);

  // The trust of a Realm that is gone isn't known any more; the strictest level holds until it is.
  const desiredNamespace = namespaceOf(grantee, realm?.spec.trustLevel ?? "public");
  const desiredPolicies = [
    ...(due.length > 0 ? realmPolicies(world) : []),
    ...due.flatMap((grant) => grantPolicies(world, grant)),
  ];
  const wanted = new Set(["default-deny", ...desiredPolicies.map((policy) => policy.metadata!.name!)]);
  const standing = new Map(policies.map((policy) => [policy.name, policy]));
  const deny = defaultDenyOf(grantee);
  const hard = due.length > 0
    ? shown(sumHard(due.map((grant) => hardFrom(grant.spec.hard))))
    : closedHard(Object.keys(quota?.asked ?? {}));
  // Scopes make a quota count only some pods; nothing but a new quota takes them away.
  const replaced: Write[] = quota?.scoped
    ? [{ remove: { kind: "ResourceQuota", namespace: quota.namespace, name: quota.name, uid: quota.uid } }]
    : [];
  return plan([
    namespace && labelled(desiredNamespace, namespace) ? [] : [{ apply: desiredNamespace }],
    differing([deny], standing),
    policies.filter((policy) => !wanted.has(policy.name)).map(({ namespace, name, uid }) => ({
      remove: { kind: "NetworkPolicy" as const, namespace, name, uid },
    })),
    replaced,
    quota && !quota.scoped && sameQuantities(quota.asked, hard) && labelled(quotaOf(grantee, hard), quota)
      ? []
      : [{ apply: quotaOf(grantee, hard) }],
    differing(desiredPolicies, standing),
  ]);
}

/** The grants that have to be enforced now, and when that changes by itself. */
export function dueGrants(world: GuestWorld): { due: GrantFacts[]; wakeAt: number | undefined } {
  const due: GrantFacts[] = [];
  let wakeAt: number | undefined;
  for (const grant of world.grants) {
    const standing = standingOf({ ...world, grant });
    if ("wakeAt" in standing) wakeAt = earliest(wakeAt, standing.wakeAt);
    // Without our finalizer a deletion would go unseen; the Grant controller adds it first.
    if (standing.is === "due" && grant.finalized) due.push(grant);
  }
  return { due, wakeAt };
}

/** Why the namespace isn't ours to write in, or undefined when it is. */
export function namespaceConflict(grantee: string, namespace: NamespaceFacts): string | undefined {
  if (namespace.deleting) return `Namespace ${namespace.name} is being deleted; the grant goes on when it is gone.`;
  if (namespace.adopt === grantee) return undefined;
  if (namespace.labels[managedByLabel] === managedBy && namespace.labels[realmLabel] === grantee) return undefined;
  return `Namespace ${namespace.name} exists and was not made by Keystone, so nothing is written to it. ` +
    `Delete it, or hand it over: kubectl annotate namespace ${namespace.name} ${adoptAnnotation}=${grantee}`;
}

/** The verified tailnet addresses of a realm, as far as they are known. */
export function addressesOf(realm: RealmFacts | undefined): string[] {
  if (!realm || realm.deleting) return [];
  const verified = realm.status.conditions?.find(({ type }) => type === "IdentityVerified")?.status === "True";
  return verified ? realm.status.node?.addresses ?? [] : [];
}

function realmPolicies({ grantee, realm }: GuestWorld): NetworkPolicy[] {
  const blocks = addressesOf(realm).map(parseRange).filter((range) => range !== undefined).sort(compareRanges).map(
    cidr,
  );
  const [first, ...rest] = blocks;
  return first === undefined ? [] : [realmPolicyOf(grantee, [first, ...rest])];
}

export function destinationsOf(world: GuestWorld, grant: GrantFacts): ReturnType<typeof resolveDestinations> {
  const { networkPolicy } = grant.spec;
  return resolveDestinations(networkPolicy?.egressAllowed ? networkPolicy.allowedDestinations ?? [] : [], {
    protectedRanges: alwaysProtected,
    addressesOf: (name) => {
      const realm = world.realmNamed(name);
      if (!realm) return { error: `There is no Realm ${name}.` };
      const addresses = addressesOf(realm);
      return addresses.length > 0 ? addresses : { error: `Realm ${name} has no verified node on the tailnet.` };
    },
  });
}

function grantPolicies(world: GuestWorld, grant: GrantFacts): NetworkPolicy[] {
  const { egress } = destinationsOf(world, grant);
  return egress.length > 0 ? [grantPolicyOf(world.grantee, grant.name, egress)] : [];
}

const includesAll = (actual: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => actual[key] === value);

const labelled = (object: GuestObject, observed: { labels: Readonly<Record<string, string>> }): boolean =>
  includesAll(observed.labels, object.metadata!.labels!);

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
function differing(desired: readonly NetworkPolicy[], standing: ReadonlyMap<string, PolicyFacts>): Write[] {
  return desired.filter((policy) => {
    const observed = standing.get(policy.metadata!.name!);
    return !observed || !labelled(policy, observed) || !isDeepStrictEqual(observed.spec, policy.spec);
  }).map((apply) => ({ apply }));
}
