import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { Change, Surroundings } from "./change.ts";
import { judge } from "./judge.ts";
import { following, quotaRoomOf } from "./surroundings.ts";

type Json = Record<string, unknown>;

const container = (cpu: string, memory = "64Mi", more: Json = {}) => ({
  name: "main",
  image: "registry.example/main:1",
  resources: { requests: { cpu, memory }, limits: { cpu, memory } },
  ...more,
});
const template = (cpu: string, more: Json = {}, labels: Json = { app: "web" }) => ({
  metadata: { labels },
  spec: { containers: [container(cpu)], ...more },
});
const deployment = (spec: Json, name = "web") => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec,
});
const statefulSet = (spec: Json, name = "redis") => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name },
  spec,
});
const running = (object: Json, replicas: number) => ({
  ...object,
  status: { replicas, readyReplicas: replicas, availableReplicas: replicas, updatedReplicas: replicas },
});

const quota = (hard: Json, used: Json = {}, name = "keystone", spec: Json = {}) =>
  quotaRoomOf({ metadata: { name }, spec: { hard, ...spec }, status: { hard, used } });

const around = (quotas: Surroundings["quotas"], more: Partial<Surroundings> = {}): Surroundings => ({
  namespace: "guest-bob-home",
  quotas,
  givers: [{
    name: "alice-to-bob",
    hard: new Map([["requests.cpu", parseQuantity("8")]]),
    notice: false,
  }],
  limits: [],
  autoscalers: [],
  claims: new Map(),
  nodes: [],
  defaultStorageClass: null,
  ...more,
});

const change = (after: unknown, before?: unknown): Change => ({
  after,
  asked: true,
  ...(before === undefined ? {} : { before }),
});

const cpu = (hard: string, used: string, keys: Json = {}) =>
  quota({ "requests.cpu": hard, ...keys }, { "requests.cpu": used });

Deno.test("a Deployment beyond the free amount: short by the whole, with the pods that come", () => {
  const outcome = judge(change(deployment({ replicas: 4, template: template("1500m") })), around([cpu("8", "3")]));
  assert.equal(outcome.fits, false);
  assert.equal(outcome.never, false);
  assert.deepEqual(outcome.pods, { wanted: 4, come: 3, created: 4 });
  assert.equal(
    outcome.message,
    "Deployment web needs 6 requests.cpu (4 pods with 1500m each), but only 5 of 8 is free in guest-bob-home now: short " +
      "by 1. 3 of 4 pods can start now. Grant alice-to-bob (8 requests.cpu, until revoked). 3 such pods would fit, or 4 " +
      "pods with 1250m requests.cpu each.",
  );
});

Deno.test("a change of the image with a full quota: the roll-out stalls, and goes on with maxUnavailable 1", () => {
  const web = deployment({ replicas: 3, template: template("1") });
  const next = deployment({ replicas: 3, template: template("1", {}, { app: "web", v: "2" }) });
  const outcome = judge(change(next, running(web, 3)), around([cpu("3", "3")]));
  assert.equal(outcome.fits, false);
  assert.match(
    outcome.message,
    /^The roll-out of Deployment web will stall: .*needs 1 requests\.cpu.*only 0 of 3 is free/,
  );
  assert.match(outcome.message, /Set spec\.strategy\.rollingUpdate\.maxUnavailable to 1\.$/);
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: "25%" } };
  const advised = deployment({ ...next.spec, strategy });
  assert.equal(judge(change(advised, running(web, 3)), around([cpu("3", "3")])).fits, true);
  assert.equal(judge(change(web, running(web, 3)), around([cpu("3", "3")])).fits, true);
});

