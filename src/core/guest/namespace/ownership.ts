/** Whose guest namespace it is: made by Keystone or not, and for whom. */
import type { NamespaceFacts, RealmFacts } from "../../facts.ts";
import { adoptAnnotation, granteeAnnotation, managedBy, managedByLabel, realmLabel } from "../../names.ts";
import { canonicalName, nodesOf } from "../../realm/identity.ts";

export type Ownership =
  /** To be made, or made by Keystone for this grantee. */
  | { is: "ours" }
  /** A person has handed it over: one that Keystone made for another, or that it never made. */
  | { is: "handedOver"; made: boolean }
  /** Made by Keystone for another identity of the same name: it is kept closed, and nobody is let in. */
  | { is: "another's"; message: string }
  /** Not made by Keystone: nothing is written. */
  | { is: "foreign"; message: string }
  /** On its way out: of what Keystone has made there, what closes goes on; nothing can be made any more. */
  | { is: "leaving"; made: boolean; another: boolean; message: string };

interface OwnershipWorld {
  grantee: string;
  realm: RealmFacts | undefined;
  namespace: NamespaceFacts | undefined;
}

/**
 * For whom a namespace is made: `<Kind>/<name>/<identity>/<StableID>`; the last is empty while no node is pinned. The
 * identity of a SuperEntity is its approved members.
 */
export const granteeRecord = (realm: RealmFacts): string =>
  realm.entity
    ? `SuperEntity/${realm.name}/${realm.entity.members.join(",")}/`
    : `Realm/${realm.name}/${canonicalName(realm.spec.identity)}/${realm.trustedNode ?? ""}`;

export function ownershipOf({ grantee, realm, namespace }: OwnershipWorld): Ownership {
  if (!namespace) return { is: "ours" };
  const { name } = namespace;
  const isMade = namespace.labels[managedByLabel] === managedBy && namespace.labels[realmLabel] === grantee;
  const isAnother = isMade && realm !== undefined && isAnothers(namespace, realm);
  if (namespace.deleting) {
    const held = namespace.held ? ` It waits for: ${namespace.held}` : "";
    return {
      is: "leaving",
      made: isMade,
      another: isAnother,
      message: `Namespace ${name} is being deleted; the grant goes on when it is gone.${held}`,
    };
  }
  if (isMade && !isAnother) return { is: "ours" };
  if (!["", "false"].includes(namespace.annotations[adoptAnnotation] ?? "")) return { is: "handedOver", made: isMade };
  const handOver = `kubectl annotate namespace ${name} ${adoptAnnotation}=${grantee}`;
  const record = namespace.annotations[granteeAnnotation];
  return isMade
    ? {
      is: "another's",
      message: !realm!.entity && realm!.trustedNode === undefined && record!.startsWith(granteeRecord(realm!))
        ? `Namespace ${name} was made for ${record}, and no node is trusted with Realm ${grantee} yet: nobody is let in ` +
          `until that one is on the tailnet. If it is another now, hand the namespace over: ${handOver}`
        : `Namespace ${name} was made for ${record}, and ${grantee} is ${granteeRecord(realm!)} now: nobody is ` +
          `let in. Delete it, or hand it over: ${handOver}`,
    }
    : {
      is: "foreign",
      message: `Namespace ${name} exists and was not made by Keystone, so nothing is written to it. ` +
        `Delete it, or hand it over: ${handOver}`,
    };
}

/**
 * Whether the record names another identity, or a node that was never the realm's. A Realm that was deleted and made anew
 * is the same one when its identity is and the same node has answered to it; what one never knew a node for needs none.
 */
function isAnothers(namespace: NamespaceFacts, realm: RealmFacts): boolean {
  const record = namespace.annotations[granteeAnnotation];
  if (record === undefined) return false;
  const [kind, name, identity, node] = record.split("/");
  if (realm.entity) {
    // Members come and go by the consent of all; as long as one stays it is the same. None vouches while none approves.
    const members = new Set(identity?.split(","));
    const isSame = realm.deleting || realm.entity.members.some((member) => members.has(member));
    return kind !== "SuperEntity" || name !== realm.name || !isSame;
  }
  if (kind !== "Realm" || name !== realm.name || identity !== canonicalName(realm.spec.identity)) return true;
  return Boolean(node) && !nodesOf(realm).has(node!);
}

/** Of an owner who can't be read nobody is let in, and nothing is given that isn't there. */
export const unreadOwner = (grantee: string, namespace: NamespaceFacts | undefined): Ownership => ({
  is: namespace?.labels[managedByLabel] === managedBy ? "another's" : "foreign",
  message: `Who owns the namespace of ${grantee} can't be read: nobody is let in.`,
});
