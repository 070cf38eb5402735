import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import { WorkQueue } from "../../lib/controller/mod.ts";
import type { GrantFacts, QuotaFacts, RealmFacts } from "../core/facts.ts";
import { grant, now, realm } from "../../tests/fixtures/made_facts.ts";
import { realmErrorReasons } from "../core/realm/observation.ts";
import { HealthServer } from "./health_server.ts";
import type { OperatorStage } from "./operator_stage.ts";
import type { Snapshot } from "./snapshot.ts";

const ask = (server: HealthServer, path: string, method = "GET") =>
  server.answer(new Request(`http://localhost:8080${path}`, { method }));

const ready = (status: "True" | "False", type = "Ready") => ({
  type,
  status,
  reason: "Tested",
  message: "",
  lastTransitionTime: "2026-06-01T12:00:00Z",
});

function world() {
  const queue = new WorkQueue({ clock: systemClock });
  const seen = {
    grants: [] as GrantFacts[],
    realms: [] as RealmFacts[],
    superEntities: [] as ("Pending" | "Active" | "Incomplete" | undefined)[],
    quotas: [] as (QuotaFacts & { realm: string })[],
    drains: [] as { realm: string; running: number; terminating: number }[],
    tailnet: { state: "running", online: 2, offline: 1 },
  };
  const snapshot: Snapshot = {
    grants: () => seen.grants,
    realms: () => seen.realms,
    superEntities: () => seen.superEntities,
    quotas: () => seen.quotas,
    drains: () => seen.drains,
    tailnet: () => seen.tailnet,
    queues: { grants: queue },
    unreadable: () => new Map([["Pod", 2], ["Node", 0]]),
    storage: () => ({ bytes: 3e8, quotaBytes: 2e9, guestWrites: "PodsClosed" }),
    skewMs: () => 3000,
  };
  const server = new HealthServer({ version: "1.2.3" });
  const series = async (name: string) =>
    (await (await ask(server, "/metrics")).text()).split("\n").filter((line) => new RegExp(`^${name}[ {]`).test(line));
  return { seen, snapshot, server, queue, series };
}

const stages: [OperatorStage, number, RegExp][] = [
  [{ is: "starting", message: "The API server can't be reached." }, 503, /^Not ready: The API server can't be/],
  [{ is: "syncing" }, 503, /^Not ready: reading/],
  [{ is: "standby", holder: "operator-1_7_ab" }, 200, /^Ready, in standby: operator-1_7_ab holds the Lease/],
  [{ is: "leading" }, 200, /^Ready: this operator holds the Lease/],
  [{ is: "stopping" }, 503, /^Not ready: stopping/],
];

Deno.test("health: the API server is gone: /readyz 503 with the reason, whatever the stage; /healthz 200", async () => {
  const { server, snapshot, series } = world();
  let obstacle: string | undefined = "the API server can't be used for 12 s: connection refused.";
  server.snapshot({ ...snapshot, circumstances: () => ({ obstacle }) });
  for (const stage of [{ is: "leading" }, { is: "standby", holder: "other" }] as const) {
    server.stage(stage);
    obstacle = "the API server can't be used for 12 s: connection refused.";
    const ready = await ask(server, "/readyz");
    assert.equal(ready.status, 503);
    assert.equal(await ready.text(), "Not ready: the API server can't be used for 12 s: connection refused.\n");
    assert.equal((await ask(server, "/healthz")).status, 200);
    assert.deepEqual(await series("keystone_ready"), ["keystone_ready 0"]);
    obstacle = undefined;
    assert.equal((await ask(server, "/readyz")).status, 200);
  }
});

Deno.test("health: the tailnet is gone: ready, and the text says so", async () => {
  const { server, snapshot } = world();
  server.snapshot({ ...snapshot, circumstances: () => ({ remarks: ["The tailnet is unavailable: it is stopped."] }) });
  server.stage({ is: "leading" });
  const ready = await ask(server, "/readyz");
  assert.equal(ready.status, 200);
  assert.match(await ready.text(), /^Ready: .*\. The tailnet is unavailable: it is stopped\.\n$/);
});

for (const [stage, status, says] of stages) {
  Deno.test(`health: operator is ${stage.is}: /readyz responds ${status}, /healthz 200`, async () => {
    const { server } = world();
    server.stage(stage);
    const answer = await ask(server, "/readyz");
    assert.equal(answer.status, status);
    assert.match(await answer.text(), says);
    assert.equal((await ask(server, "/healthz")).status, 200);
  });
}

Deno.test("health: stopping: not ready again, whatever stage follows", async () => {
  const { server } = world();
  server.stage({ is: "leading" });
  server.stage({ is: "stopping" });
  server.stage({ is: "standby" });
  assert.equal((await ask(server, "/readyz")).status, 503);
});

Deno.test("health: other paths and methods: refused with a sentence", async () => {
  const { server } = world();
  for (const path of ["/", "/metrics/", "/constructor", "/__proto__", "/healthz%00"]) {
    assert.equal((await ask(server, path)).status, 404, path);
  }
  const answer = await ask(server, "/metrics", "POST");
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get("allow"), "GET, HEAD");
});

