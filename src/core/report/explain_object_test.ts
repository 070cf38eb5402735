import assert from "node:assert/strict";
import type { Pod, PodStatus, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import { newReplicaSet, rollingNumbers } from "./deployment_report.ts";
import { reportOn } from "./explain_object.ts";
import { explanationOf } from "./finding.ts";
import { podFinding } from "./pod_report.ts";
import { refusalReason } from "./refusal_reason.ts";
import type { ReportedEvent, ReportedWorkload, ReportWorld } from "./reported_objects.ts";

const now = Date.parse("2026-06-01T12:00:00Z");
const nothing: ReportWorld = {
  namespace: "guest-bob-home",
  now,
  pods: [],
  replicaSets: [],
  jobs: [],
  claims: [],
  slices: [],
  budgets: [],
  events: [],
  quotas: [],
  limitRanges: [],
  grants: [],
  unread: [],
};

const quota = (name: string, hard: Record<string, string>, used: Record<string, string>): ResourceQuota => ({
  metadata: { name },
  spec: { hard },
  status: { hard, used },
});
const owned = (kind: string, name: string) => ({
  ownerReferences: [{ apiVersion: "v1", kind, name, uid: `uid-${name}`, controller: true }],
});
const template = (image: string, labels: Record<string, string> = {}) => ({
  metadata: { labels: { app: "web", ...labels } },
  spec: { containers: [{ name: "main", image }] },
});
const deployment = (image: string, more: object = {}): ReportedWorkload => ({
  kind: "Deployment",
  metadata: { name: "web", uid: "uid-web", generation: 2 },
  spec: { replicas: 3, template: template(image), strategy: { type: "RollingUpdate" } },
  status: { observedGeneration: 2, readyReplicas: 3, availableReplicas: 3, updatedReplicas: 0, conditions: [] },
  ...more,
});
const set = (name: string, image: string, replicas: number, more: object = {}): ReportedWorkload => ({
  kind: "ReplicaSet",
  metadata: { name, uid: `uid-${name}`, generation: 1, ...owned("Deployment", "web") },
  spec: { replicas, template: template(image, { "pod-template-hash": name }) },
  status: { observedGeneration: 1 },
  ...more,
});
const pod = (name: string, owner: string, status: PodStatus, more: object = {}): Pod => ({
  metadata: { name, uid: `uid-${name}`, ...owned("ReplicaSet", owner), ...more },
  spec: { nodeName: "n1", containers: [{ name: "main" }] },
  status,
});
const ready: PodStatus = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
const event = (uid: string, reason: string, message: string, more: Partial<ReportedEvent> = {}): ReportedEvent => ({
  involvedObject: { uid },
  type: "Warning",
  reason,
  message,
  lastTimestamp: "2026-06-01T11:59:00Z",
  ...more,
});
const exceeded = (name: string) =>
  `Error creating: pods "web-b-x7k2p" is forbidden: exceeded quota: ${name}, requested: limits.cpu=1,requests.cpu=1, ` +
  "used: limits.cpu=3,requests.cpu=3, limited: limits.cpu=3,requests.cpu=3";
const full = quota("keystone", { "requests.cpu": "3", "limits.cpu": "3" }, { "requests.cpu": "3", "limits.cpu": "3" });

const stuck: ReportWorld = {
  ...nothing,
  grants: [{ name: "alice-to-bob", hard: { "requests.cpu": "3" } }],
  quotas: [full],
  replicaSets: [set("web-a", "v1", 3), set("web-b", "v2", 1)],
  pods: ["1", "2", "3"].map((each) => pod(`web-a-${each}`, "web-a", ready)),
  events: [event("uid-web-b", "FailedCreate", exceeded("keystone"))],
};

Deno.test("a liveness probe ends the container: the probe is the cause, and not the command", () => {
  const ended = { exitCode: 0, reason: "Completed", startedAt: "2026-06-01T11:58:50Z" };
  const restarted = pod("web-a-1", "web-a", {
    phase: "Running",
    containerStatuses: [{
      ...{ name: "main", image: "x", imageID: "", ready: false, restartCount: 3 },
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: { terminated: ended },
    }],
  });
  const killed = (container: string, at: string) =>
    event("uid-web-a-1", "Killing", `Container ${container} failed liveness probe, will be restarted`, {
      type: "Normal",
      lastTimestamp: at,
    });
  const said = (...events: ReportedEvent[]) => podFinding(restarted, { ...nothing, events })!.reason;
  const unhealthy = event("uid-web-a-1", "Unhealthy", "Liveness probe failed: connection refused");
  assert.equal(
    said(killed("main", "2026-06-01T11:59:00Z"), unhealthy),
    "Its livenessProbe fails, so it is started again. Liveness probe failed: connection refused.",
  );
  const byItself = /exited with code 0, because its command ended by itself/;
  assert.match(said(killed("other", "2026-06-01T11:59:00Z"), unhealthy), byItself);
  assert.match(said(killed("main", "2026-06-01T11:00:00Z"), unhealthy), byItself, "an earlier run");
});

Deno.test("a roll-out without room: says which ReplicaSet lacks pods, by which quota, and why old pods stay", () => {
  const { ok, message, chain } = explanationOf(
    "Deployment",
    "web",
    reportOn("Deployment", deployment("v2"), stuck),
  );
  assert.equal(ok, false);
  assert.match(message, /^The roll-out of Deployment web is stuck: new ReplicaSet web-b has 0 of 3 pods ready/);
  assert.match(message, /a pod needs 1 limits\.cpu \(3 of 3 used\), 1 requests\.cpu/);
  assert.match(message, /maxUnavailable to 1/);
  assert.ok(chain.some(({ what }) => what === "old ReplicaSet web-a (revision ?)"));
});

Deno.test("events of a deleted object of the same name: not used", () => {
  const world = { ...stuck, events: [event("uid-of-another", "FailedCreate", exceeded("keystone"))] };
  const { problem } = reportOn("Deployment", deployment("v2"), world);
  assert.doesNotMatch(problem!.reason, /quota/i);
});

Deno.test("a refusal that is over: there is room by now, so the answer is when the controller tries again", () => {
  const world = {
    ...stuck,
    quotas: [quota("keystone", { "requests.cpu": "3", "limits.cpu": "3" }, { "requests.cpu": "1" })],
  };
  const { problem } = reportOn("Deployment", deployment("v2"), world);
  assert.match(problem!.reason, /had no room for a pod \(limits\.cpu, requests\.cpu\) at the last try; by now it has/);
  assert.match(problem!.remedy, /kubectl rollout restart deployment\/web/);
});

Deno.test("the template was corrected after a refusal: the answer is what the new pods wait for", () => {
  const refusal = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true';
  const world: ReportWorld = {
    ...nothing,
    replicaSets: [set("web-a", "v1", 1), set("web-b", "v2", 1)],
    pods: [pod("web-b-1", "web-b", { phase: "Pending" })],
    events: [event("uid-web-a", "FailedCreate", refusal)],
  };
  const one = deployment("v2");
  const withOne = (object: typeof one): typeof one => ({ ...object, spec: { ...object.spec, replicas: 1 } });
  const { problem } = reportOn("Deployment", withOne(one), world);
  assert.match(problem!.reason, /Pod web-b-1: starting/);
  assert.doesNotMatch(problem!.reason, /Pod Security/);
  // The same set before the correction, for comparison.
  const before = { ...world, replicaSets: [set("web-a", "v1", 1)], pods: [] };
  const { problem: first } = reportOn("Deployment", withOne(deployment("v1")), before);
  assert.match(first!.reason, /Pod Security refuses/);
});

Deno.test("the ReplicaSet of the current template: found by the template, whatever the order of its fields", () => {
  const other = {
    ...deployment("v2"),
    spec: { template: { spec: { containers: [{ image: "v2", name: "main" }] }, metadata: { labels: { app: "web" } } } },
  };
  assert.equal(newReplicaSet(other, stuck.replicaSets)?.metadata?.name, "web-b");
  assert.equal(newReplicaSet(deployment("v3"), stuck.replicaSets), undefined);
});

Deno.test("the new ReplicaSet does not exist: the reason is the quota, the pause, or the old pods of Recreate", () => {
  const old = { ...stuck, replicaSets: [stuck.replicaSets[0]!], events: [] };
  const reason = (more: object, status: object = {}, world: ReportWorld = old) => {
    const { spec, ...object } = deployment("v2");
    const changed: ReportedWorkload = { ...object, spec: { ...spec, ...more }, ...status };
    return reportOn("Deployment", changed, world).problem!.reason;
  };
  const message = 'Failed to create new replica set "web-b": replicasets.apps "web-b" is forbidden: exceeded quota: ' +
    "histories, requested: count/replicasets.apps=1, used: count/replicasets.apps=1, limited: count/replicasets.apps=1";
  const conditions = [{ type: "Progressing", status: "False", reason: "ReplicaSetCreateError", message }];
  assert.match(
    reason({}, { status: { observedGeneration: 1, conditions } }),
    /can't be created\. Quota histories \(not Keystone's\) has no room: the new ReplicaSet needs 1 count\/replicasets\.apps/,
  );
  assert.match(reason({ paused: true }), /is paused \(spec\.paused\), so its new template is not rolled out/);
  const pods = [
    pod("web-a-1", "web-a", ready, { deletionTimestamp: "2026-06-01T12:00:20Z", deletionGracePeriodSeconds: 30 }),
  ];
  assert.match(
    reason({ strategy: { type: "Recreate" } }, {}, { ...old, pods }),
    /With strategy Recreate new pods come when the old ones have ended; 1 pod still in deletion/,
  );
});

