import assert from "node:assert/strict";
import { afterWrites, converged, grant, guestWorld, now, realm } from "../../../tests/fixtures/made_facts.ts";
import type { ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NamespaceFacts } from "../facts.ts";
import { effectsOf, type MergePatch } from "../effects.ts";
import { planGuest } from "./plan_guest.ts";
import type { GuestWorld } from "./guest_world.ts";

const day = 86_400_000;
const bob = realm();
const at = (ms: number): string => new Date(now + ms).toISOString();
const nothing = { claims: 0, snapshots: 0 };
const ending = (volumes: "Retain" | "Delete") =>
  grant({ spec: { validity: { validUntil: at(1000) }, termination: { noticeSeconds: 0, volumes } } });
const annotated = (world: GuestWorld, annotations: Record<string, string>): GuestWorld => ({
  ...world,
  namespace: { ...world.namespace!, annotations: { ...world.namespace!.annotations, ...annotations } },
});
const counting = (world: GuestWorld, claims: string): GuestWorld => ({
  ...world,
  quota: { ...world.quota!, used: { ...world.quota!.used, persistentvolumeclaims: claims } },
});
const begun = (volumes: "Retain" | "Delete") => converged(guestWorld({ realm: bob, grants: [ending(volumes)] }));
const closed = (volumes: "Retain" | "Delete", claims = "0", namespace: Partial<NamespaceFacts> = {}) => {
  const world = { ...counting(begun(volumes), claims), pods: [], now: now + 1000 };
  const seen = { ...world, namespace: { ...world.namespace!, ...namespace } };
  return afterWrites(seen, planGuest(seen));
};
const does = (world: GuestWorld): string[] =>
  effectsOf(planGuest(world)).map((write) =>
    "delete" in write ? `delete ${write.delete.name}` : "deleteAll" in write ? "delete claims" : "writes"
  );
const record = (world: GuestWorld) => world.namespace!.annotations;
const listed = (world: GuestWorld, stored = nothing): GuestWorld => ({ ...world, stored });
const after = (world: GuestWorld): GuestWorld => {
  const { stored: _, ...next } = afterWrites(world, planGuest(world));
  return next;
};
/** A namespace that is closed and known to be empty. */
const empty = () => after(listed(closed("Retain")));

Deno.test("retention: closed and empty for a day, and still so: deleted", () => {
  const world = closed("Retain");
  assert.deepEqual([does(world), planGuest(world).needsStored], [[], true], "the quota's word isn't enough");
  assert.deepEqual(does({ ...world, storedError: "no" }), [], "nor is none");
  const found = empty();
  assert.equal(record(found)["keystone.io/empty-since"], `${at(1000).replace(".000", "")} ${found.namespace!.uid}`);
  assert.deepEqual([does(found), planGuest(found).wakeAt], [[], now + 1000 + day]);
  const due = { ...found, now: now + 1000 + day };
  assert.deepEqual([does(due), planGuest(due).needsStored], [[], true]);
  assert.deepEqual(does(listed(due)), ["delete guest-bob-home"]);
});

Deno.test("retention: data restored meanwhile: found before the deletion, and the namespace is kept permanently", () => {
  const due = { ...empty(), now: now + 1000 + day };
  for (const stored of [{ claims: 1, snapshots: 0 }, { claims: 0, snapshots: 1 }]) {
    const kept = after(listed(due, stored));
    assert.equal(record(kept)["keystone.io/kept"], "true");
    assert.deepEqual(does(listed({ ...kept, now: now + 99 * day })), [], "also when it has gone again");
  }
});

