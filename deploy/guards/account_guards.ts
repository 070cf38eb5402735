/** Guard on the number of ServiceAccounts. */
import { type Policy, when } from "./guard.ts";

const names = {
  now: { object: "object", template: "", spec: "", containers: "" },
  before: { object: "oldObject", template: "", spec: "", containers: "" },
};

export const accountsPolicy: Policy = {
  name: "keystone-guest-accounts",
  about:
    "ServiceAccounts in namespaces whose quota does not count them. In an upgrade the guests' role is there before the " +
    "operator that writes the count.",
  resources: [{ apiGroups: [""], resources: ["serviceaccounts"], operations: ["CREATE"] }],
  guestsOnly: true,
  quota: "where there is one",
  names,
  unless: "authorizer.group('*').resource('*').check('*').allowed()",
  guards: [{
    name: "account-count",
    since: 0,
    refuses: "ServiceAccounts where the namespace's quota has no `count/serviceaccounts`",
    why: "an operator of an earlier version manages the namespace, and nothing limits their number",
    remedy: "Use the account default until the owner has finished the upgrade of Keystone",
    at: "''",
    // The status, because admission enforces it.
    offences: () =>
      when(
        "!dyn(params).?status.?hard[?'count/serviceaccounts'].hasValue()",
        "'ResourceQuota keystone has no count/serviceaccounts'",
      ),
    // No object can carry it: tests/hostile/hostile_guards_test.ts removes the count from a quota.
    attacks: [],
    ordinary: [],
  }],
};
