import assert from "node:assert/strict";
import type { PersistentVolumeClaim, Pod, PodStatus, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import { refusedEviction } from "./disruption_report.ts";
import { type ExplainedKind, reportOn } from "./explain_object.ts";
import { type Explanation, explanationOf } from "./finding.ts";
import { grantReport, type GrantView } from "./grant_report.ts";
import type { ReportedBudget, ReportedEvent, ReportWorld } from "./reported_objects.ts";

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
  grants: [{ name: "a", hard: {} }],
  unread: [],
};
const owned = (kind: string, uid: string) => ({
  ownerReferences: [{ apiVersion: "v1", kind, name: uid, uid, controller: true }],
});
const ready: PodStatus = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
const podOf = (name: string, status: PodStatus, more: Partial<Pod> = {}): Pod => ({
  metadata: { name, uid: name, labels: { app: "web" }, ...owned("Owner", "owner") },
  spec: { nodeName: "n1", containers: [{ name: "main", ports: [{ name: "http", containerPort: 80 }] }] },
  status,
  ...more,
});
const pending = podOf("p", { phase: "Pending" }, { spec: { containers: [{ name: "main" }] } });
const eventOf = (uid: string, reason: string, message: string, type = "Warning", minute = 59): ReportedEvent => ({
  involvedObject: { uid },
  type,
  reason,
  message,
  lastTimestamp: `2026-06-01T11:${minute}:00Z`,
});
const quotaOf = (name: string, hard: Record<string, string>, used: Record<string, string>): ResourceQuota => ({
  metadata: { name, managedFields: [{ manager: "kubectl-create" }] },
  spec: { hard },
  status: { hard, used },
});
const exceeded = 'pods "x" is forbidden: exceeded quota: keystone, requested: pods=1, used: pods=2, limited: pods=2';
const object = (spec: object, status: object = {}, metadata: object = {}) => ({
  metadata: { name: "x", uid: "owner", ...metadata },
  spec,
  status,
});
const explain = (kind: ExplainedKind, of: object, world: Partial<ReportWorld> = {}): Explanation =>
  explanationOf(kind, "x", reportOn(kind, of, { ...nothing, ...world }), "guest-bob-home");
const deleted = { deletionTimestamp: "2026-06-01T11:00:00Z", finalizers: ["foregroundDeletion"] };

type Case = [name: string, kind: ExplainedKind, of: object, world: Partial<ReportWorld>, ok: boolean, message: RegExp];
const claim = (phase: string, more: object = {}, metadata: object = {}): PersistentVolumeClaim => ({
  metadata: { name: "x", uid: "owner", ...metadata },
  spec: { storageClassName: "fast", volumeName: "v1", resources: { requests: { storage: "2Gi" } } },
  status: { phase, ...more },
} as PersistentVolumeClaim);
const using = podOf("user", ready, {
  spec: { containers: [{ name: "main" }], volumes: [{ name: "d", persistentVolumeClaim: { claimName: "x" } }] },
});
const noNode: Pod = { ...using, spec: { ...using.spec!, nodeName: "" }, status: { phase: "Pending" } };
const late = eventOf("owner", "WaitForFirstConsumer", "waiting for first consumer", "Normal");
const service = (spec: object, status: object = {}) =>
  object({ ports: [{ port: 80, targetPort: "http" }], ...spec }, status);
const slice = (ready: boolean) => ({ metadata: owned("Service", "owner"), endpoints: [{ conditions: { ready } }] });
const selector = { app: "web" };
const hpa = (conditions: object[]) =>
  object({ scaleTargetRef: { kind: "StatefulSet", name: "db" }, minReplicas: 1, maxReplicas: 3 }, {
    desiredReplicas: 2,
    conditions,
  });
const able = [{ type: "AbleToScale", status: "True" }, { type: "ScalingActive", status: "True" }];
const target = { metadata: { name: "db", uid: "db" }, spec: { replicas: 0 }, status: {} };
const lackingTarget = { ...target, spec: { replicas: 1 } };
const failedPod = podOf("f", { phase: "Failed", containerStatuses: [] });

