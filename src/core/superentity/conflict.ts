/** Names that a Realm and a SuperEntity both have: they are grantor or grantee by name alone, so only one can be meant. */
import type { LocalRealm, RealmFacts, SuperEntityFacts } from "../facts.ts";

/** Why the name belongs to another, in a sentence; undefined: it is the SuperEntity's. The earlier has it, a Realm of the same second before it. */
export function entityConflict(
  { name, createdAt }: Pick<SuperEntityFacts, "name" | "createdAt">,
  realm: RealmFacts | undefined,
  local: LocalRealm,
): string | undefined {
  if (local.kind === "known" && local.name === name) {
    return `${name} is the name of the realm that this cluster is; give the SuperEntity another name.`;
  }
  if (!realm || (realm.createdAt ?? -Infinity) > createdAt) return undefined;
  return `There is an earlier Realm ${name}, so nothing is done for this SuperEntity; give it another name.`;
}

/** The same for the Realm. */
export function realmConflict(
  { name, createdAt }: Pick<RealmFacts, "name" | "createdAt">,
  entity: Pick<SuperEntityFacts, "name" | "createdAt"> | undefined,
  local: LocalRealm,
): string | undefined {
  const isLater = entity && createdAt !== undefined && createdAt > entity.createdAt;
  if (!isLater || (local.kind === "known" && local.name === name)) return undefined;
  return `There is an earlier SuperEntity ${name}, so nothing is done for this Realm; give it another name.`;
}
