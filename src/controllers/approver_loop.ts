/** The approver loop, keyed by realm: allows only a member's subjects to approve on the member's behalf. */
import { approverName, guestNamespace, guestRole, realmOfApprover } from "../core/names.ts";
import { type ApproverWorld, planApprover } from "../core/superentity/plan_approver.ts";
import { defineLoop } from "../engine/loop.ts";
import { concernsParties, concernsPolicies } from "./concerns.ts";
import type { Context } from "./context.ts";
import { realmNamed } from "./grantees.ts";
import { poolingOf } from "./pools.ts";
import { keyIn, realmsOf } from "./stores.ts";
import { onStore } from "./sources.ts";

export const approverLoop = defineLoop({
  name: "approvers",
  keyName: "realm",
  concurrency: 4,
  keys: ({ stores }: Context) => [
    ...stores.superEntities.list().flatMap(({ spec }) => spec.members.map(({ realm }) => realm)),
    ...[...stores.clusterRoles.list(), ...stores.clusterBindings.list()].flatMap(({ name }) =>
      ofApprover({ key: name })
    ),
  ],
  triggers: [
    onStore("clusterRoles", ofApprover),
    onStore("clusterBindings", ofApprover),
    onStore(
      "identities",
      ({ old, new: now }, { stores }) => stores.clusterRoles.size > 0 ? realmsOf((now ?? old)!) : [],
    ),
    onStore("realms", (change, { stores }) =>
      concernsPolicies(change) &&
        (stores.superEntities.index("member", change.key).length > 0 || stores.clusterRoles.size > 0)
        ? [change.key]
        : []),
    onStore(
      "superEntities",
      (change) =>
        concernsParties(change)
          ? [...change.old?.spec.members ?? [], ...change.new?.spec.members ?? []].map(({ realm }) => realm)
          : [],
    ),
  ],
  observe: observeApprover,
  plan: planApprover,
});

function ofApprover({ key }: { key: string }): string[] {
  const realm = realmOfApprover(key);
  return realm === undefined ? [] : [realm];
}

function observeApprover(context: Context, name: string): ApproverWorld {
  const { stores } = context;
  const { entityNamed } = poolingOf(context);
  return {
    name,
    realm: realmNamed(context, name),
    entities: stores.superEntities.index("member", name).map((entity) => entity.name).filter(entityNamed),
    role: stores.clusterRoles.get(approverName(name)),
    binding: stores.clusterBindings.get(approverName(name)),
    accounts: stores.identities.index("realm", name),
    guests: stores.bindings.get(keyIn(guestNamespace(name), guestRole)),
  };
}