Deno.test("metrics: before anything is read: only metrics of the process, no grants", async () => {
  const { server, series } = world();
  assert.deepEqual(await series("keystone_grants"), []);
  assert.deepEqual(await series("keystone_leader"), ["keystone_leader 0"]);
  assert.deepEqual(await series("keystone_build_info"), [
    'keystone_build_info{version="1.2.3",component="operator"} 1',
  ]);
  const answer = await ask(server, "/metrics");
  assert.match(answer.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
});

Deno.test("metrics: grant is deleted: its series are removed", async () => {
  const { seen, snapshot, server, series } = world();
  server.snapshot(snapshot);
  server.stage({ is: "leading" });
  seen.grants = [grant({
    spec: { validity: { validUntil: "2026-06-01T13:00:00Z" } },
    status: {
      phase: "Active",
      hard: { "requests.cpu": "1500m", "requests.memory": "4Gi" },
      // As the Grant spells it.
      actualUsage: { cpu: "250m" },
      conditions: [ready("True"), ready("True", "Draining")],
    },
  })];
  const labels = 'grant="alice-to-bob",realm="bob-home",grantee="bob-home"';
  assert.deepEqual(await series("keystone_grants"), [
    'keystone_grants{phase="Pending"} 0',
    'keystone_grants{phase="Active"} 1',
    'keystone_grants{phase="Revoked"} 0',
    'keystone_grants{phase="Expired"} 0',
  ]);
  assert.deepEqual(await series("keystone_leader"), ["keystone_leader 1"]);
  assert.deepEqual(await series("keystone_grant_ready"), [`keystone_grant_ready{${labels}} 1`]);
  assert.deepEqual(await series("keystone_grant_draining"), [`keystone_grant_draining{${labels}} 1`]);
  const amount = (resource: string) =>
    `grant="alice-to-bob",realm="bob-home",resource="${resource}",grantee="bob-home"`;
  assert.deepEqual(await series("keystone_grant_hard"), [
    `keystone_grant_hard{${amount("requests.cpu")}} 1.5`,
    `keystone_grant_hard{${amount("requests.memory")}} ${4 * 2 ** 30}`,
  ]);
  assert.deepEqual(await series("keystone_grant_used"), [
    `keystone_grant_used{${amount("requests.cpu")}} 0.25`,
  ]);
  assert.deepEqual(await series("keystone_grant_end_timestamp_seconds"), [
    `keystone_grant_end_timestamp_seconds{${labels}} ${(now + 3_600_000) / 1000}`,
  ]);
  assert.deepEqual(await series("keystone_clock_skew_seconds"), ["keystone_clock_skew_seconds 3"]);
  assert.deepEqual(await series("keystone_storage_size_bytes"), ["keystone_storage_size_bytes 300000000"]);
  assert.deepEqual(await series("keystone_storage_quota_bytes"), ["keystone_storage_quota_bytes 2000000000"]);
  assert.deepEqual(await series("keystone_guest_writes_closed"), ["keystone_guest_writes_closed 1"]);

  seen.grants = [grant({ status: { phase: "Expired", hard: { "requests.cpu": "1" } } })];
  assert.deepEqual(await series("keystone_grant_hard"), []);
  assert.deepEqual(await series("keystone_grant_ready"), []);
  seen.grants = [];
  for (const name of ["keystone_grant_used", "keystone_grant_draining", "keystone_grant_end_timestamp_seconds"]) {
    assert.deepEqual(await series(name), []);
  }
});

Deno.test("metrics: grant starts later or is enforced elsewhere: no readiness series", async () => {
  const { seen, snapshot, server, series } = world();
  server.snapshot(snapshot);
  const pending = (name: string, reason: string) =>
    grant({
      name,
      spec: { validity: { validUntil: "2026-06-01T13:00:00Z" } },
      status: { phase: "Pending", conditions: [{ ...ready("False"), reason }] },
    });
  seen.grants = [
    pending("later", "NotYetValid"),
    pending("theirs", "GrantorNotLocal"),
    pending("stuck", "GranteeUnknown"),
  ];
  assert.deepEqual(await series("keystone_grant_ready"), [
    'keystone_grant_ready{grant="stuck",realm="bob-home",grantee="bob-home"} 0',
  ]);
  assert.deepEqual(
    (await series("keystone_grant_end_timestamp_seconds")).map((line) => /grant="(\w+)"/.exec(line)![1]),
    ["later", "stuck"],
  );
});

Deno.test("metrics: realm's quota: granted, used and available, which is never negative", async () => {
  const { seen, snapshot, server, series } = world();
  server.snapshot(snapshot);
  const quota = { namespace: "guest-bob-home", name: "keystone", uid: "u", labels: {}, specHard: {}, scoped: false };
  seen.quotas = [{
    ...quota,
    realm: "bob-home",
    statusHard: { "requests.cpu": "2", pods: "3" },
    used: { "requests.cpu": "500m", pods: "5" },
  }];
  assert.deepEqual(await series("keystone_realm_free"), [
    'keystone_realm_free{realm="bob-home",resource="requests.cpu"} 1.5',
    'keystone_realm_free{realm="bob-home",resource="pods"} 0',
  ]);
  assert.deepEqual(await series("keystone_realm_used"), [
    'keystone_realm_used{realm="bob-home",resource="requests.cpu"} 0.5',
    'keystone_realm_used{realm="bob-home",resource="pods"} 5',
  ]);
});

Deno.test("metrics: realms, the tailnet, drains and queues", async () => {
  const replaced = { ...ready("False"), reason: "NodeReplaced" };
  const { seen, snapshot, server, queue, series } = world();
  server.snapshot(snapshot);
  seen.realms = [
    realm({
      status: {
        connectionState: "Connected",
        lastSeen: "2026-06-01T12:00:00Z",
        node: { stableID: "n1", addresses: [], keyExpiry: "2026-06-02T12:00:00Z" },
      },
    }),
    realm({ name: "carol-home" }),
    realm({ name: "dora-home", status: { connectionState: "Error", conditions: [replaced] } }),
  ];
  seen.superEntities = ["Active", undefined, "Active"];
  assert.deepEqual(await series("keystone_superentities"), [
    'keystone_superentities{phase="Pending"} 1',
    'keystone_superentities{phase="Active"} 2',
    'keystone_superentities{phase="Incomplete"} 0',
  ]);
  seen.drains = [{ realm: "bob-home", running: 3, terminating: 1 }];
  queue.add("a");
  assert.deepEqual(await series("keystone_realm_connected"), [
    'keystone_realm_connected{realm="bob-home"} 1',
    'keystone_realm_connected{realm="carol-home"} 0',
    'keystone_realm_connected{realm="dora-home"} 0',
  ]);
  const errors = await series("keystone_realm_error");
  assert.equal(errors.length, 3 * realmErrorReasons.length);
  assert.deepEqual(errors.filter((line) => line.endsWith(" 1")), [
    'keystone_realm_error{realm="dora-home",reason="NodeReplaced"} 1',
  ]);
  assert.ok(
    (await series("keystone_realm_info")).includes(
      'keystone_realm_info{realm="bob-home",guest_namespace="guest-bob-home",trust="partner"} 1',
    ),
  );
  assert.ok(
    (await series("keystone_realm_state")).includes('keystone_realm_state{realm="carol-home",state="Unknown"} 1'),
  );
  assert.deepEqual(await series("keystone_realm_last_seen_timestamp_seconds"), [
    `keystone_realm_last_seen_timestamp_seconds{realm="bob-home"} ${now / 1000}`,
  ]);
  assert.deepEqual(await series("keystone_realm_key_expiry_timestamp_seconds"), [
    `keystone_realm_key_expiry_timestamp_seconds{realm="bob-home"} ${now / 1000 + 86_400}`,
  ]);
  assert.deepEqual(await series("keystone_tailnet_peers"), [
    'keystone_tailnet_peers{online="true"} 2',
    'keystone_tailnet_peers{online="false"} 1',
  ]);
  assert.deepEqual(await series("keystone_drain_pods"), [
    'keystone_drain_pods{realm="bob-home",state="running"} 3',
    'keystone_drain_pods{realm="bob-home",state="terminating"} 1',
  ]);
  assert.deepEqual(await series("keystone_workqueue_depth"), ['keystone_workqueue_depth{controller="grants"} 1']);
  seen.tailnet = { state: "NeedsLogin", online: 0, offline: 0 };
  assert.deepEqual(await series("keystone_tailnet_up"), ["keystone_tailnet_up 0"]);
  assert.deepEqual(await series("keystone_tailnet_state"), ['keystone_tailnet_state{state="NeedsLogin"} 1']);
});

Deno.test("metrics: requests and reconciles are counted", async () => {
  const { server, snapshot, series } = world();
  server.observe({
    method: "PATCH",
    path: "/apis/keystone.io/v1alpha1/grants/a/status",
    stream: false,
    code: 200,
    durationMs: 5,
  });
  server.reconciled({ name: "grants", key: "a", durationMs: 12, outcome: "success" });
  server.reconciled({ name: "grants", key: "b", durationMs: 12, outcome: "transient" });
  server.reconciled({ name: "grants", key: "b", durationMs: 12, outcome: "aborted" });
  assert.deepEqual(await series("keystone_api_requests_total"), [
    'keystone_api_requests_total{verb="patch",resource="grants/status",code="200"} 1',
  ]);
  assert.deepEqual(await series("keystone_reconcile_errors_total"), [
    'keystone_reconcile_errors_total{controller="grants",outcome="transient",verdict="transient"} 1',
  ]);
  server.snapshot({ ...snapshot, queues: { realms: new WorkQueue({ clock: systemClock }) } });
  assert.ok(
    (await series("keystone_reconcile_errors_total")).includes(
      'keystone_reconcile_errors_total{controller="realms",outcome="waiting",verdict="waiting"} 0',
    ),
  );
  assert.ok(
    (await series("keystone_reconcile_duration_seconds_count")).includes(
      'keystone_reconcile_duration_seconds_count{controller="grants",outcome="success"} 1',
    ),
  );
});

Deno.test("metrics: many grants: the time grows in proportion to their number", async () => {
  const { seen, snapshot, server } = world();
  server.snapshot(snapshot);
  const timeOf = async (count: number) => {
    seen.grants = Array.from({ length: count }, (_, index) =>
      grant({
        name: `grant-${index}`,
        status: { phase: "Active", hard: { "requests.cpu": "1", "requests.memory": "1Gi", pods: "3" } },
      }));
    const began = performance.now();
    await (await ask(server, "/metrics")).text();
    return performance.now() - began;
  };
  let [few, many] = [0, Infinity];
  for (let round = 0; round < 3; round++) {
    few = Math.max(few, await timeOf(500));
    many = Math.min(many, await timeOf(10_000));
  }
  // The ratio is about 20; if each grant were compared with all others, it would be 400.
  assert.ok(many < 100 * few, `${few} ms for 500, ${many} ms for 10,000`);
});