Deno.test("a roll-out in a full quota that goes on pod by pod: says that it takes long, and without a surge nothing", () => {
  const web = deployment({ replicas: 6, template: template("1") });
  const next = (rollingUpdate: Json) =>
    deployment({
      replicas: 6,
      template: template("1", {}, { app: "web", v: "2" }),
      strategy: { type: "RollingUpdate", rollingUpdate },
    });
  const judged = (rollingUpdate: Json, hard = "6") =>
    judge(change(next(rollingUpdate), running(web, 6)), around([cpu(hard, "6")]));
  const slow = judged({ maxSurge: "100%", maxUnavailable: 1 });
  assert.equal(slow.fits, true);
  assert.match(slow.notes.join(), /up to 17 minutes a pod\. Set spec\.strategy\.rollingUpdate to maxSurge: 0/);
  for (
    const quick of [judged({ maxSurge: 0, maxUnavailable: 1 }), judged({ maxSurge: "100%", maxUnavailable: 1 }, "12")]
  ) {
    assert.equal(quick.fits, true);
    assert.deepEqual(quick.notes, []);
  }
});

Deno.test("a CronJob whose Jobs are deleted once they end: they count all the same while they are suspended", () => {
  const cron = (suspend: boolean) => ({
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick" },
    spec: {
      schedule: "* * * * *",
      jobTemplate: { spec: { suspend, ttlSecondsAfterFinished: 0, template: template("100m") } },
    },
  });
  const two = around([quota({ "count/jobs.batch": "2" })]);
  assert.equal(judge(change(cron(false)), two).fits, true);
  assert.equal(judge(change(cron(true)), two).fits, false);
});

Deno.test("larger pods in an update: the total is compared with the total that is free for it", () => {
  const before = running(deployment({ replicas: 4, template: template("1") }), 4);
  const outcome = judge(
    change(deployment({ replicas: 4, template: template("1500m") }), before),
    around([cpu("8", "7")]),
  );
  assert.equal(outcome.fits, false);
  assert.match(outcome.message, /needs 6 requests\.cpu \(4 pods with 1500m each\), but only 5 of 8 is free/);
  const [short] = outcome.shortfalls;
  assert.equal(short!.short.toString(), "1");
  const size = outcome.proposal!.size!.amounts.get("requests.cpu")!.toString();
  const advised = deployment({ replicas: 4, template: template(size) });
  assert.equal(judge(change(advised, before), around([cpu("8", "7")])).fits, true, size);
});

Deno.test("pods that are stuck are still short when asked again", () => {
  const web = deployment({ replicas: 7, template: template("1") });
  const stuck = { ...web, status: { replicas: 5, readyReplicas: 5, availableReplicas: 5, updatedReplicas: 5 } };
  const outcome = judge(change(web, stuck), around([cpu("8", "8")]));
  assert.equal(outcome.fits, false);
  assert.deepEqual(outcome.pods, { wanted: 7, come: 5, created: 2 });
  assert.match(outcome.message, /needs 7 requests\.cpu \(7 pods with 1 each\), but only 5 of 8/);
});

Deno.test("replicas are left out: the live value counts, and an autoscaler's minimum", () => {
  const web = deployment({ template: template("100m") });
  const live = running(deployment({ replicas: 10, template: template("100m") }), 10);
  const bigger = deployment({ template: template("1") });
  assert.equal(judge({ after: bigger, asked: false, before: live }, around([cpu("4", "1")])).pods?.wanted, 10);
  const scaled = around([cpu("2", "0")], {
    autoscalers: [{ name: "web", kind: "Deployment", target: "web", min: 2, max: 4 }],
  });
  assert.equal(judge(change(deployment({ template: template("2") })), scaled).fits, false);
  assert.equal(judge(change(web), scaled).fits, true);
});

Deno.test("generic ephemeral volumes: each pod's claim counts", () => {
  const scratch = {
    name: "tmp",
    ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: "20Gi" } } } } },
  };
  const after = deployment({ replicas: 3, template: template("100m", { volumes: [scratch] }) });
  const outcome = judge(change(after), around([quota({ "requests.storage": "10Gi" }, { "requests.storage": "0" })]));
  assert.equal(outcome.fits, false);
  assert.match(outcome.message, /needs 60Gi requests\.storage \(3 pods with 20Gi each\)/);
  assert.equal(judge(change(after), around([quota({ "requests.storage": "60Gi" })])).fits, true);
});

