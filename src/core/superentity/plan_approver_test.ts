import assert from "node:assert/strict";
import { accountFor, realm } from "../../../tests/fixtures/made_facts.ts";
import type { ClusterRole, ClusterRoleBinding } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { ClusterBindingFacts, ClusterRoleFacts } from "../facts.ts";
import { effectsOf, writtenBy } from "../effects.ts";
import { type ApproverWorld, planApprover } from "./plan_approver.ts";

const bob = realm();
const world = (facts: Partial<ApproverWorld> = {}): ApproverWorld => ({
  name: "bob-home",
  realm: bob,
  entities: ["homes"],
  role: undefined,
  binding: undefined,
  ...facts,
});

type ApproverWrite = { role: ClusterRole } | { binding: ClusterRoleBinding };

/** The writes of a plan, in their order. */
const writesOf = (world: ApproverWorld): ApproverWrite[] =>
  effectsOf(planApprover(world)).map(writtenBy).map((object) =>
    object!.kind === "ClusterRole" ? { role: object as ClusterRole } : { binding: object as ClusterRoleBinding }
  );

/** The objects after the writes. */
function after(writes: readonly ApproverWrite[], before: ApproverWorld): ApproverWorld {
  const out = { ...before };
  for (const write of writes) {
    const { metadata } = "role" in write ? write.role : write.binding;
    const common = {
      name: metadata!.name!,
      uid: "u",
      labels: metadata!.labels!,
      owners: metadata!.ownerReferences?.map(({ uid }) => uid) ?? [],
    };
    if ("role" in write) out.role = { ...common, rules: write.role.rules ?? [] } as ClusterRoleFacts;
    else out.binding = { ...common, subjects: write.binding.subjects ?? [] } as ClusterBindingFacts;
  }
  return out;
}
const subjectsIn = (write: ApproverWrite): string[] =>
  "binding" in write ? write.binding.subjects!.map(({ name }) => name) : [];
const kinds = (writes: readonly ApproverWrite[]) => writes.map((write) => Object.keys(write)[0]);
const lifecycle = after(writesOf(world()), world());

Deno.test("a member's subjects may approve for it, and read and patch its SuperEntities: the role first, then the binding", () => {
  const writes = writesOf(world({ entities: ["two", "homes"] }));
  assert.deepEqual(kinds(writes), ["role", "binding"]);
  const [{ role }, { binding }] = writes as [{ role: { rules: unknown } }, { binding: { subjects: unknown } }];
  assert.deepEqual(role.rules, [
    { apiGroups: ["keystone.io"], resources: ["realms"], resourceNames: ["bob-home"], verbs: ["approve"] },
    { apiGroups: ["keystone.io"], resources: ["superentities"], verbs: ["get", "list", "watch"] },
    { apiGroups: ["keystone.io"], resources: ["superentities"], resourceNames: ["homes", "two"], verbs: ["patch"] },
  ]);
  assert.deepEqual(binding.subjects, [
    { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "keystone:realm:bob-home" },
    // The account that `keystone realm kubeconfig` creates for the realm's people.
    { kind: "ServiceAccount", name: accountFor(bob).name, namespace: "keystone-system" },
  ]);
});

Deno.test("up to date, even with an earlier owner: nothing is written", () => {
  assert.deepEqual(writesOf(lifecycle), []);
  const again = { ...lifecycle, role: { ...lifecycle.role!, owners: ["gone", bob.uid] } };
  assert.deepEqual(writesOf(again), []);
  assert.deepEqual(kinds(writesOf({ ...lifecycle, realm: { ...bob, uid: "another" } })), [
    "binding",
    "role",
    "binding",
  ]);
});

Deno.test("the subjects change: the new ones replace the old ones", () => {
  const spec = { ...bob.spec, subjects: [{ kind: "User" as const, name: "bob@example.com" }] };
  const writes = writesOf({ ...lifecycle, realm: { ...bob, spec } });
  assert.deepEqual(writes.map(subjectsIn), [[], ["bob@example.com", accountFor({ ...bob, spec }).name]]);
});

Deno.test("the subjects change: removed ones go first and the rest stays, because adding may be refused", () => {
  const user = (name: string) => ({ kind: "User" as const, name });
  const of = (...names: string[]) => ({ ...bob, spec: { ...bob.spec, subjects: names.map(user) } });
  const before = after(writesOf(world({ realm: of("ann", "ben") })), world());
  const [narrowed, whole] = writesOf({ ...before, realm: of("ben", "cleo") }).map(subjectsIn);
  assert.deepEqual(narrowed, ["ben"]);
  assert.deepEqual(whole, ["ben", "cleo", accountFor(of("ben", "cleo")).name]);
});

for (
  const [what, facts] of [
    ["is no longer a member", { entities: [] }],
    ["is gone", { realm: undefined }],
    ["is being deleted", { realm: { ...bob, deleting: true } }],
  ] as [string, Partial<ApproverWorld>][]
) {
  Deno.test(`a realm that ${what}: nobody may approve, and the binding is emptied first, once`, () => {
    const closing = writesOf({ ...lifecycle, ...facts });
    assert.deepEqual(kinds(closing), ["binding", "role"]);
    const closed = after(closing, { ...lifecycle, ...facts });
    assert.deepEqual([closed.binding!.subjects, closed.role!.rules], [[], []]);
    assert.deepEqual(writesOf(closed), []);
    assert.deepEqual(writesOf(world(facts)), [], "nothing is created for a realm that never was a member");
  });
}
