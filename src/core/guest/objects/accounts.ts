/** Service accounts of a realm's people, in the operator's namespace. They are deleted with access or before it. */
import { type ServiceAccount, serviceAccounts } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { EventAbout } from "../../effects.ts";
import type { IdentityFacts, RealmFacts } from "../../facts.ts";
import { accountNames } from "../../realm/account.ts";
import type { Guest } from "./guest.ts";
import { commonFacts, deleted, type GuestObjects, type RowChange } from "./row.ts";

/**
 * Deletes accounts: all of them without access, and those of other people. An account's tokens end with it.
 */
function changes(_: unknown, present: readonly IdentityFacts[], { realm, binding, access }: Guest): RowChange[] {
  const stay = new Set(access && realm ? accountNames({ realm, accounts: present, binding }) : []);
  return present.filter(({ name, deleting }) => !deleting && !stay.has(name)).map((account) => ({
    stage: "accounts go",
    effect: {
      ...deleted(serviceAccounts, account),
      // No event at the end of the last grant, which was announced.
      ...(access && realm ? { events: [endedEvent(realm, account.name)] } : {}),
    },
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
      note: `ServiceAccount ${account} is deleted, because the people of ${kind} ${realm.name} have changed. ` +
        `Kubeconfigs issued with it are no longer valid; issue new ones: keystone realm kubeconfig ${realm.name}`,
    },
  };
}

/** Created by the `keystone` command, never by a plan. */
export const accounts: GuestObjects<ServiceAccount, IdentityFacts> = {
  part: "the realm's account",
  resource: serviceAccounts,
  project: (account) => ({
    ...commonFacts(account) as IdentityFacts,
    createdAt: Date.parse(account.metadata!.creationTimestamp ?? ""),
    deleting: account.metadata!.deletionTimestamp !== undefined,
  }),
  wanted: () => [],
  changes,
  content: ({ name }) => ({ name }),
};
