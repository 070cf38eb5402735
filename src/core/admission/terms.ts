/** Warnings about the spec of a Grant or Realm that is valid but likely wrong, for the user who applies it. */
import { isDeepStrictEqual } from "node:util";
import { countText, isOrAre } from "../plain_text.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantSpec, RealmSpec, Settings } from "../../api/mod.ts";
import type { ClusterFacts, GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { excessOf, excessText } from "../grant/ceiling.ts";
import { rulesOf, trustOf } from "../grant/lifecycle.ts";
import { missingClasses, promisedBy, shortagesOf, shortageTexts } from "../grant/cluster_fit.ts";
import { validityOf } from "../grant/validity.ts";
import { cidr, parseRange } from "../address.ts";
import { resolveDestinations } from "../network/destinations.ts";
import { parseDestination } from "../network/destination.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import { positionOf, type SpecialRanges, specialRangesOf } from "../network/special_ranges.ts";
import { realmPeersOf } from "../network/realm_peers.ts";
import { canonicalName } from "../realm/identity.ts";

/** Facts that terms are checked against. */
export interface TermsWorld {
  settings: Settings;
  cluster: ClusterFacts;
  local: LocalRealm;
  realmNamed: (name: string) => RealmFacts | undefined;
  /** Reports whether a SuperEntity has the name. */
  isCollective: (name: string) => boolean;
  realms: () => readonly RealmFacts[];
  grantsTo: (realm: string) => readonly GrantFacts[];
  /** Epoch milliseconds. */
  now: number;
}

/** Returns a Grant with only its spec, which is all that ceilings read. */
const factsOf = (name: string, spec: GrantSpec, now: number): GrantFacts => ({
  name,
  uid: "",
  generation: 0,
  createdAt: now,
  finalized: false,
  otherFinalizers: [],
  resourceVersion: "",
  spec,
  status: {},
});

/**
 * Returns the warnings about a Grant's terms.
 *
 * @param before the stored terms: what the nodes lack is not said again while the amounts stay
 */
export function grantWarnings(name: string, spec: GrantSpec, world: TermsWorld, before?: GrantSpec): string[] {
  const grant = factsOf(name, spec, world.now);
  return [
    ...partyWarnings(spec, world),
    ...validityWarnings(grant, world.now),
    ...quotaWarnings(spec),
    ...(isDeepStrictEqual(before?.hard, spec.hard) ? [] : fitWarnings(spec, world.cluster)),
    ...ceilingWarnings(grant, world),
    ...destinationWarnings(spec, world),
  ];
}

function partyWarnings({ grantorRealm, granteeRealm }: GrantSpec, world: TermsWorld): string[] {
  const { local } = world;
  const out: string[] = [];
  if (local.kind === "known" && local.name !== grantorRealm && !world.isCollective(grantorRealm)) {
    out.push(
      `spec.grantorRealm is ${grantorRealm}, but this cluster is ${local.name}: the grant is not enforced here.`,
    );
  }
  if (!world.realmNamed(granteeRealm) && !world.isCollective(granteeRealm)) {
    out.push(
      `spec.granteeRealm is ${granteeRealm}, but there is no such Realm: the grant stays Pending until you create it.`,
    );
  }
  return out;
}

function validityWarnings(grant: GrantFacts, now: number): string[] {
  const { until, invalid } = validityOf(grant);
  if (invalid) return [`${invalid}.`];
  return until !== undefined && until <= now
    ? [`spec.validity.validUntil is ${grant.spec.validity?.validUntil}, which is in the past: the grant gives nothing.`]
    : [];
}

/** Warns if only one of cpu and memory is granted: a key that is missing in `hard` is not granted, and a pod needs both. */
function quotaWarnings({ hard }: GrantSpec): string[] {
  const positive = new Set(
    Object.entries(hard).filter(([, value]) => parseQuantity(value).sign() > 0).map(([key]) => quotaKey(key)),
  );
  const lacks = ["cpu", "memory"].filter((name) =>
    !positive.has(`requests.${name}`) && !positive.has(`limits.${name}`)
  );
  return lacks.length > 0 && ["cpu", "memory"].some((name) => !lacks.includes(name))
    ? [`spec.hard has no ${lacks.join(" and no ")}: a missing key is not granted, but every pod needs it.`]
    : [];
}

/** Warns about amounts that the nodes don't have, whatever else they run. */
function fitWarnings(
  { hard }: GrantSpec,
  { schedulable, storageClasses, provisioningClasses }: ClusterFacts,
): string[] {
  // Without any node the grant is no worse than any other.
  const short = schedulable && schedulable.size > 0 ? shortageTexts(shortagesOf(promisedBy(hard), schedulable)) : [];
  return [
    ...short.map((text) => `spec.hard has ${text}: pods beyond that stay Pending.`),
    ...missingClasses(hard, provisioningClasses && storageClasses).map((name) =>
      `spec.hard names the StorageClass ${name}, which doesn't exist: its volumes stay Pending.`
    ),
  ];
}

function ceilingWarnings(grant: GrantFacts, { settings, realmNamed }: TermsWorld): string[] {
  const realm = realmNamed(grant.spec.granteeRealm);
  if (!realm) return [];
  const excess = excessOf(grant, rulesOf(settings, realm));
  return excess ? [`${excessText(excess, trustOf(realm))} Until then the grant stays Pending.`] : [];
}

function destinationWarnings({ networkPolicy, granteeRealm }: GrantSpec, world: TermsWorld): string[] {
  const { egressAllowed = false, allowedDestinations = [], within = [], except = [] } = networkPolicy ?? {};
  if (egressAllowed && allowedDestinations.length === 0) {
    return ["spec.networkPolicy.egressAllowed is true, but allowedDestinations is empty: nothing is opened."];
  }
  if (!egressAllowed) {
    return allowedDestinations.length > 0
      ? ["spec.networkPolicy.egressAllowed is false, so allowedDestinations open nothing."]
      : [];
  }
  const realm = world.realmNamed(granteeRealm);
  // DNS names and existing realms are left out: their addresses change over time.
  const lasting = allowedDestinations.filter((text) => {
    const destination = parseDestination(text);
    if ("error" in destination) return true;
    const { to } = destination;
    return "realm" in to ? !world.realmNamed(to.realm) : !("dns" in to);
  });
  const specialRanges = specialRangesOf(world.cluster.ranges, world.settings.clusterRanges);
  const { resolved } = resolveDestinations(lasting, {
    specialRanges,
    except,
    within,
    mayNameProtected: realm !== undefined && rulesOf(world.settings, realm).egress === "any",
    ...(world.cluster.rangesUnknown === undefined ? {} : { rangesUnknown: world.cluster.rangesUnknown }),
    realmPeersOf: (name) => realmPeersOf(name, world.realmNamed(name), world),
    addressesOfName: () => [],
  });
  return [
    ...resolved.flatMap(({ error, narrowed }) => error ?? narrowed ?? []).map((text) => `spec.networkPolicy: ${text}`),
    ...within.flatMap((text, index) =>
      withinWarning(`spec.networkPolicy.within[${index}] is ${text}`, text, specialRanges)
    ),
  ];
}

/** Warns about a range of `within` that is not a part of one private range: it has no effect. */
function withinWarning(field: string, text: string, specialRanges: SpecialRanges): string[] {
  const range = parseRange(text);
  if (!range) return [`${field}, which is not a CIDR or IP address: DNS names stay closed.`];
  const { inside, parts } = positionOf(range, specialRanges);
  const by = inside.find(({ tier }) => tier === "protected");
  if (by) return [`${field}, which lies in ${cidr(by.range)}: DNS names never open it.`];
  if (inside.length > 0) return [];
  return parts.some(({ tier }) => tier === "private")
    ? [`${field}, which is wider than a private range and opens nothing. Use a part of one, such as 192.168.1.0/24.`]
    : [`${field}, which is public: DNS names open public addresses without it.`];
}

/** Returns the warnings about a Realm. */
export function realmWarnings(
  name: string,
  spec: RealmSpec,
  before: RealmSpec | undefined,
  world: TermsWorld,
): string[] {
  const identity = canonicalName(spec.identity);
  const out = world.realms()
    .filter((other) => other.name !== name && canonicalName(other.spec.identity) === identity)
    .map((other) => `spec.identity is ${spec.identity}, which Realm ${other.name} already has (DuplicateIdentity).`);
  const active = world.grantsTo(name).filter(({ status }) => status.phase === "Active");
  if (before && active.length > 0 && canonicalName(before.identity) !== identity) {
    out.push(
      `spec.identity changes from ${before.identity} to ${spec.identity} while ${countText(active.length, "grant")} ${
        isOrAre(active.length)
      } Active: ` +
        `guest-${name} stays closed to everyone until it is handed over.`,
    );
  }
  const level = trustOf({ spec });
  if (before && trustOf({ spec: before }) !== level) {
    for (const grant of active) {
      const excess = excessOf(grant, world.settings.trust[level]);
      if (excess) out.push(`Grant ${grant.name}: ${excessText(excess, level)}`);
    }
  }
  return out;
}
