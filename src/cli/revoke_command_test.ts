/** Commands that end or extend grants, against answers of an API server that may change what it is sent. */
import assert from "node:assert/strict";
import { keystone } from "../../tests/fixtures/keystone_command.ts";
import type { Grant } from "../api/client/keystone.io@v1alpha1.ts";

const path = "/apis/keystone.io/v1alpha1/grants/lent";
const now = () => Date.parse("2026-06-01T12:00:00Z");

const lent = (spec: Record<string, unknown> = {}, status: Record<string, unknown> = {}, metadata = {}): Grant => ({
  apiVersion: "keystone.io/v1alpha1",
  kind: "Grant",
  metadata: { name: "lent", uid: "g1", resourceVersion: "1", generation: 1, ...metadata },
  spec: { grantorRealm: "alice-home", granteeRealm: "bob-home", hard: { cpu: "2", memory: "4Gi" }, ...spec },
  status: { phase: "Active", state: "Active", ...status },
} as Grant);

const revoked = (more = {}) =>
  lent({ revocation: { reason: "the disk is full", ...more } }, {
    state: "Ending",
    effectiveUntil: "2026-06-01T12:05:00Z",
  });

/** Runs the command; `stores` is what the API server stores instead of what it is sent. */
async function run(
  args: readonly string[],
  grant: Grant,
  stores: (sent: Record<string, unknown>) => Grant = () => grant,
) {
  const patches: Record<string, Record<string, unknown>>[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname !== path) return new Response("", { status: 404 });
    if (request.method !== "PATCH") return Response.json(grant);
    patches.push(await request.json());
    return Response.json(stores(patches[0]!["spec"]!));
  });
  const kubeconfig = await Deno.makeTempFile();
  const named = (name: string, key: string, value: unknown) => [{ name, [key]: value }];
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      "current-context": "c",
      "clusters": named("c", "cluster", { server: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}` }),
      "users": named("u", "user", {}),
      "contexts": named("c", "context", { cluster: "c", user: "u" }),
    }),
  );
  try {
    const said = await keystone(kubeconfig, args, { now });
    return { ...said, sent: patches.map(({ spec }) => spec) };
  } finally {
    await Deno.remove(kubeconfig);
  }
}

Deno.test("revoke --now: sent, and said only if the API server stored it", async () => {
  const args = ["revoke", "lent", "--now", "--yes"];
  const done = await run(args, lent(), (spec) => lent(spec));
  assert.deepEqual([done.code, done.sent], [0, [{ revocation: { immediate: true } }]]);
  assert.match(done.out, /^Grant lent is revoked; it ends at once\./);
  const old = await run(args, lent(), () => lent({ revocation: {} }));
  assert.equal(old.code, 1);
  assert.match(old.err, /is revoked, but not at once: it ends after at most 300 s of notice\. .*kubectl apply -f crds/);
});

Deno.test("revoke --now: a grant on notice, or one that is being deleted, ends at once too", async () => {
  const args = ["revoke", "lent", "--now", "--yes"];
  assert.deepEqual((await run(args, revoked(), () => revoked({ immediate: true }))).sent, [{
    revocation: { immediate: true },
  }]);
  assert.deepEqual((await run(args, revoked({ immediate: true }))).sent, []);
  const deleted = lent({}, {}, { deletionTimestamp: "2026-06-01T11:59:00Z" });
  assert.deepEqual((await run(args, deleted, () => lent({ revocation: { immediate: true } }))).sent.length, 1);
  const waits = await run(["revoke", "lent"], deleted);
  assert.deepEqual([waits.code, waits.sent], [0, []]);
  assert.match(waits.out, /is being deleted; it ends after at most 300 s of notice/);
});

Deno.test("revoke --reason on a revoked grant: an error, and the first stays; without one it is added", async () => {
  const second = await run(["revoke", "lent", "--reason", "moving", "--yes"], revoked());
  assert.deepEqual([second.code, second.sent], [1, []]);
  assert.match(second.err, /"the disk is full"; it ends at 2026-06-01T12:05:00Z\. The first reason stays/);
  const same = await run(["revoke", "lent", "--reason", "the disk is full", "--yes"], revoked());
  assert.deepEqual([same.code, same.sent], [0, []]);
  const bare = lent({ revocation: {} });
  const added = await run(["revoke", "lent", "--reason", "moving", "--yes"], bare, (spec) => lent(spec));
  assert.deepEqual([added.code, added.sent], [0, [{ revocation: { reason: "moving" } }]]);
  const over = await run(
    ["revoke", "lent", "--reason", "late", "--yes"],
    lent({}, { phase: "Expired", message: "Ended." }),
  );
  assert.deepEqual([over.code, over.sent], [1, []]);
});

Deno.test("revoke: a webhook changes or removes the revocation: the answer says so", async () => {
  const removed = await run(["revoke", "lent", "--yes"], lent(), () => lent());
  assert.equal(removed.code, 1);
  assert.match(removed.err, /is not revoked/);
  const changed = await run(
    ["revoke", "lent", "--reason", "a", "--yes"],
    lent(),
    () => lent({ revocation: { reason: "b" } }),
  );
  assert.match(changed.out, /The stored reason is "b", because a webhook changed it/);
});

Deno.test("revoke --timeout without --wait: a usage error; a time that is none too", async () => {
  assert.equal((await run(["revoke", "lent", "--timeout", "5m", "--yes"], lent())).code, 2);
  const wrong = await run(["revoke", "lent", "--wait", "--timeout", "soon", "--yes"], lent());
  assert.deepEqual([wrong.code, wrong.sent], [2, []]);
});

Deno.test("extend: revoked, deleted or ended: refused unsent, with the command that lends again", async () => {
  const cases: [Grant, RegExp][] = [
    [revoked(), /is revoked, with the reason "the disk is full"; it ends at 2026-06-01T12:05:00Z\./],
    [lent({}, {}, { deletionTimestamp: "2026-06-01T11:59:00Z" }), /is being deleted; it ends after/],
    [lent({}, { phase: "Expired", message: "Ended at 2026-05-01T00:00:00Z." }), /has ended\. Ended at 2026-05-01/],
  ];
  for (const [grant, says] of cases) {
    const { code, err, sent } = await run(["extend", "lent", "--for", "1d"], grant);
    assert.deepEqual([code, sent], [1, []]);
    assert.match(err, says);
    assert.match(err, /keystone grant create NEW-NAME --to bob-home --hard cpu=2,memory=4Gi/);
  }
});

Deno.test("extend: another end is stored, or the grant was revoked meanwhile: no success is printed", async () => {
  const args = ["extend", "lent", "--until", "2026-07-01"];
  const done = await run(args, lent(), (spec) => lent(spec));
  assert.deepEqual([done.code, done.out], [
    0,
    "Grant lent lasts until Wednesday 2026-07-01 00:00 UTC (2026-07-01T00:00:00Z).",
  ]);
  const other = await run(args, lent(), () => lent({ validity: { validUntil: "2026-06-02T00:00:00Z" } }));
  assert.deepEqual([other.code, other.out], [1, ""]);
  assert.match(other.err, /lasts until .*\(2026-06-02T00:00:00Z\), not until .*\(2026-07-01T00:00:00Z\)/);
  const meanwhile = await run(args, lent(), () => revoked());
  assert.deepEqual([meanwhile.code, meanwhile.out], [1, ""]);
});
