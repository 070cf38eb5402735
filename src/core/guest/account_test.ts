import assert from "node:assert/strict";
import { accountFor, afterWrites, converged, guestWorld, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { effectsOf } from "../effects.ts";
import type { IdentityFacts, RealmFacts } from "../facts.ts";
import { accountOf, accountRecord, boundAccount } from "../realm/account.ts";
import { dryRun } from "./dry_run.ts";
import { planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";

const bob = realm({ createdAt: now - 10_000 });
const account = accountFor(bob);
/** The account's name in an earlier version. */
const earlier = accountFor(bob, { name: "realm-bob-home" });
const lifecycle = (identity: IdentityFacts, known: RealmFacts | undefined = bob): GuestWorld => ({
  ...converged(guestWorld({ realm: bob })),
  realm: known,
  accounts: [identity],
});
const goes = (world: GuestWorld): boolean => {
  const plan = planGuest(world);
  return effectsOf(plan, "close").some((write) =>
    "delete" in write && write.delete.kind === "ServiceAccount" && write.delete.uid === account.uid
  );
};
const letIn = (world: GuestWorld, { name } = account): boolean =>
  converged(world).binding?.subjects.some((subject) => subject.name === name) ?? false;
const subjects = [{ kind: "User" as const, name: "carol@example.com" }];
const changed = (facts: Partial<RealmFacts>) => ({ ...bob, ...facts });
const others = changed({ spec: { ...bob.spec, subjects } });
const given = lifecycle(account);

Deno.test("account: has access while it belongs to the people of this Realm", () => {
  assert.deepEqual([goes(given), letIn(given)], [false, true]);
});

for (
  const [what, world] of [
    ["its Realm was made again", lifecycle(account, changed({ uid: "another" }))],
    ["its Realm names other subjects", lifecycle(account, others)],
    ["its Realm has another identity", lifecycle(account, changed({ spec: { ...bob.spec, identity: "eve.example" } }))],
    ["its Realm is gone", { ...given, realm: undefined }],
    ["its Realm is being deleted", lifecycle(account, changed({ deleting: true }))],
    ["nothing is granted", { ...given, grants: [] }],
    ["nothing is granted, and the namespace is gone", guestWorld({ realm: bob, grants: [], accounts: [account] })],
    ["Realm and grants are gone", { ...guestWorld({ grants: [], accounts: [account] }), realm: undefined }],
    [
      "nothing is granted and the namespace is being deleted",
      { ...given, grants: [], namespace: { ...given.namespace!, deleting: true } },
    ],
    [
      "the namespace is somebody else's",
      { ...given, binding: undefined, namespace: { ...given.namespace!, labels: {} } },
    ],
  ] as [string, GuestWorld][]
) {
  Deno.test(`account: ${what}: deleted, and has no access`, () => {
    assert.deepEqual([goes(world), letIn(world)], [true, false]);
  });
}

Deno.test("account: deleted: the Realm gets an event, except at the end of its last grant", () => {
  const reported = (world: GuestWorld) =>
    effectsOf(planGuest(world)).flatMap((write) => "delete" in write ? write.events ?? [] : []);
  const [{ about, event }, ...more] = reported(lifecycle(earlier, changed({ createdAt: now }))) as [
    ReturnType<typeof reported>[number],
  ];
  assert.deepEqual([about.kind, about.name, about.uid, more.length], ["Realm", "bob-home", bob.uid, 0]);
  assert.match(event.note, /realm-bob-home is deleted, .*issue new ones: keystone realm kubeconfig bob-home$/);
  assert.deepEqual(reported({ ...given, grants: [] }), []);
});

Deno.test("account: already being deleted: not deleted again", () => {
  assert.equal(goes({ ...lifecycle({ ...account, deleting: true }), grants: [] }), false);
});

Deno.test("account: of an earlier version: stays while it can't belong to others", () => {
  const before = { ...lifecycle(earlier), binding: { ...given.binding!, account: undefined as unknown as string } };
  const { account: _, ...binding } = before.binding;
  const upgraded = { ...before, binding };
  assert.deepEqual([goes(upgraded), letIn(upgraded, earlier)], [false, true]);
  assert.deepEqual([goes(converged(upgraded)), letIn(converged(upgraded), earlier)], [false, true]);
  assert.equal(letIn(given, earlier), false, "without access where it isn't valid");
  for (
    const world of [
      { ...upgraded, accounts: [{ ...earlier, createdAt: now - 20_000 }] },
      { ...converged(upgraded), realm: others },
      { ...upgraded, realm: changed({ createdAt: now }) },
      guestWorld({ realm: bob, accounts: [earlier] }),
    ]
  ) assert.deepEqual([goes(world), letIn(world, earlier)], [true, false]);
});

Deno.test("account: subjects change: old ones are removed before anything opens and before new ones are added", () => {
  const world = lifecycle(account, others);
  const plan = planGuest(world);
  const subjectsOf = (kind: "close" | "open") =>
    effectsOf(plan, kind).flatMap((write) =>
      "apply" in write && write.apply.kind === "RoleBinding" ? [write.apply.subjects!.map(({ name }) => name)] : []
    );
  assert.deepEqual(subjectsOf("close"), [[]]);
  assert.deepEqual(subjectsOf("open"), [["carol@example.com", accountFor(others).name]]);
  assert.deepEqual(planGuest(afterWrites(world, plan)).stages, []);
});

Deno.test("account: name and owner depend only on its people", () => {
  assert.match(account.name, /^realm-bob-home-[0-9a-f]{16}$/);
  const coop = { ...bob, name: "coop", entity: { members: ["a", "b"], uids: ["1", "2"] } };
  assert.notEqual(accountRecord(coop), accountRecord({ ...coop, entity: { ...coop.entity, uids: ["1", "3"] } }));
  assert.deepEqual(accountOf("coop", accountRecord(coop)).owner, {
    apiVersion: "keystone.io/v1alpha1",
    kind: "SuperEntity",
    name: "coop",
    uid: bob.uid,
  });
  const same = changed({ status: { connectionState: "Error" }, generation: 9, trustedNode: "n7" });
  assert.equal(accountRecord(same), accountRecord(bob));
});

const served = (world: GuestWorld): GuestWorld => ({ ...world, servesTailnet: true });
const created = (world: GuestWorld) =>
  effectsOf(planGuest(world), "open").flatMap((write) => "create" in write ? [write.create] : []);

Deno.test("account: a tailnet server runs: created after access, with its owner and without a mounted token", () => {
  const world = guestWorld({ realm: bob });
  const { writes, world: after } = dryRun(served(world));
  const last = writes.at(-1)!;
  assert.deepEqual(last, {
    create: {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: {
        name: account.name,
        namespace: "keystone-system",
        labels: { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": "bob-home" },
        ownerReferences: [accountOf("bob-home", accountRecord(bob)).owner],
      },
      automountServiceAccountToken: false,
    },
  });
  assert.ok(boundAccount("bob-home", after.binding) === account.name);
  assert.equal(after.accounts?.length, 1);
});

for (
  const [what, world] of [
    ["there is no tailnet server", { ...given, accounts: [] }],
    ["it exists", served(given)],
    ["it is being deleted", served({ ...given, accounts: [{ ...account, deleting: true }] })],
    ["nothing is granted", served({ ...given, accounts: [], grants: [] })],
    ["the Realm is gone", served({ ...given, accounts: [], realm: undefined })],
    ["the binding is missing", served({ ...given, accounts: [], binding: undefined })],
    ["the binding is of other people", served({ ...given, accounts: [], realm: others })],
    [
      "somebody has removed it from the binding",
      served({ ...given, accounts: [], binding: { ...given.binding!, subjects: [] } }),
    ],
    [
      "the namespace is being deleted",
      served({ ...given, accounts: [], namespace: { ...given.namespace!, deleting: true } }),
    ],
    [
      "the namespace is somebody else's",
      served({ ...given, accounts: [], namespace: { ...given.namespace!, labels: {} } }),
    ],
  ] as [string, GuestWorld][]
) {
  Deno.test(`account: ${what}: not created`, () => {
    assert.deepEqual(created(world), []);
  });
}

Deno.test("account: people change while a tailnet server runs: the old one goes first, then the new one comes", () => {
  const { writes, world } = dryRun(served(lifecycle(account, others)));
  const steps = writes.flatMap((write) =>
    "create" in write
      ? [`create ${write.create.metadata!.name}`]
      : "delete" in write
      ? [`delete ${write.delete.name}`]
      : []
  );
  assert.deepEqual(steps, [`delete ${account.name}`, `create ${accountFor(others).name}`]);
  assert.deepEqual(world.accounts?.map(({ name }) => name), [accountFor(others).name]);
});

Deno.test("boundAccount: binding without a record, without the subject, or of another namespace: none", () => {
  const binding = given.binding!;
  assert.equal(boundAccount("bob-home", binding), account.name);
  const { account: _, ...unrecorded } = binding;
  const elsewhere = binding.subjects.map((each) => ({ ...each, namespace: "default" }));
  for (const other of [undefined, unrecorded, { ...binding, subjects: [] }, { ...binding, subjects: elsewhere }]) {
    assert.equal(boundAccount("bob-home", other), undefined);
  }
  assert.equal(boundAccount("carol-home", binding), undefined);
});