Deno.test("pods can't be read: the status is used", () => {
  const world = { ...nothing, unread: ["pods", "replicasets"] };
  const object = deployment("v1", {
    status: { observedGeneration: 2, replicas: 3, readyReplicas: 3, updatedReplicas: 3 },
  });
  assert.equal(reportOn("Deployment", object, world).problem, undefined);
  assert.match(
    reportOn("Deployment", deployment("v1"), world).problem!.reason,
    /has 3 of 3 pods ready, 0 of the current template/,
  );
  const set: ReportedWorkload = {
    metadata: { name: "db", uid: "db" },
    spec: { replicas: 2 },
    status: { replicas: 2, readyReplicas: 2 },
  };
  assert.equal(reportOn("StatefulSet", set, world).problem, undefined);
});

Deno.test("an evicted pod that was replaced: worth knowing, but nothing is wrong", () => {
  const gone = pod("web-a-0", "web-a", { phase: "Failed", reason: "Evicted", message: "The node was low on memory." });
  const world = { ...nothing, replicaSets: [set("web-a", "v1", 3)], pods: [gone, ...stuck.pods] };
  const { ok, chain } = explanationOf("Deployment", "web", reportOn("Deployment", deployment("v1"), world));
  assert.equal(ok, true);
  assert.deepEqual(chain.filter(({ status }) => status === "fail"), []);
  assert.ok(chain.some(({ what, status }) => what === "pod web-a-0: Evicted" && status === "warn"));
});

