import assert from "node:assert/strict";
import { FakeClock } from "../../../lib/clock/mod.ts";
import { converged, grant, guestWorld, now, realm } from "../../../tests/fixtures/made_facts.ts";
import { defaultSettings } from "../../api/mod.ts";
import { createStores } from "../../controllers/stores.ts";
import { rfc3339 } from "../../core/instants.ts";
import { AccessWatch } from "./access_watch.ts";

const bob = realm();
const written = converged(guestWorld({ realm: bob })).binding!;

/** A watch over real stores: Bob's access is open until `seconds` from now. */
function watch(seconds = 30) {
  const stores = createStores();
  let version = 0;
  const metadata = (name: string, more: Record<string, unknown> = {}) => ({
    name,
    uid: `uid-${name}`,
    resourceVersion: String(++version),
    generation: 1,
    creationTimestamp: rfc3339(now - 60_000),
    finalizers: ["keystone.io/guest"],
    ...more,
  });
  const put = {
    realm: () => stores.realms.observe({ metadata: metadata("bob-home"), spec: bob.spec } as never),
    grant: (spec: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
      stores.grants.observe({
        metadata: metadata("alice-to-bob", more),
        spec: { ...grant().spec, validity: { validUntil: rfc3339(now + seconds * 1000) }, ...spec },
        status: { phase: "Active" },
      } as never),
    binding: () =>
      stores.bindings.observe({
        metadata: metadata("keystone-guest", {
          namespace: "guest-bob-home",
          labels: { "app.kubernetes.io/managed-by": "keystone", "keystone.io/realm": "bob-home" },
          annotations: { "keystone.io/account": written.account },
        }),
        roleRef: { apiGroup: "rbac.authorization.k8s.io", ...written.roleRef },
        subjects: written.subjects,
      } as never),
  };
  put.realm();
  put.grant();
  put.binding();
  const clock = new FakeClock(now);
  const watched = ["bob-home"];
  const access = new AccessWatch({
    stores,
    settings: defaultSettings,
    local: () => ({ kind: "known", name: "alice-home" }),
    skewMs: () => 0,
    clock,
  }, () => watched);
  const told: string[][] = [];
  access.onChange((realms) => told.push([...realms]));
  return { access, clock, put, told, watched };
}

Deno.test("access watch: an end is told at its moment, and not before", async () => {
  const { access, clock, told } = watch(30);
  await clock.advance(0);
  access.start();
  assert.equal(access.of("bob-home").is, "open");
  await clock.advance(29_999);
  assert.equal(access.of("bob-home").is, "open");
  told.length = 0;
  await clock.advance(1);
  assert.deepEqual(told.at(-1), ["bob-home"]);
  assert.equal(access.of("bob-home").is, "closed");
  access[Symbol.dispose]();
});

Deno.test("access watch: this clock is set ahead: told within a second", async () => {
  const { access, clock, told } = watch(3600);
  access.start();
  await clock.advance(0);
  told.length = 0;
  clock.step(3_600_000);
  await clock.advance(1000);
  assert.ok(told.length > 0);
  assert.equal(access.of("bob-home").is, "closed");
  access[Symbol.dispose]();
});

Deno.test("access watch: a changed object is told at once; nothing runs while nobody is connected", async () => {
  const { access, clock, put, told, watched } = watch(3600);
  await clock.advance(0);
  told.length = 0;
  put.grant({ revocation: { immediate: true } });
  await clock.advance(0);
  assert.deepEqual(told, [["bob-home"]]);
  assert.equal(access.of("bob-home").is, "closed");
  watched.length = 0;
  access.start();
  await clock.advance(1000);
  told.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(told, []);
  access[Symbol.dispose]();
});

Deno.test("access watch: revoked with notice while no operator runs: ends when the notice does", async () => {
  const { access, clock, put } = watch(3600);
  put.grant({ revocation: {}, termination: { noticeSeconds: 10 } }, { generation: 2 });
  access.start();
  await clock.advance(0);
  assert.equal(access.of("bob-home").is, "open");
  await clock.advance(9000);
  assert.equal(access.of("bob-home").is, "open");
  await clock.advance(1000);
  assert.equal(access.of("bob-home").is, "closed");
  access[Symbol.dispose]();
});