Deno.test("another quota in the namespace: named, and no refusal", () => {
  const other = quota({ "limits.cpu": "1" }, { "limits.cpu": "0" }, "default-resourcequota");
  const after = deployment({ replicas: 4, template: template("350m") });
  const outcome = judge(change(after), around([cpu("8", "0"), other]));
  assert.equal(outcome.fits, false);
  assert.equal(outcome.never, false);
  assert.deepEqual(outcome.pods, { wanted: 4, come: 2, created: 4 });
  assert.match(
    outcome.message,
    /needs 1400m limits\.cpu \(4 pods with 350m each\), but only 1 of 1 of quota default-resourcequota/,
  );
});

Deno.test("kept claims of a StatefulSet cost nothing", () => {
  const volumeClaimTemplates = [{
    metadata: { name: "data" },
    spec: { resources: { requests: { storage: "8Gi" } } },
  }];
  const redis = statefulSet({ replicas: 2, template: template("100m"), volumeClaimTemplates });
  const storage = quota({ "requests.storage": "16Gi", persistentvolumeclaims: "10" }, {
    "requests.storage": "16Gi",
    persistentvolumeclaims: "2",
  });
  const claims = new Map([["data-redis-0", {}], ["data-redis-1", {}]]);
  assert.equal(judge(change(redis), around([storage], { claims })).fits, true);
  const one = judge(change(redis), around([storage], { claims: new Map([["data-redis-0", {}]]) }));
  assert.equal(one.fits, false);
  assert.deepEqual(one.pods, { wanted: 2, come: 1, created: 2 });
  assert.deepEqual(one.shortfalls.map(({ key, short }) => `${short} ${key}`), ["8Gi requests.storage"]);
  // Without the claims' names the answer is open as long as they may be there.
  const { claims: _, ...unknown } = around([storage]);
  assert.equal(judge(change(redis), unknown).fits, null);
  assert.equal(judge(change(redis), unknown).never, false);
  const three = statefulSet({ ...redis.spec, replicas: 3 });
  assert.equal(judge(change(three), unknown).fits, false);
});

Deno.test("a new ReplicaSet needs room beside the old one", () => {
  const before = running(deployment({ replicas: 1, strategy: { type: "Recreate" }, template: template("1") }), 1);
  const after = deployment({ replicas: 1, strategy: { type: "Recreate" }, template: template("500m") });
  const full = quota({ "count/replicasets.apps": "1" }, { "count/replicasets.apps": "1" });
  const outcome = judge(change(after, before), around([full]));
  assert.equal(outcome.fits, false);
  assert.match(outcome.message, /needs 1 count\/replicasets\.apps, but only 0 of 1 is free.*revisionHistoryLimit/);
});

Deno.test("a CronJob keeps finished Jobs beside the next one", () => {
  const cron = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "every-minute" },
    spec: { schedule: "* * * * *", jobTemplate: { spec: { template: template("10m", { restartPolicy: "Never" }) } } },
  };
  const two = around([quota({ "count/jobs.batch": "2" })]);
  const outcome = judge(change(cron), two);
  assert.equal(outcome.fits, false);
  assert.equal(outcome.never, false);
  assert.match(outcome.message, /needs 4 count\/jobs\.batch, but only 2 of 2 is free/);
  assert.equal(judge(change({ ...cron, spec: { ...cron.spec, successfulJobsHistoryLimit: 1 } }), two).fits, true);
  assert.equal(judge(change({ ...cron, spec: { ...cron.spec, suspend: true } }), two).fits, true);
});

