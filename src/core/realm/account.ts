/** Service account that `keystone realm kubeconfig` creates for the people of a realm. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { BindingFacts, IdentityFacts, RealmFacts } from "../facts.ts";
import { realmAccount, realmGroup, systemNamespace } from "../names.ts";
import { canonicalName } from "./identity.ts";
import { subjectKey } from "./subjects.ts";

/**
 * Returns the record of the people for whom an account is valid: `<Kind>/<UID>/<digest>`. The digest covers the UID,
 * the identity, the subjects and, for a SuperEntity, its members, so that people who were removed lose access. The result
 * is cached, so `realm` must not be modified.
 */
export function accountRecord(realm: RealmFacts): string {
  const known = records.get(realm);
  if (known !== undefined) return known;
  const record = recordOf(realm);
  records.set(realm, record);
  return record;
}

/** Cache: a plan needs the record of its realm several times. */
const records = new WeakMap<RealmFacts, string>();

function recordOf({ name, uid, entity, spec }: RealmFacts): string {
  const subjects = spec.subjects ?? [{ kind: "Group", name: realmGroup(name) }];
  const people = [uid, canonicalName(spec.identity), ...subjects.map(subjectKey).sort(), ...(entity?.uids ?? [])];
  const digest = bytesToHex(sha256(utf8ToBytes(JSON.stringify(people)))).slice(0, 16);
  return `${entity ? "SuperEntity" : "Realm"}/${uid}/${digest}`;
}

/**
 * Returns the name of a record's account, and the owner whose deletion removes it even while no operator runs. Other
 * people get another name, because the API server accepts a token by name for some seconds after its account is
 * deleted.
 */
export function accountOf(realm: string, record: string) {
  const [kind, uid, digest] = record.split("/") as [string, string, string];
  const owner = { apiVersion: "keystone.io/v1alpha1", kind, name: realm, uid };
  return { name: `${realmAccount(realm)}-${digest}`, owner };
}

/**
 * Returns the name of the account that the guests' binding gives access to; undefined without a binding, or if its
 * subjects don't include the account that it records.
 */
export function boundAccount(realm: string, binding: BindingFacts | undefined): string | undefined {
  if (binding?.account === undefined) return undefined;
  const { name } = accountOf(realm, binding.account);
  const isSubject = binding.subjects.some((each) =>
    each.kind === "ServiceAccount" && each.name === name && each.namespace === systemNamespace
  );
  return isSubject ? name : undefined;
}

/** Facts from which a realm's valid accounts follow. */
export interface AccountWorld {
  realm: RealmFacts | undefined;
  /** Accounts created under the realm's name. */
  accounts: readonly IdentityFacts[];
  /** The guests' binding. */
  binding: BindingFacts | undefined;
}

/** Returns the names of the accounts that have access together with the realm's people. */
export function accountNames({ realm, accounts, binding }: AccountWorld & { realm: RealmFacts }): string[] {
  const record = accountRecord(realm);
  const earlier = accounts.filter((account) => isEarlier(account, { realm, binding }, record));
  return [accountOf(realm.name, record).name, ...earlier.map(({ name }) => name)];
}

/**
 * Reports whether an earlier version, which used one name for all people of a realm, created the account for these same
 * people: it is younger than the Realm, and the binding records no other people.
 */
function isEarlier(
  { name, deleting, createdAt }: IdentityFacts,
  { realm, binding }: { realm: RealmFacts; binding: BindingFacts | undefined },
  record: string,
): boolean {
  return name === realmAccount(realm.name) && !deleting && createdAt > (realm.createdAt ?? Infinity) &&
    binding !== undefined && (binding.account ?? record) === record;
}