const budgetOf = (spec: object, status: object, name = "b"): ReportedBudget => ({
  metadata: { name, generation: 1 },
  spec: { selector: { matchLabels: selector }, ...spec },
  status: { observedGeneration: 1, disruptionsAllowed: 0, ...status },
});
const tight = budgetOf({ minAvailable: 1 }, { currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 });
const unready: PodStatus = { phase: "Running", conditions: [{ type: "Ready", status: "False" }] };

const cases: Case[] = [
  [
    "pod that a budget keeps after the last grant",
    "Pod",
    podOf("x", ready),
    { grants: [], budgets: [tight] },
    false,
    /^Pod x has to end, because no grant is in force in guest-bob-home\. PodDisruptionBudget b never allows an eviction: spec\.minAvailable is 1, and it counts 1 pod\. Lower spec\.minAvailable, or add pods\. When the drain is over, it is deleted all the same\.$/,
  ],
  [
    "pod that a budget keeps while pods use more than the grants give",
    "Pod",
    podOf("x", ready),
    {
      quotas: [quotaOf("keystone", { "requests.cpu": "1" }, { "requests.cpu": "2" })],
      budgets: [budgetOf({ maxUnavailable: "30%" }, { currentHealthy: 2, desiredHealthy: 2, expectedPods: 3 })],
    },
    false,
    /because the grants give less than the pods use\. .*allows no eviction now: 2 of 3 pods are healthy, 2 needed\. It allows one as soon/,
  ],
  [
    "pod of a budget that can't be computed",
    "Pod",
    podOf("x", ready),
    {
      grants: [],
      budgets: [budgetOf({}, {
        conditions: [{ type: "DisruptionAllowed", status: "False", reason: "SyncFailed", message: "no scale of jobs" }],
      })],
    },
    false,
    /it can't be computed: no scale of jobs\. Set spec\.minAvailable to a number/,
  ],
  [
    "pod of a budget that was not processed",
    "Pod",
    podOf("x", ready),
    { grants: [], budgets: [{ ...tight, status: {} }] },
    false,
    /b was not processed yet/,
  ],
  ["pod of a budget, and nothing ends", "Pod", podOf("x", ready), { budgets: [tight] }, true, /running and ready/],
  [
    "bound claim",
    "PersistentVolumeClaim",
    claim("Bound", { capacity: { storage: "2Gi" } }),
    {},
    true,
    /has its volume v1 of 2Gi/,
  ],
  ["claim whose volume is lost", "PersistentVolumeClaim", claim("Lost"), {}, false, /volume v1 of .* no longer exists/],
  [
    "claim in deletion, in use",
    "PersistentVolumeClaim",
    claim("Bound", {}, { ...deleted, finalizers: ["kubernetes.io/pvc-protection"] }),
    { pods: [using] },
    false,
    /waits for the pods that use it: user\. It goes when they have ended/,
  ],
  [
    "claim in deletion, held",
    "PersistentVolumeClaim",
    claim("Bound", {}, { ...deleted, finalizers: ["a.io/b"] }),
    {},
    false,
    /its finalizers a\.io\/b\. The controller/,
  ],
  [
    "claim that grows at the next start",
    "PersistentVolumeClaim",
    claim("Bound", { capacity: { storage: "1Gi" }, conditions: [{ type: "FileSystemResizePending", status: "True" }] }),
    {},
    false,
    /has 1Gi and asks for 2Gi\. Its file system grows when/,
  ],
  ["claim that no pod uses yet", "PersistentVolumeClaim", claim("Pending"), { events: [late] }, true, /no pod uses it/],
  [
    "claim that waits for a pod",
    "PersistentVolumeClaim",
    claim("Pending"),
    { events: [late], claims: [claim("Pending")], pods: [noNode] },
    false,
    /when pod user is scheduled\. The pod waits: No scheduler/,
  ],
  [
    "claim with a provisioner that doesn't answer",
    "PersistentVolumeClaim",
    claim("Pending"),
    { events: [eventOf("owner", "ExternalProvisioning", "Waiting for x.io", "Normal")] },
    false,
    /has no volume yet: Waiting for x\.io/,
  ],
  [
    "claim that failed once",
    "PersistentVolumeClaim",
    claim("Pending"),
    { events: [eventOf("owner", "ProvisioningFailed", "no space")] },
    false,
    /no volume: no space\. The provisioner tries again/,
  ],
  ["claim without events", "PersistentVolumeClaim", claim("Pending"), {}, false, /no event gives a reason/],
  [
    "claim with another event",
    "PersistentVolumeClaim",
    claim("Pending"),
    { events: [eventOf("owner", "Other", "hm", "Normal")] },
    false,
    /no volume: hm\./,
  ],

  [
    "Service by name",
    "Service",
    service({ type: "ExternalName", externalName: "a.example" }),
    {},
    true,
    /another name of a\.example/,
  ],
  [
    "Service with endpoints",
    "Service",
    service({ selector }),
    { pods: [podOf("p", ready)], slices: [slice(true)] },
    true,
    /leads to 1 endpoint\./,
  ],
  [
    "Service whose slices can't be read",
    "Service",
    service({ selector, clusterIP: "None" }),
    { pods: [podOf("p", ready)], unread: ["endpointslices"] },
    true,
    /leads to 1 ready pod\./,
  ],
  [
    "Service whose pods are ready without endpoints",
    "Service",
    service({ selector }),
    { pods: [podOf("p", ready)] },
    false,
    /no endpoints yet, though its pods are ready/,
  ],
  ["Service without a selector", "Service", service({}), {}, false, /no selector and no endpoints/],
  [
    "Service that was closed",
    "Service",
    service({ selector, type: "ClusterIP" }),
    { events: [eventOf("owner", "MadeInternal", "no grant")] },
    false,
    /was made internal\. no grant/,
  ],
  [
    "Service without a granted load balancer",
    "Service",
    service({ type: "LoadBalancer", loadBalancerClass: "a/b" }),
    { events: [eventOf("owner", "SyncLoadBalancerFailed", "no")] },
    false,
    /class a\/b has not assigned one\. no\. No grant gives/,
  ],
  [
    "Service with an address",
    "Service",
    service({ type: "LoadBalancer", selector }, { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } }),
    { pods: [podOf("p", ready)], slices: [slice(true)] },
    true,
    /from outside at 192\.0\.2\.1/,
  ],

  ["autoscaler that works", "HorizontalPodAutoscaler", hpa(able), { target }, true, /has StatefulSet db at 2 pods/],
  [
    "autoscaler that was not processed",
    "HorizontalPodAutoscaler",
    hpa([]),
    { target },
    false,
    /has not been processed yet/,
  ],
  [
    "autoscaler of a target with 0 replicas",
    "HorizontalPodAutoscaler",
    hpa([{ type: "ScalingActive", status: "False", reason: "ScalingDisabled" }]),
    { target },
    false,
    /has 0 replicas\. Give it one: kubectl scale statefulset\/db/,
  ],
  [
    "autoscaler of the same target as another",
    "HorizontalPodAutoscaler",
    hpa([{
      type: "ScalingActive",
      status: "False",
      reason: "AmbiguousSelector",
      message: "pods by selector are controlled by multiple HPAs",
    }]),
    { target },
    false,
    /Only one autoscaler/,
  ],
  [
    "autoscaler of pods without requests",
    "HorizontalPodAutoscaler",
    hpa([{
      type: "ScalingActive",
      status: "False",
      reason: "FailedGetResourceMetric",
      message: "missing request for cpu",
    }]),
    { target },
    false,
    /Set resources\.requests/,
  ],
  [
    "autoscaler whose target lacks pods",
    "HorizontalPodAutoscaler",
    hpa(able),
    { target: lackingTarget },
    false,
    /wants 2 pods\. StatefulSet db has 0 of 1 pod ready/,
  ],
  [
    "autoscaler whose target can't be read",
    "HorizontalPodAutoscaler",
    hpa(able),
    { unread: ["statefulsets"] },
    true,
    /at 2 pods/,
  ],

  [
    "DaemonSet",
    "DaemonSet",
    object({}, { desiredNumberScheduled: 1, updatedNumberScheduled: 1 }),
    { pods: [podOf("p", ready)] },
    true,
    /its pod is ready/,
  ],
  [
    "DaemonSet without room",
    "DaemonSet",
    object({}, { desiredNumberScheduled: 2 }),
    { pods: [podOf("p", ready)], events: [eventOf("owner", "FailedCreate", exceeded)] },
    false,
    /1 of 2 pods ready \(1 missing\)\. Quota keystone.*fewer nodes/,
  ],
  [
    "DaemonSet with old pods",
    "DaemonSet",
    object({ updateStrategy: { type: "OnDelete" } }, { desiredNumberScheduled: 1 }),
    { pods: [podOf("p", ready)] },
    false,
    /1 pod of the old template left, because .* OnDelete/,
  ],

  ["ReplicaSet", "ReplicaSet", object({ replicas: 1 }), { pods: [podOf("p", ready)] }, true, /its pod is ready/],
  [
    "ReplicaSet of an old revision",
    "ReplicaSet",
    object({ replicas: 0 }, {}, owned("Deployment", "web")),
    {},
    true,
    /earlier revision of Deployment web/,
  ],
  ["ReplicationController scaled to 0", "ReplicationController", object({ replicas: 0 }), {}, true, /scaled to 0/],
  [
    "ReplicaSet without room",
    "ReplicaSet",
    object({ replicas: 2 }, {
      conditions: [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: exceeded }],
    }),
    { pods: [podOf("p", ready)] },
    false,
    /Quota keystone \(the grants\) has no room: a pod needs 1 pods \(2 of 2 used\).*--replicas=1/,
  ],
  [
    "ReplicaSet in deletion",
    "ReplicaSet",
    object({ replicas: 1 }, {}, deleted),
    {},
    false,
    /was deleted 60 min ago, and waits for the finalizers foregroundDeletion\. It goes after its pods/,
  ],

  [
    "StatefulSet without room for a claim",
    "StatefulSet",
    object({ replicas: 1 }),
    {
      events: [
        eventOf(
          "owner",
          "FailedCreate",
          `create Claim d-x-0 for Pod x-0 in StatefulSet x failed error: persistentvolumeclaims "d-x-0" is forbidden: exceeded quota: keystone, requested: requests.storage=1Gi, used: requests.storage=0, limited: requests.storage=0`,
        ),
      ],
    },
    false,
    /Pod x-0 waits for its claim\..*No grant gives requests\.storage/,
  ],
  [
    "StatefulSet whose claim a policy refuses",
    "StatefulSet",
    object({ replicas: 1 }),
    {
      events: [
        eventOf(
          "owner",
          "FailedCreate",
          `create Pod x-0 in StatefulSet x failed error: failed to create PVC d-x-0: persistentvolumeclaims "d-x-0" is ` +
            "forbidden: ValidatingAdmissionPolicy 'keystone-guest-claims' with binding 'keystone-guest-claims' denied " +
            "request: spec.storageClassName is missing.",
        ),
      ],
    },
    false,
    /Pod x-0 waits for its claim\. Policy keystone-guest-claims refuses it: spec\.storageClassName is missing/,
  ],
  [
    "StatefulSet whose pods are deleted by hand",
    "StatefulSet",
    object({ replicas: 1, updateStrategy: { type: "OnDelete" } }, { updateRevision: "new" }),
    { pods: [podOf("x-0", ready)] },
    false,
    /of the old template \(x-0\) left.*kubectl delete pod x-0/,
  ],
  [
    "StatefulSet with a broken old pod",
    "StatefulSet",
    object({ replicas: 1 }, { updateRevision: "new" }),
    { pods: [{ ...pending, metadata: { ...pending.metadata, name: "x-0" } }] },
    false,
    /never gets ready isn't replaced by itself: kubectl delete pod x-0/,
  ],

  [
    "Job that runs",
    "Job",
    object({ completions: 1 }),
    { pods: [podOf("p", ready)] },
    true,
    /is running: 1 of 1 pod ready/,
  ],
  [
    "Job that is complete",
    "Job",
    object({}, { succeeded: 1, conditions: [{ type: "Complete", status: "True" }] }),
    {},
    true,
    /is complete: 1 pod succeeded/,
  ],
  [
    "Job past its deadline",
    "Job",
    object({}, { conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded", message: "too long" }] }),
    {},
    false,
    /failed \(DeadlineExceeded\): too long\. Raise spec\.activeDeadlineSeconds/,
  ],
  ["Job of another controller", "Job", object({ managedBy: "a.io/b" }), {}, false, /waits for the controller a\.io\/b/],
  ["Job that is suspended", "Job", object({ suspend: true }), {}, false, /is suspended.*"suspend":false/],
  ["Job that begins", "Job", object({ completions: 1 }), {}, false, /lacks 1 pod: its controller is working on it/],
  [
    "Job that tries again",
    "Job",
    object({ completions: 1 }, { failed: 1 }),
    { pods: [failedPod] },
    false,
    /is not complete\. Pod f: Failed/,
  ],
  [
    "Job without room",
    "Job",
    object({ completions: 3, parallelism: 2 }),
    { pods: [podOf("p", ready)], events: [eventOf("owner", "FailedCreate", exceeded)] },
    false,
    /lacks 1 pod\. Quota keystone.*spec\.parallelism to 1/,
  ],

  [
    "CronJob of an unknown time zone",
    "CronJob",
    object({ schedule: "* * * * *", timeZone: "Mars" }),
    { events: [eventOf("owner", "UnknownTimeZone", "Mars")] },
    false,
    /can't be scheduled: Mars\. Correct spec\.schedule or spec\.timeZone/,
  ],
  [
    "CronJob that missed its time",
    "CronJob",
    object({ schedule: "* * * * *" }),
    { events: [eventOf("owner", "MissSchedule", "Missed")] },
    false,
    /missed a scheduled time 60 s ago.*startingDeadlineSeconds/,
  ],
  [
    "CronJob whose Job still runs",
    "CronJob",
    object({ schedule: "* * * * *" }),
    {
      events: [eventOf("owner", "JobAlreadyActive", "no", "Normal")],
      jobs: [{ metadata: { name: "x-1", uid: "x-1", ...owned("CronJob", "owner") } }],
    },
    false,
    /because Job x-1 still runs.*keystone explain job x-1/,
  ],
  [
    "CronJob without room",
    "CronJob",
    object({ schedule: "* * * * *" }),
    {
      events: [
        eventOf(
          "owner",
          "FailedCreate",
          'Error creating job: jobs.batch "x" is forbidden: exceeded quota: keystone, requested: count/jobs.batch=1, used: count/jobs.batch=1, limited: count/jobs.batch=1',
        ),
      ],
      jobs: [{
        metadata: { name: "x-1", ...owned("CronJob", "owner") },
        status: { conditions: [{ type: "Complete", status: "True" }] },
      }],
    },
    false,
    /the Job needs 1 count\/jobs\.batch \(1 of 1 used\)\. Lower spec\.successfulJobsHistoryLimit \(3\).*kubectl delete job x-1/,
  ],

  [
    "pod that waits for its claim",
    "Pod",
    { ...using, status: { phase: "Pending" } },
    { claims: [claim("Pending")], events: [eventOf("owner", "ProvisioningFailed", 'storageclass "fast" not found')] },
    false,
    /Pod user: claim x\. .*has no volume: storageclass "fast" not found\. Change spec\.storageClassName/,
  ],
  [
    "pod of a ReplicaSet of a Deployment",
    "Pod",
    podOf("p", ready),
    { replicaSets: [{ metadata: { name: "rs", uid: "owner", ...owned("Deployment", "web") } }] },
    true,
    /is running and ready/,
  ],
];
for (const [name, kind, of, world, ok, message] of cases) {
  Deno.test(`explain ${name}: ${ok ? "nothing is wrong" : "the reason and the remedy"}`, () => {
    const said = explain(kind, of, world);
    assert.match(said.message, message);
    assert.equal(said.ok, ok);
    assert.equal(said.chain.some(({ status }) => status === "fail"), !ok);
  });
}

const started = { state: { running: {} }, name: "main", image: "x", imageID: "", ready: false, restartCount: 0 };
const unscheduled = (message: string): Pod => ({
  ...pending,
  status: {
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
  },
});
const podCases: [name: string, pod: Pod, events: ReportedEvent[], message: RegExp][] = [
  [
    "nodes without room",
    unscheduled("0/1 nodes are available: 1 Insufficient cpu."),
    [],
    /nodes lack free cpu, whatever the grants give/,
  ],
  ["no nodes", unscheduled("no nodes available to schedule pods"), [], /no node that takes pods/],
  ["tainted nodes", unscheduled("1 node(s) had untolerated taint(s)"), [], /Add spec\.tolerations/],
  ["spread", unscheduled("didn't match pod topology spread constraints"), [], /topologySpreadConstraints/],
  ["another reason", unscheduled("something"), [], /Unschedulable\. something\.$/],
  ["a missing Secret to mount", podOf("p", { phase: "Pending" }), [
    eventOf("p", "FailedMount", 'MountVolume.SetUp failed for volume "s" : secret "s" not found'),
  ], /FailedMount.*kubectl create secret generic s/],
  [
    "a start that takes long",
    podOf("p", { phase: "Pending", startTime: "2026-06-01T10:00:00Z" }),
    [],
    /has not started its containers; it was placed 2 h ago/,
  ],
  [
    "a start",
    podOf("p", { phase: "Pending", startTime: "2026-06-01T11:59:50Z" }),
    [],
    /Its containers are being created/,
  ],
  [
    "its readiness probe",
    podOf("p", { phase: "Running", conditions: [{ type: "Ready", status: "False" }], containerStatuses: [started] }),
    [eventOf("p", "Unhealthy", "Readiness probe failed: 503")],
    /container main is not ready\. Readiness probe failed: 503/,
  ],
  [
    "a readiness gate",
    podOf("p", { phase: "Running", conditions: [{ type: "Ready", status: "False" }] }, {
      spec: { nodeName: "n", containers: [], readinessGates: [{ conditionType: "a.io/b" }] },
    }),
    [],
    /readiness gates are not met: a\.io\/b/,
  ],
  [
    "a crash for lack of memory",
    podOf("p", {
      phase: "Running",
      containerStatuses: [{
        ...started,
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 137, signal: 9, reason: "OOMKilled", message: "bye" } },
        restartCount: 2,
      }],
    }),
    [],
    /code 137 by signal 9: it used more memory than its limit\. It says: bye\. .*Raise resources\.limits\.memory/,
  ],
  [
    "a container that ended",
    podOf("p", { phase: "Running", containerStatuses: [{ ...started, state: { terminated: { exitCode: 1 } } }] }),
    [],
    /container main: Error\. It exited with code 1\. Read its output: kubectl logs p -c main/,
  ],
  [
    "its image",
    podOf("p", {
      phase: "Pending",
      initContainerStatuses: [{ ...started, state: { waiting: { reason: "ErrImagePull", message: "p: no" } } }],
    }),
    [],
    /init container main: ErrImagePull\. p: no\. Check the image's name/,
  ],
  [
    "its deadline",
    podOf("p", { phase: "Failed", reason: "DeadlineExceeded", message: "too long" }),
    [],
    /too long\. Raise spec\.activeDeadlineSeconds/,
  ],
  [
    "its exit code",
    podOf("p", {
      phase: "Failed",
      containerStatuses: [{ ...started, state: { terminated: { exitCode: 4, reason: "OOMKilled" } } }],
    }),
    [],
    /container main: OOMKilled\. It exited with code 4/,
  ],
  [
    "its end",
    podOf("p", ready, {
      metadata: { name: "p", uid: "p", deletionTimestamp: "2026-06-01T12:00:10Z", deletionGracePeriodSeconds: 30 },
    }),
    [],
    /deleted 20 s ago, and is ending/,
  ],
  [
    "a node that is gone",
    podOf("p", ready, {
      metadata: { name: "p", uid: "p", deletionTimestamp: "2026-06-01T11:00:10Z", deletionGracePeriodSeconds: 30 },
    }),
    [],
    /node has not reported its end/,
  ],
  [
    "an ephemeral volume that is being made",
    podOf("p", { phase: "Pending" }, { spec: { containers: [], volumes: [{ name: "v", ephemeral: {} }] } }),
    [],
    /volume v\. Its claim has not been created yet/,
  ],
];
for (const [name, pod, events, message] of podCases) {
  Deno.test(`explain a pod that waits for ${name}: the reason and the remedy`, () => {
    const said = explain("Pod", pod, { events });
    assert.match(said.message, message);
    assert.equal(said.ok, false);
  });
}