Deno.test("a DaemonSet counts the nodes that run its pods", () => {
  const daemon = (more: Json) => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent" },
    spec: { template: template("1", more) },
  });
  const nodes = ["n1", "n2", "n3"].map((name) => ({
    name,
    labels: (name === "n1" ? { gpu: "true" } : {}) as Record<string, string>,
    taints: name === "n3" ? [{ key: "dedicated", effect: "NoSchedule" }] : [],
  }));
  const small = around([cpu("1", "0")], { nodes });
  assert.equal(judge(change(daemon({ nodeSelector: { gpu: "true" } })), small).fits, true);
  assert.deepEqual(judge(change(daemon({})), small).pods, { wanted: 2, come: 1, created: 2 });
  const tolerations = [{ operator: "Exists" }];
  assert.equal(judge(change(daemon({ tolerations })), around([cpu("2", "0")], { nodes })).pods?.wanted, 3);
  const { nodes: _, ...blind } = small;
  assert.equal(judge(change(daemon({})), blind).fits, null);
  assert.equal(judge(change(daemon({})), { ...blind, quotas: [cpu("1", "1")] }).fits, false);
  assert.equal(judge(change(daemon({})), { ...blind, quotas: [quota({ services: "1" })] }).fits, true);
});

Deno.test("objects of one input: each is judged as if those before it were there", () => {
  const first = change(deployment({ replicas: 3, template: template("1") }, "first"));
  const empty = around([cpu("4", "0")]);
  const after = following(judge(first, empty), empty);
  const outcome = judge(change(deployment({ replicas: 2, template: template("1") }, "second")), after);
  assert.equal(outcome.fits, false);
  assert.deepEqual(outcome.pods, { wanted: 2, come: 1, created: 2 });
});

Deno.test("a scale-down gives back to the next object of the input", () => {
  const three = deployment({ replicas: 3, template: template("1") }, "other");
  const full = around([cpu("3", "3")]);
  const less = judge(change(deployment({ ...three.spec, replicas: 1 }, "other"), running(three, 3)), full);
  assert.equal(less.takes.get("keystone")!.get("requests.cpu")!.toString(), "-2");
  const next = change(deployment({ replicas: 2, template: template("1") }));
  assert.deepEqual([judge(next, full).fits, judge(next, following(less, full)).fits], [false, true]);
});

Deno.test("quotas with scopes count only pods in them", () => {
  const scoped = (scopes: string[]) => quota({ pods: "1" }, { pods: "1" }, "scoped", { scopes });
  const pods = (more: Json) => change(deployment({ replicas: 1, template: template("1", more) }));
  const fits = (more: Json, scopes: string[]) => judge(pods(more), around([scoped(scopes)])).fits;
  const sized = {};
  const bestEffort = { containers: [{ name: "a", image: "i" }] };
  assert.equal(fits(sized, []), false);
  assert.equal(fits(sized, ["BestEffort"]), true);
  assert.equal(fits(bestEffort, ["BestEffort"]), false);
  assert.equal(fits(sized, ["NotBestEffort"]), false);
  assert.equal(fits(sized, ["Terminating"]), true);
  assert.equal(fits({ activeDeadlineSeconds: 9 }, ["Terminating"]), false);
  assert.equal(fits({ activeDeadlineSeconds: 9 }, ["NotTerminating"]), true);
  const high = (operator: string, values?: string[]) =>
    quota({ pods: "1" }, { pods: "1" }, "high", {
      scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator, values }] },
    });
  const priority = pods({ priorityClassName: "high" });
  assert.equal(judge(priority, around([high("In", ["high"])])).fits, false);
  assert.equal(judge(priority, around([high("NotIn", ["high"])])).fits, true);
  assert.equal(judge(pods({}), around([high("Exists")])).fits, true);
});

Deno.test("a quota of limits: every container must state them", () => {
  const requests = { containers: [{ name: "a", image: "i", resources: { requests: { cpu: "1" } } }] };
  const outcome = judge(
    change(deployment({ replicas: 1, template: template("1", requests) })),
    around([quota({ "limits.cpu": "9" }, {}, "strict")]),
  );
  assert.equal(outcome.fits, false);
  assert.match(
    outcome.message,
    /^No pod of Deployment web can start: Quota strict limits limits\.cpu, so container a must/,
  );
});

