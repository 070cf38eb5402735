/** The accounts of a realm's people, which stand in the operator's namespace: with access, or before it, they go. */
import { type ServiceAccount, serviceAccounts } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { EventAbout } from "../../effects.ts";
import type { IdentityFacts, RealmFacts } from "../../facts.ts";
import { accountNames } from "../../realm/account.ts";
import type { Guest } from "./guest.ts";
import { commonFacts, deleted, type GuestObjects, type RowChange } from "./row.ts";

/**
 * Takes accounts away: all of them when nobody is let in, and those of other people. Every token that was made for one
 * ends with it.
 */
function changes(_: unknown, present: readonly IdentityFacts[], { realm, binding, access }: Guest): RowChange[] {
  const stay = new Set(access && realm ? accountNames({ realm, accounts: present, binding }) : []);
  return present.filter(({ name, deleting }) => !deleting && !stay.has(name)).map((account) => ({
    stage: "accounts go",
    effect: {
      ...deleted(serviceAccounts, account),
      // With the last grant it goes as was announced.
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
      note:
        `ServiceAccount ${account} goes, because it was made for other people than ${kind} ${realm.name} names now. ` +
        `Kubeconfigs that were issued with it let nobody in; issue new ones: keystone kubeconfig ${realm.name}`,
    },
  };
}

/** The `keystone` command makes them; no plan does. */
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
