/** The account that `keystone kubeconfig` makes for the people of a realm: for whom it stands. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { BindingFacts, IdentityFacts, RealmFacts } from "../facts.ts";
import { realmAccount, realmGroup } from "../names.ts";
import { canonicalName } from "./identity.ts";
import { subjectKey } from "./subjects.ts";

/**
 * The people for whom an account stands: `<Kind>/<UID>/<digest>`. The digest is of the UID, the identity, the subjects and,
 * of a SuperEntity, its members, so that nobody stays in whom the Realm doesn't name any more.
 */
export function accountRecord({ name, uid, entity, spec }: RealmFacts): string {
  const subjects = spec.subjects ?? [{ kind: "Group", name: realmGroup(name) }];
  const people = [uid, canonicalName(spec.identity), ...subjects.map(subjectKey).sort(), ...(entity?.uids ?? [])];
  const digest = bytesToHex(sha256(utf8ToBytes(JSON.stringify(people)))).slice(0, 16);
  return `${entity ? "SuperEntity" : "Realm"}/${uid}/${digest}`;
}

/**
 * The account of a record: its name, and the owner with which it goes, also while no operator runs. Other people have
 * another name: the API server goes on taking a token for some seconds after its account has gone, and knows it by name.
 */
export function accountOf(realm: string, record: string) {
  const [kind, uid, digest] = record.split("/") as [string, string, string];
  const owner = { apiVersion: "keystone.io/v1alpha1", kind, name: realm, uid };
  return { name: `${realmAccount(realm)}-${digest}`, owner };
}

/** What tells which accounts stand for a realm's people. */
export interface AccountWorld {
  realm: RealmFacts | undefined;
  /** The accounts that were made under the realm's name. */
  accounts: readonly IdentityFacts[];
  /** The guests' binding. */
  binding: BindingFacts | undefined;
}

/** The names of the accounts that are let in with the realm's people. */
export function accountNames({ realm, accounts, binding }: AccountWorld & { realm: RealmFacts }): string[] {
  const record = accountRecord(realm);
  const earlier = accounts.filter((account) => isEarlier(account, { realm, binding }, record));
  return [accountOf(realm.name, record).name, ...earlier.map(({ name }) => name)];
}

/**
 * Whether it was made by an earlier version, which gave all people of a realm one name, and stands for these people: it is
 * younger than the Realm, and they haven't changed since the binding says who they are.
 */
function isEarlier(
  { name, deleting, createdAt }: IdentityFacts,
  { realm, binding }: { realm: RealmFacts; binding: BindingFacts | undefined },
  record: string,
): boolean {
  return name === realmAccount(realm.name) && !deleting && createdAt > (realm.createdAt ?? Infinity) &&
    binding !== undefined && (binding.account ?? record) === record;
}