Deno.test("a frozen grant: refused is only what exceeds the amount that all grants give", () => {
  const frozen = quotaRoomOf(
    {
      metadata: { name: "keystone" },
      spec: { hard: { "requests.cpu": "2" } },
      status: { hard: { "requests.cpu": "2" } },
    },
    around([]).givers,
  );
  const of = (replicas: number) => judge(change(deployment({ replicas, template: template("1") })), around([frozen]));
  assert.deepEqual([of(2).fits, of(8).never, of(8).fits, of(9).never], [true, false, false, true]);
});

Deno.test("a reduction on notice: a warning only about what is reduced", () => {
  const [giver] = around([]).givers;
  const reductions = [{
    until: Date.parse("2030-01-01T00:00:00Z"),
    remaining: new Map([["requests.cpu", parseQuantity("4")]]),
  }];
  const reduced = { ...around([cpu("8", "0", { "requests.storage": "9Gi" })]), givers: [{ ...giver!, reductions }] };
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { resources: { requests: { storage: "1Gi" } } },
  };
  assert.deepEqual(judge(change(claim), reduced).warnings, []);
  const [warning] = judge(change(deployment({ replicas: 1, template: template("1") })), reduced).warnings;
  assert.match(warning!, /^Grant alice-to-bob is reduced at 2030-01-01T00:00:00Z: requests\.cpu to 4\./);
});

Deno.test("a claim above all grants: the advice is what is free now", () => {
  const claim = (storage: string) => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { resources: { requests: { storage } } },
  });
  const storage = around([quota({ "requests.storage": "15Gi" }, { "requests.storage": "10Gi" })]);
  const outcome = judge(change(claim("20Gi")), storage);
  assert.equal(outcome.never, true);
  assert.match(outcome.message, /granted 15Gi in total: short by 5Gi\..* Up to 5Gi requests\.storage would fit\.$/);
  assert.equal(judge(change(claim("5Gi")), storage).fits, true);
  assert.equal(judge(change(claim("15Gi"), claim("10Gi")), storage).fits, true);
});

Deno.test("a StatefulSet's update: the pods below the partition keep their template", () => {
  const before = running(statefulSet({ replicas: 3, template: template("1") }), 3);
  const update = (rollingUpdate: Json) =>
    judge(
      change(statefulSet({ replicas: 3, updateStrategy: { rollingUpdate }, template: template("2") }), before),
      around([cpu("4", "3")]),
    );
  assert.equal(update({ partition: 0 }).fits, false);
  assert.equal(update({ partition: 2 }).fits, true);
  assert.equal(update({ partition: 1 }).fits, false);
  const onDelete = statefulSet({ replicas: 3, updateStrategy: { type: "OnDelete" }, template: template("2") });
  assert.equal(judge(change(onDelete, before), around([cpu("3", "3")])).fits, true);
  // Missing pods come before larger ones are replaced by smaller ones.
  const grown = statefulSet({ replicas: 4, template: template("500m") });
  assert.equal(judge(change(grown, before), around([cpu("3", "3")])).fits, false);
  assert.equal(judge(change(statefulSet({ ...grown.spec, replicas: 3 }), before), around([cpu("3", "3")])).fits, true);
});