Deno.test("retention: an empty namespace made for another identity: deleted like any other", () => {
  const world = { ...closed("Retain"), realm: realm({ spec: { identity: "bob-home.elsewhere.ts.net" } }) };
  const found = after(listed(world));
  assert.notEqual(record(found)["keystone.io/empty-since"], undefined);
  assert.equal(record(found)["keystone.io/grantee"], record(world)["keystone.io/grantee"]);
  const trusted = {
    ...world,
    realm: realm({ spec: { identity: "bob-home.elsewhere.ts.net", trustLevel: "internal" } }),
  };
  const { "keystone.io/empty-since": _, ...others } = record(after(listed(trusted)));
  assert.deepEqual(others, record(world), "nothing else is written by the trust level of the other");
  assert.deepEqual(after(listed(trusted)).namespace!.labels, world.namespace!.labels);
  assert.deepEqual(does(listed({ ...found, now: now + 1000 + day })), ["delete guest-bob-home"]);
});

Deno.test("retention: claims are kept unless every grant specifies Delete", () => {
  const kept = closed("Retain", "2");
  assert.equal(record(kept)["keystone.io/kept"], "true");
  assert.deepEqual(does(listed({ ...kept, now: now + 99 * day }, { claims: 2, snapshots: 0 })), []);
  const freed = counting(kept, "0");
  assert.deepEqual(
    does(listed({ ...freed, now: now + 99 * day })),
    [],
    "a namespace that has kept volumes is deleted only by hand",
  );
  assert.deepEqual(does({ ...kept, grants: [ending("Delete")] }), [], "a grant with Retain is recorded");
  const again = converged({ ...kept, grants: [grant({ name: "next", spec: { termination: { volumes: "Delete" } } })] });
  assert.equal(record(again)["keystone.io/volumes"], "Retain", "also by those that come after it");
  assert.equal(record(again)["keystone.io/kept"], "true");

  assert.deepEqual(does(closed("Delete", "2")), ["delete claims"]);
  assert.deepEqual(does(closed("Delete", "1k")), ["delete claims"], "however the count is written");
  const gone = counting(closed("Delete", "2"), "0");
  assert.deepEqual(does(listed(gone, { claims: 1, snapshots: 0 })), ["delete claims"], "including uncounted claims");
  assert.equal(record(after(listed(gone)))["keystone.io/empty-since"] !== undefined, true);
});

const others: [string, Partial<NamespaceFacts>][] = [
  ["restored from a backup", { createdAt: now + 500 * day, uid: "another" }],
  ["made by an earlier version", { annotations: {} }],
];
for (const [what, facts] of others) {
  Deno.test(`retention: a namespace that was ${what}: nothing is deleted, and the event has the command`, () => {
    for (const volumes of ["Retain", "Delete"] as const) {
      const before = { ...counting(begun(volumes), "1"), pods: [], now: now + 501 * day };
      const seen = { ...before, namespace: { ...before.namespace!, ...facts } };
      const [reported] = effectsOf(planGuest(seen)).flatMap((write) => "apply" in write ? write.events ?? [] : []);
      assert.match(reported!.event.note, /are kept, so it stays .*kubectl delete namespace/);
      const world = afterWrites(seen, planGuest(seen));
      for (const claims of ["1", "0"]) {
        const later = counting({ ...world, now: now + 999 * day }, claims);
        assert.deepEqual(does(listed(later, { claims: Number(claims), snapshots: 0 })), [], `${volumes} ${claims}`);
      }
    }
  });
}

/** The limits that the plan's quota sets. */
const hardIn = (world: GuestWorld): Record<string, string> =>
  effectsOf(planGuest(world)).flatMap((write) =>
    "apply" in write && write.apply.kind === "ResourceQuota" ? [(write.apply as ResourceQuota).spec!.hard!] : []
  )[0] as Record<string, string> ?? world.quota!.specHard;
const stored = ["requests.storage", "persistentvolumeclaims", "secrets", "configmaps", "count/deployments.apps"];

