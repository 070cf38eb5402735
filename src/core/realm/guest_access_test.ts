import assert from "node:assert/strict";
import { accountFor, alice, converged, grant, guestWorld, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { rfc3339 } from "../instants.ts";
import { type GuestAccess, guestAccess, type GuestAccessWorld } from "./guest_access.ts";

const bob = realm({ createdAt: now - 10_000 });
const account = accountFor(bob).name;
/** The binding as the operator writes it. */
const { binding } = converged(guestWorld({ realm: bob }));
const active = (facts: Parameters<typeof grant>[0] = {}): GrantFacts =>
  grant({ ...facts, status: { phase: "Active", ...facts.status } });
const until = (seconds: number) => ({ validity: { validUntil: rfc3339(now + seconds * 1000) } });

const accessIn = (world: Partial<GuestAccessWorld> = {}): GuestAccess =>
  guestAccess({
    name: "bob-home",
    realm: bob,
    grants: [active()],
    binding,
    local: alice,
    settings: defaultSettings,
    skewMs: 0,
    now,
    ...world,
  });
const reasonIn = (world: Partial<GuestAccessWorld>) => {
  const access = accessIn(world);
  return access.is === "open" ? "open" : access.reason;
};

Deno.test("access: a grant in force and the operator's binding: open, with the last end", () => {
  assert.deepEqual(accessIn(), { is: "open", account });
  const grants = [active({ name: "a", spec: until(60) }), active({ name: "b", spec: until(3600) })];
  const access = accessIn({ grants });
  assert.ok(access.is === "open");
  assert.equal(access.endsAt, now + 3_600_000);
  assert.ok(access.wakeAt! <= now + 60_000);
  assert.equal((accessIn({ grants: [...grants, active()] }) as { endsAt?: number }).endsAt, undefined);
});

for (
  const [that, world, reason] of [
    ["there is no Realm", { realm: undefined }, "RealmGone"],
    ["the Realm is being deleted", { realm: { ...bob, deleting: true } }, "RealmGone"],
    ["there is no grant", { grants: [] }, "GrantEnded"],
    ["the end is reached, and the status still says Active", { grants: [active({ spec: until(0) })] }, "GrantEnded"],
    ["it is revoked at once", { grants: [active({ spec: { revocation: { immediate: true } } })] }, "GrantEnded"],
    ["it has expired", { grants: [grant({ status: { phase: "Expired" } })] }, "GrantEnded"],
    ["it has not begun", {
      grants: [grant({ spec: { validity: { validFrom: rfc3339(now + 60_000) } } })],
    }, "GrantEnded"],
    [
      "it is enforced in another cluster",
      { local: { kind: "known", name: "dave-home" }, grants: [grant()] },
      "GrantEnded",
    ],
    ["there is no binding", { binding: undefined }, "AccessClosed"],
    [
      "the binding has another role",
      { binding: { ...binding!, roleRef: { kind: "ClusterRole", name: "view" } } },
      "AccessClosed",
    ],
    ["the binding has no account", { binding: { ...binding!, subjects: [] } }, "AccessClosed"],
    ["the people have changed, and the binding has not", {
      realm: { ...bob, spec: { ...bob.spec, subjects: [{ kind: "User", name: "carol@example.com" }] } },
    }, "AccessClosed"],
    ["the Realm was made again", { realm: { ...bob, uid: "another" } }, "AccessClosed"],
  ] as [string, Partial<GuestAccessWorld>, string][]
) {
  Deno.test(`access: ${that}: ${reason}`, () => assert.equal(reasonIn(world), reason));
}

Deno.test("access: one of two grants ends: open until the other one does", () => {
  const grants = [active({ name: "a", spec: until(10) }), active({ name: "b", spec: until(20) })];
  assert.equal(reasonIn({ grants, now: now + 19_999 }), "open");
  assert.equal(reasonIn({ grants, now: now + 20_000 }), "GrantEnded");
});

Deno.test("access: the clocks disagree: an end that is past by this clock alone does not count, as for the operator", () => {
  assert.equal(reasonIn({ grants: [active({ spec: until(0) })], skewMs: -3_600_000 }), "open");
  assert.equal(
    reasonIn({ grants: [active({ spec: { revocation: { immediate: true } } })], skewMs: 3_600_000 }),
    "GrantEnded",
  );
});

Deno.test("access: revoked with notice, and no operator dates its end: it ends when it was first seen to", () => {
  let seen: number | undefined;
  const firstSeenEnd = (_: GrantFacts, end: number) => seen ??= end;
  const grants = [active({ spec: { revocation: {}, termination: { noticeSeconds: 30 } } })];
  const at = (seconds: number) => reasonIn({ grants, firstSeenEnd, now: now + seconds * 1000 });
  assert.deepEqual([at(0), at(10), at(29), at(30)], ["open", "open", "open", "GrantEnded"]);
});
