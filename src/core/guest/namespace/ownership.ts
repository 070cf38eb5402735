/** Ownership of a guest namespace: made by Keystone or not, and for which grantee. */
import type { NamespaceFacts, RealmFacts } from "../../facts.ts";
import { adoptAnnotation, granteeAnnotation, managedBy, managedByLabel, realmLabel } from "../../names.ts";
import { canonicalName, nodesOf } from "../../realm/identity.ts";

export type Ownership =
  /** Missing, or made by Keystone for this grantee. */
  | { is: "ours" }
  /** Handed over by a person: Keystone made it for another grantee, or didn't make it. */
  | { is: "handedOver"; made: boolean }
  /** Made by Keystone for another identity of the same name: kept closed, without access. */
  | { is: "another's"; message: string }
  /** Not made by Keystone: nothing is written. */
  | { is: "foreign"; message: string }
  /** In deletion: Keystone's objects keep closing; no objects can be created. */
  | { is: "leaving"; made: boolean; another: boolean; message: string };

interface OwnershipWorld {
  grantee: string;
  realm: RealmFacts | undefined;
  namespace: NamespaceFacts | undefined;
}

/**
 * Returns the record of a namespace's grantee: `<Kind>/<name>/<identity>/<StableID>`; the last part is empty while no
 * node is pinned. The identity of a SuperEntity is its approved members.
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
    const held = namespace.held ? ` Waiting for: ${namespace.held}` : "";
    return {
      is: "leaving",
      made: isMade,
      another: isAnother,
      message: `Namespace ${name} is being deleted; the grant continues once it is gone.${held}`,
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
        ? `Namespace ${name} was created for ${record}, but Realm ${grantee} has no trusted node yet. Nobody has access ` +
          `until that node is on the tailnet. If the node has changed, hand the namespace over: ${handOver}`
        : `Namespace ${name} was created for ${record}, but ${grantee} is now ${granteeRecord(realm!)}. Nobody has ` +
          `access. Delete it, or hand it over: ${handOver}`,
    }
    : {
      is: "foreign",
      message: `Namespace ${name} exists and was not created by Keystone, so Keystone writes nothing to it. ` +
        `Delete it, or hand it over: ${handOver}`,
    };
}

/**
 * Reports whether the record names another identity, or a node that the realm never trusted. A Realm that was deleted
 * and created again is the same if its identity and trusted node are; a record without a node needs none.
 */
function isAnothers(namespace: NamespaceFacts, realm: RealmFacts): boolean {
  const record = namespace.annotations[granteeAnnotation];
  if (record === undefined) return false;
  const [kind, name, identity, node] = record.split("/");
  if (realm.entity) {
    // Members change with the approval of all, so one common member suffices. Without approval the check is skipped.
    const members = new Set(identity?.split(","));
    const isSame = realm.deleting || realm.entity.members.some((member) => members.has(member));
    return kind !== "SuperEntity" || name !== realm.name || !isSame;
  }
  if (kind !== "Realm" || name !== realm.name || identity !== canonicalName(realm.spec.identity)) return true;
  return Boolean(node) && !nodesOf(realm).has(node!);
}

/** Returns the ownership if it can't be read: nobody gets access, and no amounts are raised. */
export const unreadOwner = (grantee: string, namespace: NamespaceFacts | undefined): Ownership => ({
  is: namespace?.labels[managedByLabel] === managedBy ? "another's" : "foreign",
  message: `The owner of the namespace of ${grantee} can't be read; nobody has access.`,
});