Deno.test("retention: restored without a grant: nothing may run, but data may be restored until a grant comes", () => {
  const found = closed("Retain");
  const { quota: _, ...rest } = found;
  const restored: GuestWorld = {
    ...rest,
    namespace: { ...found.namespace!, createdAt: now + 500 * day },
    now: now + 500 * day,
  };
  const hard = hardIn(restored);
  for (const key of ["pods", "count/pods", "limits.cpu", "services.loadbalancers", "count/jobs.batch"]) {
    assert.equal(hard[key], "0", key);
  }
  assert.deepEqual(stored.filter((key) => key in hard), []);
  const later = afterWrites(restored, planGuest(restored));
  assert.equal(record(later)["keystone.io/unopened"], found.namespace!.uid);
  assert.deepEqual(stored.filter((key) => key in hardIn(later)), [], "while more is restored");
  const next = grant({ name: "next", spec: { validity: { validUntil: at(501 * day) } } });
  const open = converged({ ...later, grants: [...later.grants, next] });
  assert.equal(record(open)["keystone.io/unopened"], undefined);
  assert.deepEqual(stored.filter((key) => !(key in open.quota!.specHard)), []);
  const over = { ...open, pods: [], now: now + 502 * day };
  assert.deepEqual(stored.map((key) => hardIn(over)[key]), stored.map(() => "0"), "its grant has ended");
  const { quota: __, ...lost } = afterWrites(over, planGuest(over));
  assert.deepEqual(stored.map((key) => hardIn(lost)[key]), stored.map(() => "0"), "its quota was deleted afterwards");
});

Deno.test("retention: records of an earlier namespace of the name: ignored", () => {
  const found = empty();
  const restored = (facts: Partial<NamespaceFacts>): GuestWorld => ({
    ...found,
    now: now + 500 * day,
    namespace: { ...found.namespace!, ...facts },
  });
  // Its end is recorded again, so that restored pods get their drain time.
  const other = restored({ uid: "another", createdAt: now + 499 * day });
  const [write] = effectsOf(planGuest(other));
  assert.equal(
    (write as { apply: { metadata: { annotations: Record<string, string> } } }).apply.metadata
      .annotations["keystone.io/ended-at"],
    at(500 * day).replace(".000", ""),
  );
  assert.deepEqual(does(listed(other)).filter((what) => what !== "writes"), []);
  // A namespace created again at once from the same manifest.
  const copied = restored({ uid: "another" });
  assert.deepEqual(does(listed(copied)), ["writes"]);
  assert.deepEqual(does(after(listed(copied))), [], "its day begins now");
});

Deno.test("retention: a grant waits for its Realm: nothing is deleted, even when another grant ends", () => {
  const due = listed({ ...empty(), now: now + 1000 + day });
  const waiting = grant({ name: "waits", spec: { granteeRealm: "bob-home" } });
  const ends = { ...ending("Delete"), status: { phase: "Active" as const } };
  for (const grants of [[waiting], [ends, waiting]]) {
    assert.ok(!does({ ...due, realm: undefined, grants }).includes("delete guest-bob-home"), String(grants.length));
  }
});

Deno.test("retention: the quota isn't in force or the clocks disagree: nothing is deleted", () => {
  const due = listed({ ...empty(), now: now + 1000 + day });
  assert.deepEqual(does({ ...due, skewMs: 5000 }), []);
  assert.ok(!does({ ...due, quota: undefined }).includes("delete guest-bob-home"));
  const lagging = { ...due, quota: { ...due.quota!, statusHard: {} } };
  assert.ok(!does(lagging).includes("delete guest-bob-home"));
});

Deno.test("retention: a namespace is handed over: no longer counts as made by Keystone", () => {
  const world = annotated(begun("Delete"), { "keystone.io/grantee": "Realm/bob-home/eve.example/" });
  const [write] = effectsOf(planGuest(annotated(world, { "keystone.io/adopt": "yes" })));
  const { annotations } = (write as { patch: unknown; body: MergePatch }).body.metadata!;
  assert.equal(annotations!["keystone.io/made-at"], null);
  assert.equal(annotations!["keystone.io/volumes"], "Retain");
});