Deno.test("numbers of a rolling update: rounded as by the controller", () => {
  assert.deepEqual(rollingNumbers(undefined, 3), { surge: 1, unavailable: 0 });
  assert.deepEqual(rollingNumbers({ maxSurge: 0, maxUnavailable: "10%" }, 3), { surge: 0, unavailable: 1 });
  assert.deepEqual(rollingNumbers({ maxSurge: "30%", maxUnavailable: 2 }, 10), { surge: 3, unavailable: 2 });
});

Deno.test("1,000 pods with many reasons: a bounded number of lines, equal reasons once", () => {
  const pods = Array.from({ length: 1000 }, (_, index) =>
    pod(`web-b-${index}`, "web-b", {
      phase: "Pending",
      containerStatuses: [{
        name: "main",
        image: "x",
        imageID: "",
        ready: false,
        restartCount: 0,
        state: {
          waiting: { reason: "ErrImagePull", message: index < 400 ? "no such image" : `no such image ${index}` },
        },
      }],
    }));
  const world = { ...nothing, replicaSets: [set("web-b", "v2", 1000)], pods };
  const big = deployment("v2", { spec: { replicas: 1000, template: template("v2") } });
  const { ok, message, chain } = explanationOf("Deployment", "web", reportOn("Deployment", big, world));
  assert.equal(ok, false);
  assert.ok(chain.length < 20, `${chain.length} lines`);
  assert.match(message, /has 0 of 1000 pods ready\. 400 pods \(web-b-0, web-b-1, web-b-10 and 397 more\)/);
  assert.ok(chain.some(({ what }) => what === "593 more pods"));
});

