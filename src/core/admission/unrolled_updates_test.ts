/** Updates that replace no pod by themselves: their new template needs nothing until someone deletes a pod or resumes. */
import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { Change, Outcome, Present, Surroundings } from "./change.ts";
import { judge } from "./judge.ts";
import { quotaRoomOf } from "./surroundings.ts";

type Json = Record<string, unknown>;

const gpu = "requests.example.com/gpu";
const device = { requests: { "example.com/gpu": "1", cpu: "1" }, limits: { "example.com/gpu": "1", cpu: "1" } };
const small = { requests: { cpu: "1" }, limits: { cpu: "1" } };
const template = (resources: Json): Json => ({
  metadata: { labels: { app: "main" } },
  spec: { containers: [{ name: "a", image: "registry.example/a:1", resources }] },
});
const object = (kind: string, spec: Json, status?: Json): Json => ({
  apiVersion: kind === "CronJob" || kind === "Job" ? "batch/v1" : "apps/v1",
  kind,
  metadata: { name: "main", uid: "owner" },
  spec,
  ...(status ? { status } : {}),
});

const around = (usedCpu: string, limits: Surroundings["limits"] = []): Surroundings => ({
  namespace: "guest-bob-home",
  quotas: [quotaRoomOf({
    metadata: { name: "keystone" },
    spec: {},
    status: { hard: { "requests.cpu": "3", [gpu]: "0" }, used: { "requests.cpu": usedCpu, [gpu]: "0" } },
  }, [{
    name: "alice-to-bob",
    hard: new Map([["requests.cpu", parseQuantity("3")]]),
    notice: false,
  }])],
  givers: [],
  limits,
  autoscalers: [],
  claims: new Map(),
  nodes: ["one", "two", "three"].map((name) => ({ name, labels: {}, taints: [] })),
  defaultStorageClass: null,
});

const judged = (
  before: Json,
  after: Json,
  { used = "3", ...more }: Partial<Change> & { used?: string } = {},
): Outcome => judge({ before, after, asked: true, ...more }, around(used));

const owner = (uid: string) => [{ uid, controller: true }];
const pod = (name: string, uid: string, hash: string, node = "one"): Json => ({
  metadata: { name, labels: { app: "main", "controller-revision-hash": hash }, ownerReferences: owner(uid) },
  spec: { nodeName: node, ...template(small).spec as Json },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});
const revision = (name: string, resources: Json): Json => ({
  metadata: { name, labels: { "controller-revision-hash": name }, ownerReferences: owner("owner") },
  data: { spec: { template: { ...template(resources), $patch: "replace" } } },
});

const daemons = { currentNumberScheduled: 3, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3 };
const daemonSet = (resources: Json, type: string, status: Json = daemons) =>
  object("DaemonSet", { template: template(resources), updateStrategy: { type } }, status);

const statefulStatus = { replicas: 3, readyReplicas: 3, updatedReplicas: 3, currentRevision: "a", updateRevision: "a" };
const statefulSet = (resources: Json, updateStrategy: Json, status: Json = statefulStatus) =>
  object("StatefulSet", { replicas: 3, template: template(resources), updateStrategy }, status);
const partition = (first: number) => ({ type: "RollingUpdate", rollingUpdate: { partition: first } });

const refused = "Pod main is refused by the device policy.";

/** Accepts an update that creates no pod, whatever is said about such pods. */
function assertCreatesNothing(before: Json, after: Json, more: Partial<Change> = {}): void {
  for (const known of [{}, { obstacle: refused }]) {
    const { fits, never, pods, message } = judged(before, after, { ...more, ...known });
    assert.deepEqual([fits, never, pods?.created], [true, false, 0], message);
  }
}

Deno.test("a DaemonSet with OnDelete: an update to an ungranted device replaces no pod, by its status and by its pods", () => {
  assertCreatesNothing(daemonSet(small, "OnDelete"), daemonSet(device, "OnDelete"));
  const pods = ["one", "two", "three"].map((node) => pod(`main-${node}`, "owner", "a", node));
  const present: Present = { pods, revisions: [revision("a", small)] };
  assertCreatesNothing(daemonSet(small, "OnDelete"), daemonSet(device, "OnDelete"), { present });
  assert.equal(judged(daemonSet(small, "RollingUpdate"), daemonSet(device, "RollingUpdate"), { present }).never, true);
});

Deno.test("a DaemonSet with OnDelete that lacks a pod: the missing one has the new template", () => {
  const before = daemonSet(small, "OnDelete", { ...daemons, currentNumberScheduled: 2 });
  const { fits, never, pods } = judged(before, daemonSet(device, "OnDelete"), { used: "2" });
  assert.deepEqual([fits, never, pods?.created], [false, true, 1]);
});

Deno.test("a StatefulSet with OnDelete or a partition beyond its pods: an update replaces no pod", () => {
  for (const strategy of [{ type: "OnDelete" }, partition(3), partition(7)]) {
    assertCreatesNothing(statefulSet(small, strategy), statefulSet(device, strategy));
  }
  for (const first of [0, 2]) {
    const { fits, never } = judged(statefulSet(small, partition(first)), statefulSet(device, partition(first)));
    assert.deepEqual([fits, never], [false, true], `partition ${first}`);
  }
  assert.equal(judge({ after: statefulSet(device, partition(3)), asked: true }, around("0")).never, true);
});

