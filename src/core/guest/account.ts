/** Removal of the accounts of a realm's people. */
import type { Effect, EventAbout } from "../effects.ts";
import type { RealmFacts } from "../facts.ts";
import { accountNames, type AccountWorld } from "../realm/account.ts";
import type { GuestWorld } from "./world.ts";

/**
 * What takes accounts away: all of them when nobody is let in, and those of other people. Every token that was made for one
 * ends with it.
 *
 * @param access whether somebody is let in
 */
export function accountRemoval({ realm, accounts, binding }: AccountWorld, access: boolean): Effect[] {
  const stay = new Set(access && realm ? accountNames({ realm, accounts, binding }) : []);
  return accounts.filter(({ name, deleting }) => !deleting && !stay.has(name)).map(({ namespace, name, uid }) => ({
    delete: { kind: "ServiceAccount", namespace, name, uid },
    // With the last grant it goes as was announced.
    ...(access && realm ? { events: [endedEvent(realm, name)] } : {}),
  }));
}

function endedEvent(realm: RealmFacts, account: string): EventAbout {
  const kind = realm.entity ? "SuperEntity" : "Realm";
  return {
    about: { apiVersion: "keystone.io/v1alpha1", kind, name: realm.name, uid: realm.uid },
    event: {
      type: "Warning",
      reason: "AccountEnded",
      action: "Close",
      note:
        `ServiceAccount ${account} goes, because it was made for other people than ${kind} ${realm.name} names now. ` +
        `Kubeconfigs that were issued with it let nobody in; issue new ones: keystone kubeconfig ${realm.name}`,
    },
  };
}

/** The realm's accounts of a world, none where nobody has asked for one. */
export const accountWorld = ({ realm, accounts = [], binding }: GuestWorld): AccountWorld => ({
  realm,
  accounts,
  binding,
});
