/** Presence of Realms. */
import type { RealmFacts } from "../facts.ts";

/** Reports whether the Realm exists and isn't being deleted. */
export const isPresent = (realm: RealmFacts | undefined): realm is RealmFacts => realm !== undefined && !realm.deleting;
