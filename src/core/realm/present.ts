/** Realms that are there. */
import type { RealmFacts } from "../facts.ts";

/** Whether there is such a Realm, and it stays. */
export const isPresent = (realm: RealmFacts | undefined): realm is RealmFacts => realm !== undefined && !realm.deleting;
