import assert from "node:assert/strict";
import { effectsOf, writtenBy } from "./effects.ts";
import type { FlowSchemaFacts, GuestWrites } from "./facts.ts";
import { flowSubjects, guestFlowOf, type GuestFlowWorld, maxFlowSubjects, planGuestFlow } from "./plan_guest_flow.ts";

/** The FlowSchema that a plan writes. */
const planned = (world: GuestFlowWorld) => effectsOf(planGuestFlow(world)).map(writtenBy)[0];

const accountsIn = (namespace: string) => ({ kind: "ServiceAccount", serviceAccount: { namespace, name: "*" } });
const accounts = accountsIn("keystone-system");

Deno.test("guest flow: contains every grantee's subjects once, by default its group, and the accounts of its pods", () => {
  const subjects = flowSubjects([
    { name: "bob-home" },
    { name: "carol", subjects: [{ kind: "User", name: "carol" }, { kind: "Group", name: "keystone:realm:bob-home" }] },
  ]);
  assert.deepEqual(subjects, [
    accounts,
    { kind: "Group", group: { name: "keystone:realm:bob-home" } },
    accountsIn("guest-bob-home"),
    accountsIn("guest-carol"),
    { kind: "User", user: { name: "carol" } },
  ]);
});

Deno.test("guest flow: a Realm that names the cluster's own identities: they are excluded", () => {
  const names = ["system:authenticated", "system:masters", "system:node:one", "*"];
  assert.deepEqual(flowSubjects(names.map((name) => ({ name: "eve", subjects: [{ kind: "Group", name }] }))), [
    accounts,
    accountsIn("guest-eve"),
  ]);
});

Deno.test("guest flow: more subjects than an object can hold: the rest is omitted", () => {
  const many = Array.from({ length: maxFlowSubjects + 5 }, (_, index) => ({ name: `realm-${index}` }));
  const flow = guestFlowOf(many, "Open");
  assert.equal(flow.spec!.rules![0]!.subjects.length, maxFlowSubjects);
  assert.ok(JSON.stringify(flow).length < 1_000_000);
});

Deno.test("guest flow: priority level missing or FlowSchema as desired: nothing is written", () => {
  const grantees = [{ name: "bob-home" }];
  const desired = guestFlowOf(grantees, "Open");
  const present = { uid: "1", labels: desired.metadata!.labels!, spec: desired.spec, guestWrites: "Open" as const };
  const open = { hasLevel: true, guestWrites: "Open" as const };
  assert.equal(
    planned({ grantees, present: undefined, hasLevel: false, guestWrites: "Open" as const }),
    undefined,
  );
  assert.equal(planned({ grantees, present, ...open }), undefined);
  assert.ok(planned({ grantees, present: undefined, ...open }));
  assert.ok(planned({ grantees: [], present, ...open }));
  assert.ok(planned({ grantees, present: { ...present, labels: {} }, ...open }));
});

Deno.test("guest flow: guests' writes close or open: one write, with or without the priority level", () => {
  const grantees = [{ name: "bob-home" }];
  const { metadata, spec } = guestFlowOf(grantees, "Open");
  const flow = (guestWrites: GuestWrites) => ({ uid: "1", labels: metadata!.labels!, spec, guestWrites });
  for (const hasLevel of [true, false]) {
    const written = (present: FlowSchemaFacts | undefined, guestWrites: GuestWrites) =>
      planned({ grantees, present, hasLevel, guestWrites })?.metadata;
    for (const closed of ["Closed", "PodsClosed"] as const) {
      for (const present of [flow("Open"), undefined]) {
        assert.deepEqual(written(present, closed)?.annotations, { "keystone.io/guest-writes": closed });
      }
      const opening = written(flow(closed), "Open");
      assert.ok(opening && opening.annotations === undefined, "server-side apply removes it");
      assert.equal(written(flow(closed), closed), undefined);
    }
    assert.ok(written(flow("Closed"), "PodsClosed"));
  }
});
