/** Realms and SuperEntities by the name that grants use, from what is observed. */
import type { RealmStatus } from "../api/mod.ts";
import type { LocalRealm, RealmFacts, SuperEntityFacts } from "../core/facts.ts";
import { granteeFrom } from "../core/grant/parties.ts";
import { entityConflict, realmConflict } from "../core/superentity/conflict.ts";
import { memberSubjects } from "../core/superentity/consent.ts";
import type { Stores } from "./stores.ts";
import type { Unwritten } from "./unwritten.ts";

/** Sources of grantees. */
export interface GranteeSources {
  stores: Pick<Stores, "realms" | "superEntities">;
  local: () => LocalRealm;
  /** Absent: every decided status is written. */
  unwritten?: { realms: Pick<Unwritten<RealmStatus>, "decided"> };
}

/** Returns the SuperEntity of this name unless its name conflicts with a Realm. */
export function entityNamed(sources: GranteeSources, name: string): SuperEntityFacts | undefined {
  const { stores, local } = sources;
  const entity = stores.superEntities.get(name);
  if (!entity || entityConflict(entity, stores.realms.get(name), local())) return undefined;
  return { ...entity, subjects: memberSubjects(entity, (member) => realmNamed(sources, member)) };
}

/** Returns the Realm of this name unless its name conflicts with a SuperEntity. */
export function realmNamed({ stores, local, unwritten }: GranteeSources, name: string): RealmFacts | undefined {
  const stored = stores.realms.get(name);
  const realm = stored && unwritten ? unwritten.realms.decided(stored) : stored;
  const entity = realm && stores.superEntities.get(name);
  return entity && realmConflict(realm, entity, local()) ? undefined : realm;
}

/** Returns the grantee of this name: a Realm or a SuperEntity. */
export function granteeNamed(sources: GranteeSources, name: string): RealmFacts | undefined {
  return granteeFrom(
    realmNamed(sources, name),
    entityNamed(sources, name),
    (member) => realmNamed(sources, member),
  );
}