Deno.test("live objects: ReplicaSets and pods by UID, and what terminates", () => {
  const set = (uid: string, image: string, replicas: number, createdAt: string) => ({
    metadata: { uid, creationTimestamp: createdAt },
    spec: { replicas, template: template("1", {}, { app: "web", image }) },
  });
  const pod = (uid: string, index: number, more: Json = {}) => ({
    metadata: { name: `${uid}-${index}`, ownerReferences: [{ uid, controller: true }], ...more },
    spec: template("1").spec,
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  });
  const before = deployment({ replicas: 3, template: template("1", {}, { app: "web", image: "2" }) });
  const present = {
    replicaSets: [set("old", "1", 3, "2026-01-01T00:00:00Z"), set("new", "2", 1, "2026-01-02T00:00:00Z")],
    pods: [0, 1, 2].map((index) => pod("old", index)),
  };
  // Applied again while it is stuck, and rolled back.
  const full = around([
    cpu("3", "3"),
    quota({ "count/replicasets.apps": "2" }, { "count/replicasets.apps": "2" }, "sets"),
  ]);
  assert.equal(judge({ ...change(before, before), present }, full).fits, false);
  const back = deployment({ replicas: 3, template: template("1", {}, { app: "web", image: "1" }) });
  assert.equal(judge({ ...change(back, before), present }, full).fits, true);
  const third = deployment({ replicas: 3, template: template("1", {}, { app: "web", image: "3" }) });
  const outcome = judge({ ...change(third, before), present }, full);
  assert.match(outcome.message, /count\/replicasets\.apps, but only 0 of 2 of quota sets is free/);
  const leaving = { ...present, pods: [pod("old", 0, { deletionTimestamp: "2026-01-03T00:00:00Z" }), pod("new", 0)] };
  assert.equal(judge({ ...change(before, before), present: leaving }, around([cpu("4", "2")])).fits, true);
});

Deno.test("huge numbers of replicas are judged at once", () => {
  const before = running(deployment({ replicas: 2 ** 31 - 1, template: template("1") }), 2 ** 31 - 1);
  const start = performance.now();
  for (const rollingUpdate of [{ maxSurge: 1, maxUnavailable: 0 }, { maxSurge: "25%", maxUnavailable: "25%" }]) {
    const strategy = { type: "RollingUpdate", rollingUpdate };
    const after = deployment({ replicas: 2 ** 31 - 1, strategy, template: template("2") });
    const whole = around([cpu("8e12", String(2 ** 31 - 1))]);
    assert.equal(judge(change(after, before), whole).fits, true, JSON.stringify(rollingUpdate));
  }
  assert.ok(performance.now() - start < 500, `${performance.now() - start} ms`);
});

const ephemeral = (size: string) => ({
  name: "scratch",
  ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: size } } } } },
});
const owned = (name: string, uid: string, spec: Json, more: Json = {}) => ({
  metadata: { name, ownerReferences: [{ uid, controller: true }], ...more },
  spec,
  status: { phase: "Pending" },
});

Deno.test("a Job whose pods wait for claims that no quota has room for: it doesn't fit, and no such pod is advised", () => {
  const spec = { containers: [container("1")], volumes: [ephemeral("2Gi")], restartPolicy: "Never" };
  const job = (parallelism: number) => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "main", uid: "j" },
    spec: { parallelism, template: { metadata: { labels: {} }, spec } },
  });
  const before = { ...job(3), status: { active: 2 } };
  const present = { pods: ["a", "b"].map((name) => owned(`main-${name}`, "j", spec)) };
  const full = around([quota({ "requests.cpu": "2", "requests.storage": "0" }, { "requests.cpu": "2" })]);
  const outcome = judge({ ...change(job(3), before), present }, full);
  assert.equal(outcome.fits, false);
  assert.doesNotMatch(outcome.message, /such pod would fit/);
  // Of its pods one stays, and its claim is refused as before.
  assert.equal(judge({ ...change(job(1), before), present }, full).fits, false);
  const room = around([quota({ "requests.cpu": "2", "requests.storage": "2Gi" }, { "requests.cpu": "2" })]);
  assert.equal(judge({ ...change(job(1), before), present }, room).fits, true);
});

Deno.test("a Deployment scaled to zero that has no room for the ReplicaSet of its template: it stays unobserved", () => {
  const old = deployment({ replicas: 2, template: template("1") });
  const next = deployment({ replicas: 0, template: template("1", {}, { app: "web", v: "2" }) });
  const before = { ...next, metadata: { name: "web", uid: "d" }, spec: { ...next.spec, replicas: 2 } };
  const present = {
    pods: [],
    replicaSets: [{ metadata: { name: "web-1", uid: "r" }, spec: { replicas: 0, template: old.spec.template } }],
  };
  const full = around([quota({ "count/replicasets.apps": "1" }, { "count/replicasets.apps": "1" })]);
  const recreated = { ...next, spec: { ...next.spec, strategy: { type: "Recreate" } } };
  for (const after of [next, recreated]) assert.equal(judge({ ...change(after, before), present }, full).fits, false);
  const room = around([quota({ "count/replicasets.apps": "2" }, { "count/replicasets.apps": "1" })]);
  assert.equal(judge({ ...change(next, before), present }, room).fits, true);
});

