/** Service accounts of a realm's people, in the operator's namespace. They are deleted with access or before it. */
import { type ServiceAccount, serviceAccounts } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { EventAbout } from "../../effects.ts";
import type { IdentityFacts, RealmFacts } from "../../facts.ts";
import { ownerLabels, systemNamespace } from "../../names.ts";
import { accountNames, accountOf, accountRecord, boundAccount } from "../../realm/account.ts";
import type { Guest } from "./guest.ts";
import { commonFacts, deleted, type GuestObjects, type RowChange } from "./row.ts";

/**
 * Deletes accounts: all of them without access, and those of other people. An account's tokens end with it. Creates a
 * wanted one last: it delays nothing that opens.
 */
function changes(
  wanted: readonly ServiceAccount[],
  present: readonly IdentityFacts[],
  { realm, binding, access }: Guest,
): RowChange[] {
  const stay = new Set(access && realm ? accountNames({ realm, accounts: present, binding }) : []);
  const missing = wanted.filter(({ metadata }) => !present.some(({ name }) => name === metadata!.name));
  return [
    ...present.filter(({ name, deleting }) => !deleting && !stay.has(name)).map((account): RowChange => ({
      stage: "accounts go",
      effect: {
        ...deleted(serviceAccounts, account),
        // No event at the end of the last grant, which was announced.
        ...(access && realm ? { events: [endedEvent(realm, account.name)] } : {}),
      },
    })),
    ...missing.map((account): RowChange => ({ stage: "account comes", effect: { create: account } })),
  ];
}

/**
 * Builds the account whose tokens the tailnet server uses, once the guests' binding gives it access. Without the server
 * only the `keystone` command creates it.
 */
function wanted({ grantee, realm, binding, access, servesTailnet }: Guest): ServiceAccount[] {
  if (!servesTailnet || !access || !realm) return [];
  const { name, owner } = accountOf(grantee, accountRecord(realm));
  if (boundAccount(grantee, binding) !== name) return [];
  return [{
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: systemNamespace, labels: ownerLabels(grantee), ownerReferences: [owner] },
    automountServiceAccountToken: false,
  }];
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

export const accounts: GuestObjects<ServiceAccount, IdentityFacts> = {
  part: "the realm's account",
  resource: serviceAccounts,
  project: (account) => ({
    ...commonFacts(account) as IdentityFacts,
    createdAt: Date.parse(account.metadata!.creationTimestamp ?? ""),
    deleting: account.metadata!.deletionTimestamp !== undefined,
  }),
  wanted,
  changes,
  content: ({ name }) => ({ name }),
};
