/** Who a realm is: its name on the tailnet, and the node that was trusted with it. */
import type { RealmFacts } from "../facts.ts";
import { conditionOf } from "../conditions.ts";

/**
 * The form in which MagicDNS names are compared: lower case, without the trailing dot that tailscaled writes.
 *
 * ```ts
 * import { canonicalName } from "./identity.ts";
 * import { equal } from "node:assert/strict";
 * equal(canonicalName("Bob-Home.tailnet-name.ts.net."), "bob-home.tailnet-name.ts.net");
 * ```
 */
export const canonicalName = (identity: string): string => identity.toLowerCase().replace(/\.$/, "");

/**
 * Whether the node in the realm's status is the realm's: verified, and of the identity and the pin as they are now, not
 * as they were when the status was written. What is opened for a realm is opened for such a node only.
 */
export function isVerified({ spec, trustedNode, status: { node, conditions } }: RealmFacts): boolean {
  return node !== undefined && node.stableID === trustedNode && isNamed(node.name, spec.identity) &&
    conditionOf({ conditions }, "IdentityVerified")?.status === "True";
}

/** Whether a node's name is the identity. */
export const isNamed = (name: string | undefined, identity: string): boolean =>
  name !== undefined && canonicalName(name) === canonicalName(identity);

/** The other Realms of the same identity, by name, from those that have it; one that is being deleted is none. */
export const rivalsOf = (sameIdentity: readonly RealmFacts[], { name }: RealmFacts): string[] =>
  sameIdentity.filter((other) => other.name !== name && !other.deleting).map((other) => other.name);

/** The nodes that are or were the realm's: those that a person trusted one after the other. */
export const nodesOf = ({ trustedNode, status }: RealmFacts): ReadonlySet<string> =>
  new Set([trustedNode, status.trustedNode, ...status.trustedBefore ?? []].filter((id) => id !== undefined));
