/** Caller: the realms that a connection from the tailnet acts for. */
import { realmCapability, type RealmPerson, viewerCapability } from "../../api/mod.ts";
import type { RealmFacts } from "../facts.ts";
import { canonicalName, isNamed, isVerified } from "../realm/identity.ts";
import type { TailnetIdentity } from "./tailnet_identity.ts";

/**
 * Reason that a node acts for a realm: it is the pinned node, is listed in `spec.people`, or has the capability. For a
 * SuperEntity: it acts for an approved member.
 */
export type CallerReason = "pin" | "person" | "capability" | "member";

/** A node of the tailnet with the realms that it acts for. */
export interface Caller {
  readonly identity: TailnetIdentity;
  /** Names of Realms and SuperEntities, sorted, without this cluster's own. A stranger has none. */
  readonly realms: readonly string[];
  /** True for one of this cluster's own people. */
  readonly isViewer: boolean;
  /** The strongest reason for each of the realms. */
  readonly because: Readonly<Record<string, CallerReason>>;
}

/** The Realms that a caller may act for. */
export interface CallerWorld {
  realms: Iterable<RealmFacts>;
  /** SuperEntities in the form of grantees. A Realm of the same name counts for nothing. */
  entities?: readonly RealmFacts[];
  /** Name of this cluster's own realm; undefined while it is unknown. Then `spec.people` makes nobody a viewer. */
  localRealm: string | undefined;
}

/**
 * Decides for whom a node acts. A node acts for a realm only by a fact about that realm, and an identity without a
 * StableID or an address for none: there is no default.
 */
export function callerOf(identity: TailnetIdentity, { realms, entities = [], localRealm }: CallerWorld): Caller {
  if (identity.stableId === "" || identity.addresses.length === 0) {
    return { identity, realms: [], isViewer: false, because: {} };
  }
  const present = [...realms].filter(({ deleting }) => !deleting);
  const named = capableRealms(identity);
  const isRival = rivalIn(present);
  const reasonFor = (realm: RealmFacts): CallerReason | undefined => {
    if (isPinnedNode(identity, realm) && !isRival(realm)) return "pin";
    if (isPerson(identity, realm)) return "person";
    return named.has(realm.name) ? "capability" : undefined;
  };
  const own = present
    .filter(({ name }) => name !== localRealm && !entities.some((entity) => entity.name === name))
    .flatMap((realm): [string, CallerReason][] => {
      const reason = reasonFor(realm);
      return reason ? [[realm.name, reason]] : [];
    });
  const ownNames = new Set(own.map(([name]) => name));
  const pooled = entities
    .filter(({ deleting, entity }) => !deleting && entity?.members.some((member) => ownNames.has(member)))
    .map(({ name }): [string, CallerReason] => [name, "member"]);
  const because = [...own, ...pooled].sort(([a], [b]) => a < b ? -1 : 1);
  const local = localRealm === undefined ? undefined : present.find(({ name }) => name === localRealm);
  return {
    identity,
    realms: because.map(([name]) => name),
    isViewer: (local !== undefined && isPerson(identity, local)) || isCapableViewer(identity),
    because: Object.fromEntries(because),
  };
}

/**
 * Reports whether the node is the realm's verified one, by the rule that also opens the network for it, and still has
 * the realm's name.
 */
const isPinnedNode = ({ stableId, node }: TailnetIdentity, realm: RealmFacts): boolean =>
  isVerified(realm) && stableId === realm.trustedNode && isNamed(node, realm.spec.identity);

/** Returns a predicate for Realms that share their identity: none of them is trusted with the node. */
function rivalIn(realms: readonly RealmFacts[]): (realm: RealmFacts) => boolean {
  const count = new Map<string, number>();
  for (const { spec } of realms) {
    const name = canonicalName(spec.identity);
    count.set(name, (count.get(name) ?? 0) + 1);
  }
  return ({ spec }) => count.get(canonicalName(spec.identity)) !== 1;
}

const isPerson = (identity: TailnetIdentity, { spec }: RealmFacts): boolean =>
  (spec.people ?? []).some((person) => isListedAs(identity, person));

/** Compares exactly: a person without a login or a tag, such as one of a later version, is nobody. */
function isListedAs({ login, tags, stableId, isShared }: TailnetIdentity, person: RealmPerson): boolean {
  if (person.tag !== undefined) {
    // A tag belongs to the policy of the node's own tailnet.
    return person.login === undefined && person.stableID === undefined && !isShared && tags.includes(person.tag);
  }
  if (login === "" || person.login !== login) return false;
  return person.stableID === undefined ? !isShared : person.stableID === stableId;
}

/**
 * Returns the realms in the arguments `{ "name": REALM }` of the capability. An argument with anything else names no
 * realm, because what it restricts is unknown.
 */
const capableRealms = ({ capabilities }: TailnetIdentity): ReadonlySet<string> =>
  new Set(
    argumentsOf(capabilities, realmCapability)
      .map((argument) => fieldsOf(argument))
      .flatMap((fields) => fields?.length === 1 && fields[0]![0] === "name" ? [fields[0]![1]] : [])
      .filter((name) => typeof name === "string"),
  );

/** Reports whether the node has the capability without arguments, or with an empty one. */
function isCapableViewer({ capabilities }: TailnetIdentity): boolean {
  if (!Object.hasOwn(capabilities, viewerCapability)) return false;
  const given = argumentsOf(capabilities, viewerCapability);
  return given.length === 0 || given.some((argument) => fieldsOf(argument)?.length === 0);
}

const argumentsOf = (capabilities: TailnetIdentity["capabilities"], name: string): readonly unknown[] =>
  Object.hasOwn(capabilities, name) ? capabilities[name]! : [];

/** Returns the fields of a JSON object; undefined for other values. */
const fieldsOf = (value: unknown): [string, unknown][] | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