Deno.test("a change that the controller has not processed: that is the answer", () => {
  const lagging = deployment("v1", { metadata: { name: "web", uid: "uid-web", generation: 3 } });
  const { problem } = reportOn("Deployment", lagging, stuck);
  assert.match(problem!.reason, /has not been processed \(generation 3, observed 2\)/);
});

const refusals: [text: string, expected: RegExp, remedy: RegExp][] = [
  [
    exceeded("keystone"),
    /Quota keystone \(the grants\) has no room: a pod needs 1 limits\.cpu \(3 of 3 used\)/,
    /spec\.hard/,
  ],
  [
    exceeded("team"),
    /Quota team \(not Keystone's\) has no room/,
    /ask a cluster admin to raise quota team.*would not help/,
  ],
  [
    'pods "x" is forbidden: exceeded quota: keystone, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=0',
    /1 requests\.nvidia\.com\/gpu \(0 of 0 used\)/,
    /No grant gives requests\.nvidia\.com\/gpu/,
  ],
  [
    'pods "x" is forbidden: failed quota: keystone: must specify limits.cpu for: main; requests.memory for: main,side',
    /Quota keystone refuses each pod, because it does not set limits\.cpu of container main, requests\.memory of container main,side/,
    /containers' resources/,
  ],
  [
    'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)',
    /Pod Security refuses each pod: level restricted/,
    /runAsNonRoot != true/,
  ],
  [
    'pods "x" is forbidden: maximum cpu usage per Container is 400m, but limit is 1',
    /LimitRange refuses it: maximum cpu/,
    /within max 400m/,
  ],
  [
    "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'keystone-guest-pods' with binding 'keystone-guest-pods' denied request: spec.hostNetwork is true.",
    /Policy keystone-guest-pods refuses it: spec\.hostNetwork is true\./,
    /^$/,
  ],
  ['admission webhook "a.example.com" denied the request: no', /Webhook a\.example\.com refuses it: no\./, /^$/],
  [
    'pods "x" is forbidden: error looking up service account guest-bob-home/robot: serviceaccount "robot" not found',
    /ServiceAccount robot does not exist/,
    /create serviceaccount robot/,
  ],
  [
    'pods "x" is forbidden: no PriorityClass with name high was found',
    /PriorityClass high does not exist/,
    /priorityClassName/,
  ],
  [
    `(combined from similar events): ${exceeded("keystone")}`,
    /Quota keystone \(the grants\) has no room: a pod needs/,
    /spec\.hard/,
  ],
  ["(combined from similar events): Error creating: new", /refuses the pod: new\./, /^$/],
  ["something new", /The API server refuses the pod: something new\./, /^$/],
];
for (const [text, expected, remedy] of refusals) {
  Deno.test(`refused because "${text.slice(0, 70)}": in its own words`, () => {
    const grants = [{ name: "a", hard: {} }];
    const problem = refusalReason(text, { noun: "pod" }, { ...nothing, grants });
    assert.match(problem.reason, expected);
    assert.match(problem.remedy, remedy);
  });
}

Deno.test("grants on notice: a refusal by their quota says until when nothing may grow", () => {
  const grants = [{ name: "a", hard: {}, notice: { ends: "2026-06-01T13:00:00Z" } }];
  const { remedy } = refusalReason(exceeded("keystone"), { noun: "pod" }, { ...nothing, grants });
  assert.match(remedy, /Grant a until 2026-06-01T13:00:00Z is on notice/);
});

const waiting = (reason: string, message: string): PodStatus => ({
  phase: "Pending",
  containerStatuses: [{
    name: "main",
    image: "x",
    imageID: "",
    ready: false,
    restartCount: 0,
    state: { waiting: { reason, message } },
  }],
});
const pods: [name: string, pod: Pod, about: RegExp | undefined][] = [
  ["ready", pod("p", "s", ready), undefined],
  ["succeeded", pod("p", "s", { phase: "Succeeded" }), undefined],
  [
    "evicted",
    pod("p", "s", { phase: "Failed", reason: "Evicted", message: "The node was low on memory." }),
    /^Evicted: The pod failed: The node was low/,
  ],
  [
    "an unknown Secret",
    pod("p", "s", waiting("CreateContainerConfigError", 'secret "db" not found')),
    /CreateContainerConfigError: .*kubectl create secret generic db/,
  ],
  [
    "runs as root",
    pod("p", "s", waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
    /another user than 0/,
  ],
  [
    "on a lost node",
    pod("p", "s", {
      phase: "Running",
      conditions: [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" }],
    }),
    /node has stopped reporting/,
  ],
  [
    "not ready",
    pod("p", "s", {
      phase: "Running",
      conditions: [{ type: "Ready", status: "False" }],
      containerStatuses: [{
        name: "main",
        image: "x",
        imageID: "",
        ready: false,
        restartCount: 0,
        state: { running: {} },
      }],
    }),
    /container main is not ready/,
  ],
  [
    "terminating with a finalizer",
    pod("p", "s", ready, {
      deletionTimestamp: "2026-06-01T11:00:30Z",
      deletionGracePeriodSeconds: 30,
      finalizers: ["a.io/b"],
    }),
    /deleted 60 min ago, and waits for the finalizers a\.io\/b/,
  ],
  [
    "gated",
    { ...pod("p", "s", { phase: "Pending" }), spec: { containers: [], schedulingGates: [{ name: "wait" }] } },
    /scheduling gates wait/,
  ],
  [
    "of another scheduler",
    { ...pod("p", "s", { phase: "Pending" }), spec: { containers: [], schedulerName: "mine" } },
    /Remove spec\.schedulerName/,
  ],
  ["with an unknown claim", {
    ...pod("p", "s", { phase: "Pending" }),
    spec: { containers: [], volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }] },
  }, /PersistentVolumeClaim data does not exist/],
];
for (const [name, object, expected] of pods) {
  Deno.test(`a pod is ${name}: ${expected ? "the reason is given" : "nothing is wrong"}`, () => {
    const found = podFinding(object, nothing);
    if (expected) assert.match(`${found?.about}: ${found?.reason} ${found?.remedy}`, expected);
    else assert.equal(found, undefined);
  });
}

Deno.test("an older failure of a CronJob, and a later success: nothing is wrong", () => {
  const job = (name: string, created: string, type: string) => ({
    metadata: { name, uid: name, creationTimestamp: created, ...owned("CronJob", "tick") },
    spec: {},
    status: { conditions: [{ type, status: "True", reason: "BackoffLimitExceeded", message: "no" }] },
  });
  const cron = { kind: "CronJob", metadata: { name: "tick", uid: "uid-tick" }, spec: { schedule: "* * * * *" } };
  const failed = job("tick-1", "2026-06-01T11:00:00Z", "Failed");
  const later = job("tick-2", "2026-06-01T11:01:00Z", "Complete");
  const report = (jobs: object[]) => reportOn("CronJob", cron, { ...nothing, jobs });
  assert.equal(report([failed, later]).problem, undefined);
  assert.match(report([failed]).problem!.reason, /last Job of CronJob tick.*BackoffLimitExceeded/);
});

Deno.test("a StatefulSet with a partition: pods of the old revision stay, and nothing is wrong", () => {
  const pods = ["0", "1"].map((each) => ({
    ...pod(`db-${each}`, "db", ready),
    metadata: {
      name: `db-${each}`,
      labels: { "controller-revision-hash": each === "1" ? "new" : "old" },
      ...owned("StatefulSet", "db"),
    },
  }));
  const set = (partition: number) => ({
    kind: "StatefulSet",
    metadata: { name: "db", uid: "uid-db" },
    spec: { replicas: 2, updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition } } },
    status: { updateRevision: "new" },
  });
  assert.equal(reportOn("StatefulSet", set(1), { ...nothing, pods }).problem, undefined);
  assert.match(
    reportOn("StatefulSet", set(0), { ...nothing, pods }).problem!.reason,
    /1 pod of the old template left/,
  );
});
