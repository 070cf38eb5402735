/** A Realm before it is created: its parts as a person gives them, and the problems with them. */
import type { Realm } from "../../api/client/keystone.io@v1alpha1.ts";
import {
  maxNameLength,
  type RealmSpec,
  type RealmSubject,
  type Settings,
  trustedNodeAnnotation,
  type TrustLevel,
} from "../../api/mod.ts";
import { canonicalName } from "../../core/realm/identity.ts";

/** The answers, from flags or questions. */
export interface RealmDraft {
  name: string;
  /** Canonical. */
  identity: string;
  trust: TrustLevel;
  subjects: readonly RealmSubject[];
  connectionType: RealmSpec["connectionType"];
  /** True if people need nothing but the realm's node. */
  isServed: boolean;
  /** StableID of the node to trust; absent: the first node with the name. */
  node?: string;
}

/** Objects that are there already. */
export interface TakenNames {
  /** Names of Realms and SuperEntities. */
  names: ReadonlySet<string>;
  /** Names of Realms by canonical identity. */
  identities: ReadonlyMap<string, string>;
}

const label = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?";
const fullName = new RegExp(`^(${label}[.])+${label}[.]?$`);

/** Returns the problem with a realm's name; undefined if it has none. */
export function nameProblem(name: string): string | undefined {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > maxNameLength) {
    return `must be of lowercase letters, digits and dashes, at most ${maxNameLength} characters`;
  }
  return name === "internet" ? "is reserved for all public addresses in a Grant; choose another name" : undefined;
}

/** Returns the problem with a realm's name because of other objects; undefined if there is none. */
export const nameConflict = (name: string, { names }: TakenNames): string | undefined =>
  names.has(name) ? "already exists; choose another name" : undefined;

/** Returns the problem with a node's name; undefined if it has none. */
export const identityProblem = (identity: string): string | undefined =>
  fullName.test(identity) && identity.length <= 253
    ? undefined
    : "must be a full MagicDNS name, such as bob-home.tailnet-name.ts.net";

/** Returns the problem with a node's name because of other realms; undefined if there is none. */
export function identityConflict(identity: string, { identities }: TakenNames): string | undefined {
  const realm = identities.get(canonicalName(identity));
  return realm === undefined ? undefined : `is already the identity of realm ${realm}; a node can be one realm only`;
}

/** Returns the name that is proposed for a realm: that of its node, if it can be used. */
export function proposedName(identity: string, taken: TakenNames): string | undefined {
  const name = canonicalName(identity).split(".")[0]!.slice(0, maxNameLength).replace(/-+$/, "");
  return (nameProblem(name) ?? nameConflict(name, taken)) === undefined ? name : undefined;
}

/** Reads `User:NAME`, `Group:NAME`, or a user's name alone. */
export function subjectFrom(text: string): RealmSubject {
  const [, kind, name] = /^(user|group):(.*)$/i.exec(text.trim()) ?? [, "user", text.trim()];
  return { kind: kind!.toLowerCase() === "group" ? "Group" : "User", name: name!.trim() };
}

/** Returns the problem with a realm's subjects; undefined if they can be used. */
export function subjectsProblem(subjects: readonly RealmSubject[], realm?: string): string | undefined {
  if (subjects.length > 32) return `has ${subjects.length} entries; at most 32 are allowed, use a group`;
  for (const { kind, name } of subjects) {
    if (name === "") return "has an entry without a name; use User:NAME or Group:NAME";
    if (name.length > 253) return `has a name of ${name.length} characters; at most 253 are allowed`;
    if (name.startsWith("system:")) return `is ${kind}:${name}, which is reserved for Kubernetes`;
    const other = /^keystone:realm:(.*)$/.exec(name)?.[1];
    if (other !== undefined && other !== realm) return `is ${kind}:${name}, which is the group of another realm`;
  }
  return undefined;
}

/** Returns the Realm to create. */
export const draftedRealm = ({ name, identity, trust, subjects, connectionType, node }: RealmDraft): Realm => ({
  apiVersion: "keystone.io/v1alpha1",
  kind: "Realm",
  metadata: { name, ...(node === undefined ? {} : { annotations: { [trustedNodeAnnotation]: node } }) },
  spec: {
    identity,
    connectionType,
    trustLevel: trust,
    ...(subjects.length > 0 ? { subjects: [...subjects] } : {}),
  },
} as Realm);

/** Returns for whom a realm without subjects is. */
export const withoutSubjects = (isServed: boolean): string =>
  `${isServed ? "those at its node, over the tailnet, and " : ""}those to whom you give a kubeconfig`;

const whom: Readonly<Record<TrustLevel, string>> = {
  internal: "your own cluster",
  partner: "people you know",
  public: "anybody",
};
const reach = {
  any: "your LAN too, if named",
  unprotected: "the internet, not your LAN",
  realm: "only their own node",
};

/** Returns one line on a trust level: for whom it is, and what grants to the realm may contain. */
export function trustLine(level: TrustLevel, { trust }: Settings): string {
  const { egress, exposed, maxValidityDays, dns, podSecurity } = trust[level];
  return `${whom[level]}; ${
    [
      reach[egress],
      ...(exposed ? ["load balancers"] : []),
      ...(maxValidityDays === null ? [] : [`at most ${maxValidityDays} days`]),
      ...(dns ? [] : ["no DNS"]),
      `pods ${podSecurity}`,
    ].join(", ")
  }`;
}