Deno.test("a StatefulSet's missing pods below the partition have the template of the current revision", () => {
  const present = (...ordinals: number[]): Present => ({
    pods: ordinals.map((ordinal) => pod(`main-${ordinal}`, "owner", ordinal < 2 ? "a" : "b")),
    revisions: [revision("a", small), revision("b", device)],
  });
  const status = { ...statefulStatus, updatedReplicas: 1, updateRevision: "b", observedGeneration: 1 };
  const halfWay = statefulSet(device, partition(2), status);
  const note = { ...halfWay, metadata: { name: "main", uid: "owner", annotations: { note: "1" } } };
  for (const known of [{}, { obstacle: refused }]) {
    const { fits, never, pods, takes } = judged(halfWay, note, { present: present(0, 2), used: "2", ...known });
    assert.deepEqual([fits, never, pods?.created], [true, false, 0]);
    assert.equal(takes.get("keystone")?.get("requests.cpu")?.toString(), "1");
    assert.equal(takes.get("keystone")?.get(gpu), undefined);
  }
  assert.equal(judged(halfWay, note, { present: present(0, 2), used: "3" }).fits, false);
  assert.equal(judged(halfWay, note, { present: present(0, 1), used: "2", obstacle: refused }).fits, false);
});

Deno.test("a StatefulSet that grows below its partition, without its revisions: its pods' template is not known", () => {
  const half = { replicas: 1, readyReplicas: 1, updatedReplicas: 0, currentRevision: "a", updateRevision: "b" };
  const sized = (replicas: number) =>
    object("StatefulSet", {
      replicas,
      template: template({ requests: { cpu: "2" }, limits: { cpu: "2" } }),
      updateStrategy: partition(5),
    }, half);
  assert.equal(judged(sized(1), sized(2), { used: "1" }).never, false);
  const { status: _, ...created } = sized(2);
  assert.equal(judge({ after: created, asked: true }, around("0")).never, true);
});

Deno.test("a paused Deployment in the middle of a roll-out: no pod of the new template follows", () => {
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
  const deployment = (resources: Json, more: Json = {}) =>
    object("Deployment", { replicas: 3, paused: true, template: template(resources), strategy, ...more }, {
      replicas: 3,
      updatedReplicas: 1,
      availableReplicas: 3,
    });
  assertCreatesNothing(deployment(small), deployment(device));
  assertCreatesNothing(deployment(device), {
    ...deployment(device),
    metadata: { name: "main", annotations: { note: "1" } },
  });
  const replicaSet = (uid: string, resources: Json, replicas: number): Json => ({
    metadata: { name: uid, uid, creationTimestamp: "2026-01-01T00:00:00Z", ownerReferences: owner("owner") },
    spec: { replicas, template: template(resources) },
  });
  const present: Present = {
    pods: [pod("a-0", "a", ""), pod("a-1", "a", ""), pod("b-0", "b", "")],
    replicaSets: [replicaSet("a", small, 2), replicaSet("b", device, 1)],
  };
  assertCreatesNothing(deployment(device), deployment(device), { present });
  // The ReplicaSet of the update before lacks its pod of the surge, for which there is no room.
  const stuck: Present = {
    pods: [pod("a-0", "a", ""), pod("a-1", "a", ""), pod("a-2", "a", "")],
    replicaSets: [replicaSet("a", small, 3), replicaSet("b", { ...small, limits: { cpu: "2" } }, 1)],
  };
  const surge = { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
  assert.equal(judged(deployment(small, surge), deployment(device, surge), { present: stuck }).fits, true);
  // Pods that are added while it is paused go to both ReplicaSets, as many as there is room for.
  const { fits, pods } = judged(deployment(device), deployment(device, { replicas: 6 }), { present, used: "3" });
  assert.deepEqual([fits, pods?.created], [false, 1]);
});

Deno.test("a paused Deployment that grows: the pods of its old template count for what follows in the input", () => {
  const deployment = (replicas: number, resources: Json) =>
    object("Deployment", { replicas, paused: true, template: template(resources) }, {
      replicas: 1,
      updatedReplicas: 1,
      availableReplicas: 1,
    });
  const { fits, takes, pods } = judged(deployment(1, small), deployment(3, device), { used: "1" });
  assert.deepEqual([fits, pods?.created], [true, 0]);
  assert.equal(takes.get("keystone")?.get("requests.cpu")?.toString(), "2");
});

Deno.test("a suspended CronJob and owners without pods: an update creates none", () => {
  const cron = (resources: Json, more: Json) =>
    object("CronJob", {
      schedule: "0 0 1 1 *",
      ...more,
      jobTemplate: { spec: { template: template(resources), ...(more.job as Json) } },
    });
  for (const more of [{ suspend: true }, { job: { suspend: true } }]) {
    assertCreatesNothing(cron(small, more), cron(device, more));
  }
  for (const kind of ["Deployment", "ReplicaSet", "StatefulSet"]) {
    const none = (resources: Json) => object(kind, { replicas: 0, template: template(resources) }, { replicas: 0 });
    assertCreatesNothing(none(small), none(device));
  }
  const set = (resources: Json) =>
    object("ReplicaSet", { replicas: 3, template: template(resources) }, { replicas: 3 });
  assertCreatesNothing(set(small), set(device));
});