Deno.test("a paused Deployment whose ReplicaSet's pods are refused: the refusal is the answer, whatever the new template", () => {
  const old = deployment({ replicas: 1, paused: true, template: template("1") });
  const after = deployment({ replicas: 1, paused: true, template: template("500m") });
  const set = (message: string) => ({
    metadata: { name: "web-1", uid: "r" },
    spec: { replicas: 1, template: old.spec.template },
    status: { conditions: [{ type: "ReplicaFailure", status: "True", message }] },
  });
  const given = (message: string) => ({
    ...change(after, running(old, 0)),
    present: { pods: [], replicaSets: [set(message)] },
  });
  const refused = judge(
    given('Pod "web-1-x" is invalid: must be less than or equal to cpu limit'),
    around([cpu("4", "0")]),
  );
  assert.equal(refused.fits, false);
  assert.match(refused.message, /less than or equal to cpu limit/);
  // Nothing follows from it once no pod is wanted.
  const scaled = deployment({ replicas: 0, paused: true, template: template("500m") });
  const none = { ...given('Pod "web-1-x" is invalid'), after: scaled };
  assert.equal(judge(none, around([cpu("4", "0")])).fits, true);
  // A refusal for room is judged by the room that there is.
  assert.equal(
    judge(given('pods "web-1-x" is forbidden: exceeded quota: keystone'), around([cpu("4", "0")])).fits,
    true,
  );
});

Deno.test("a ReplicaSet that only gets another template: its pods stay, and none is created", () => {
  const set = (size: string) => ({ ...deployment({ replicas: 2, template: template(size) }), kind: "ReplicaSet" });
  const outcome = judge(change(set("9"), running(set("1"), 2)), around([cpu("2", "2")]));
  assert.deepEqual([outcome.fits, outcome.pods], [true, { wanted: 2, come: 2, created: 0 }]);
});

Deno.test("a Job's finished pods keep the claims of their ephemeral volumes: all its pods need storage", () => {
  const spec = { containers: [container("1")], volumes: [ephemeral("7Gi")], restartPolicy: "Never" };
  const job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "main" },
    spec: { parallelism: 1, completions: 3, template: { metadata: { labels: {} }, spec } },
  };
  const storage = (hard: string) => around([quota({ "requests.storage": hard })]);
  assert.equal(judge(change(job), storage("14Gi")).fits, false);
  assert.equal(judge(change(job), storage("21Gi")).fits, true);
  const cron = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "main" },
    spec: { schedule: "* * * * *", successfulJobsHistoryLimit: 1, jobTemplate: { spec: job.spec } },
  };
  assert.equal(judge(change(cron), storage("35Gi")).fits, false);
  assert.equal(judge(change(cron), storage("42Gi")).fits, true);
});

Deno.test("a CronJob that forbids concurrent Jobs, with one that has not ended: the note names it", () => {
  const template = { metadata: { labels: {} }, spec: { containers: [container("1")], restartPolicy: "Never" } };
  const cron = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "main", uid: "c" },
    spec: { schedule: "* * * * *", concurrencyPolicy: "Forbid", jobTemplate: { spec: { suspend: true, template } } },
  };
  const jobs = [{ metadata: { name: "main-1" } }];
  const { fits, notes } = judge({ ...change(cron, cron), present: { pods: [], jobs } }, around([cpu("9", "0")]));
  assert.equal(fits, true);
  assert.match(notes.join(" "), /created suspended.*only after Job main-1 has ended/);
});
