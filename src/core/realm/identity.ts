/** Identity of a realm: its name on the tailnet and its trusted node. */
import type { RealmFacts } from "../facts.ts";
import { conditionOf } from "../conditions.ts";

/**
 * Returns the canonical form of a MagicDNS name: lower case, without the trailing dot that tailscaled writes.
 *
 * ```ts
 * import { canonicalName } from "./identity.ts";
 * import { equal } from "node:assert/strict";
 * equal(canonicalName("Bob-Home.tailnet-name.ts.net."), "bob-home.tailnet-name.ts.net");
 * ```
 */
export const canonicalName = (identity: string): string => identity.toLowerCase().replace(/\.$/, "");

/** Form of a StableID. Control servers decide on it, so it is checked before it is shown, stored or compared. */
export const stableIDForm = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Reports whether the node in the realm's status is verified and matches the present identity and pin, which may have
 * changed since the status was written. Traffic is opened only for such a node.
 */
export function isVerified({ spec, trustedNode, status: { node, conditions } }: RealmFacts): boolean {
  return node !== undefined && node.stableID === trustedNode && isNamed(node.name, spec.identity) &&
    conditionOf({ conditions }, "IdentityVerified")?.status === "True";
}

/** Reports whether a node's name is the identity. */
export const isNamed = (name: string | undefined, identity: string): boolean =>
  name !== undefined && canonicalName(name) === canonicalName(identity);

/** Returns the names of the other Realms with the same identity, except those being deleted. */
export const rivalsOf = (sameIdentity: readonly RealmFacts[], { name }: RealmFacts): string[] =>
  sameIdentity.filter((other) => other.name !== name && !other.deleting).map((other) => other.name);

/** Returns the realm's present and previously trusted nodes. */
export const nodesOf = ({ trustedNode, status }: RealmFacts): ReadonlySet<string> =>
  new Set([trustedNode, status.trustedNode, ...status.trustedBefore ?? []].filter((id) => id !== undefined));