Deno.test("an ephemeral volume's claim belongs to something else: it is named", () => {
  const pod = podOf("p", { phase: "Pending" }, { spec: { containers: [], volumes: [{ name: "v", ephemeral: {} }] } });
  const claims = [{ ...claim("Bound"), metadata: { name: "p-v" } }];
  assert.match(explain("Pod", pod, { claims }).message, /claim p-v exists already and belongs to something else/);
});

Deno.test("policies that select a pod are named with its use of the grants", () => {
  const pod = podOf("p", ready, {
    spec: { nodeName: "n", containers: [{ name: "main", resources: { requests: { cpu: "1" } } }] },
  });
  const { chain } = reportOn("Pod", pod, nothing, ["default-deny"]);
  assert.ok(chain.some(({ what, message }) => what === "uses" && /^1 requests\.cpu of the grants/.test(message)));
  assert.ok(chain.some(({ what, message }) => what === "network" && /^default-deny apply to it/.test(message)));
});

const grant: GrantView = {
  name: "a",
  phase: "Active",
  message: "Enforced in namespace guest-bob-home.",
  grantee: "bob-home",
  granted: { "requests.cpu": "4" },
  used: {},
  reductions: [],
  conditions: [],
  destinations: [],
};
const own = quotaOf("keystone", { "requests.cpu": "6" }, { "requests.cpu": "3" });
const condition = (type: string, status: "True" | "False", message: string) => ({
  type,
  status,
  reason: "R",
  message,
  lastTransitionTime: "",
});
const grantCases: [
  name: string,
  view: Partial<GrantView>,
  quotas: ResourceQuota[],
  ok: boolean,
  answer: RegExp,
  line: RegExp,
][] = [
  [
    "in force",
    {},
    [own],
    true,
    /Grant a is in force\. It lasts until it is revoked/,
    /requests\.cpu: 4 granted; guest-bob-home uses 3 of 6, 3 free\./,
  ],
  [
    "of one amount",
    { granted: { "requests.cpu": "6" } },
    [own],
    true,
    /in force/,
    /requests\.cpu: 3 of 6 used, 3 free\./,
  ],
  [
    "without a readable quota",
    { used: { "requests.cpu": "5" } },
    [],
    true,
    /in force/,
    /requests\.cpu: 5 of 4 used, 0 free\./,
  ],
  [
    "pending",
    { phase: "Pending", message: "Starts later." },
    [],
    false,
    /not in force\. Starts later\./,
    /requests\.cpu: 4 granted\./,
  ],
  [
    "expired",
    { phase: "Expired", message: "Ended at x." },
    [],
    false,
    /no longer in force\. Ended at x\./,
    /Expired: Ended at x\./,
  ],
  [
    "not fully in force",
    { conditions: [condition("Ready", "False", "No access.")] },
    [own],
    false,
    /not fully in force\. No access/,
    /./,
  ],
  [
    "while writes are closed",
    { conditions: [condition("WritesClosed", "True", "Nearly full.")] },
    [own],
    false,
    /Nearly full/,
    /WritesClosed \(R\)/,
  ],
  ["on notice", { notice: "Ends soon", ends: "2026-06-01T13:00:00Z" }, [own], true, /Ends soon/, /notice: Ends soon\./],
  [
    "with a reduction",
    { reductions: [{ until: "2026-06-01T13:00:00Z", hard: { pods: "9" } }] },
    [own],
    true,
    /in force/,
    /Until 2026-06-01T13:00:00Z, in 60 min it still gives pods 9/,
  ],
  [
    "with a destination that opens nothing",
    { destinations: [{ destination: "x", error: "unknown" }] },
    [own],
    true,
    /in force/,
    /destination x: unknown/,
  ],
  [
    "that another quota limits",
    {},
    [own, quotaOf("team", { cpu: "4" }, { cpu: "3" })],
    true,
    /in force/,
    /3 free, but quota team leaves only 1\./,
  ],
  [
    "that another quota blocks",
    {},
    [own, quotaOf("team", { cpu: "3" }, { cpu: "3" })],
    false,
    /another quota in guest-bob-home is full: team leaves no requests\.cpu\. Raise or delete it/,
    /Quota team \(not Keystone's, made by kubectl-create\)/,
  ],
  [
    "beside a quota of a scope",
    {},
    [own, { ...quotaOf("best", { pods: "1" }, { pods: "1" }), spec: { scopes: ["BestEffort"] } }],
    true,
    /in force/,
    /counts only pods of scope BestEffort/,
  ],
];
for (const [name, view, quotas, ok, answer, line] of grantCases) {
  Deno.test(`explain a grant ${name}: ${ok ? "it is in force" : "the reason"}`, () => {
    const said = explanationOf("Grant", "a", grantReport({ ...grant, ...view }, { ...nothing, quotas }));
    assert.match(said.message, answer);
    assert.equal(said.ok, ok);
    assert.match(said.chain.map(({ what, message }) => `${what}: ${message}`).join("\n"), line);
  });
}

Deno.test("the maker of another quota: its owner, its labels, else its field manager", () => {
  const made = (metadata: object) => {
    const quotas = [{ ...quotaOf("team", { pods: "9" }, { pods: "1" }), metadata: { name: "team", ...metadata } }];
    return explain("Pod", podOf("p", ready), { quotas }).chain.find(({ what }) => what === "another quota, team")!
      .message;
  };
  assert.match(made({ ownerReferences: [{ kind: "Tenant", name: "t" }] }), /made by Tenant t/);
  assert.match(
    made({ labels: { "app.kubernetes.io/managed-by": "kyverno", "generate.kyverno.io/policy-name": "q" } }),
    /made by kyverno, policy q/,
  );
  assert.match(made({ labels: { "generate.kyverno.io/policy-name": "q" } }), /made by policy q/);
  assert.match(made({}), /Quota team \(not Keystone's\) limits guest-bob-home further: pods: 1 of 9 used, 8 free/);
});

Deno.test("what may not be read: named once", () => {
  const { chain } = explain("Job", object({ completions: 1 }, { active: 1, ready: 1 }), { unread: ["events", "pods"] });
  assert.deepEqual(chain.filter(({ what }) => what === "not read").length, 1);
});

Deno.test("evictions of a pod that isn't ready: as the eviction API judges them", () => {
  const evict = (spec: object, status: object) =>
    refusedEviction(selector, { ...nothing, budgets: [budgetOf(spec, status)] }, podOf("x", unready));
  const counts = { currentHealthy: 2, desiredHealthy: 2, expectedPods: 3 };
  assert.equal(evict({}, counts), undefined);
  const few = evict({}, { ...counts, currentHealthy: 1 })!;
  assert.match(few.reason, /1 of 3 pods is healthy, 2 needed/);
  assert.match(few.remedy, /spec\.unhealthyPodEvictionPolicy to AlwaysAllow/);
  assert.equal(evict({ unhealthyPodEvictionPolicy: "AlwaysAllow" }, { ...counts, currentHealthy: 1 }), undefined);
});
