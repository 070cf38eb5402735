/** Conflicts between a Realm and a SuperEntity of the same name: grants refer to both by name, so it must be unique. */
import type { LocalRealm, RealmFacts, SuperEntityFacts } from "../facts.ts";

/**
 * Returns a sentence with the reason that a SuperEntity's name belongs to another object; undefined: it is its own. The
 * older object has the name; of the same second, the Realm.
 */
export function entityConflict(
  { name, createdAt }: Pick<SuperEntityFacts, "name" | "createdAt">,
  realm: RealmFacts | undefined,
  local: LocalRealm,
): string | undefined {
  if (local.kind === "known" && local.name === name) {
    return `${name} is the name of this cluster's own realm; give the SuperEntity another name.`;
  }
  if (!realm || (realm.createdAt ?? -Infinity) > createdAt) return undefined;
  return `There is an earlier Realm ${name}, so this SuperEntity is ignored; give it another name.`;
}

/** Returns the same for a Realm. */
export function realmConflict(
  { name, createdAt }: Pick<RealmFacts, "name" | "createdAt">,
  entity: Pick<SuperEntityFacts, "name" | "createdAt"> | undefined,
  local: LocalRealm,
): string | undefined {
  const isLater = entity && createdAt !== undefined && createdAt > entity.createdAt;
  if (!isLater || (local.kind === "known" && local.name === name)) return undefined;
  return `There is an earlier SuperEntity ${name}, so this Realm is ignored; give it another name.`;
}
