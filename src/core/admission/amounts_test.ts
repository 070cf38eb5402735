/** Amounts of each kind of object by quota key, and refusals at the exact edges of the granted amounts. */
import assert from "node:assert/strict";
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { containerLimits } from "../resources/limits.ts";
import { listFrom } from "../resources/quota_lists.ts";
import type { Change, Outcome, Surroundings } from "./change.ts";
import type { Giver } from "./givers.ts";
import { judge } from "./judge.ts";
import { quotaRoomOf } from "./surroundings.ts";

type Texts = Record<string, string>;
type Json = Record<string, unknown>;

const object = (kind: string, spec: unknown, apiVersion = "apps/v1"): Json => ({
  apiVersion,
  kind,
  metadata: { name: "web" },
  spec,
});
const pod = (requests: Texts, limits: Texts = requests) => ({
  containers: [{ name: "main", image: "registry.example/main:1", resources: { requests, limits } }],
});
const deployment = (replicas: number, spec: unknown, more: Json = {}) =>
  object("Deployment", { replicas, template: { spec }, ...more });
const claim = (storageClassName?: string) => ({
  resources: { requests: { storage: "2Gi" } },
  ...(storageClassName === undefined ? {} : { storageClassName }),
});
const nodes = ["n1", "n2", "n3"].map((name) => ({ name, labels: {}, taints: [] }));

const quota = (hard: Texts, used: Texts = {}, asked: Texts = hard, givers: Giver[] = []) =>
  quotaRoomOf({ metadata: { name: "keystone" }, spec: { hard: asked }, status: { hard, used } }, givers);
const around = (more: Partial<Surroundings>): Surroundings => ({
  namespace: "guest-bob-home",
  quotas: [],
  givers: [],
  limits: [],
  autoscalers: [],
  claims: new Map(),
  nodes,
  defaultStorageClass: null,
  ...more,
});

const cpu = pod({ cpu: "1" });
const template = { spec: cpu };
const ofPods = (count: number) => ({
  pods: `${count}`,
  "count/pods": `${count}`,
  "requests.cpu": `${count}`,
  "limits.cpu": `${count}`,
});
const ofClaims = (count: number) => ({ persistentvolumeclaims: `${count}`, "requests.storage": `${count * 2}Gi` });
const classKeys = (name: string, count: number) => ({
  [`${name}.storageclass.storage.k8s.io/requests.storage`]: `${count * 2}Gi`,
  [`${name}.storageclass.storage.k8s.io/persistentvolumeclaims`]: `${count}`,
});

const amounts: [string, unknown, Texts, Partial<Surroundings>?][] = [
  ["a Pod", object("Pod", cpu, "v1"), ofPods(1)],
  ["a Deployment has one pod by default", object("Deployment", { template }), {
    ...ofPods(1),
    "count/deployments.apps": "1",
    "count/replicasets.apps": "1",
  }],
  ["a ReplicaSet", object("ReplicaSet", { replicas: 2, template }), { ...ofPods(2), "count/replicasets.apps": "1" }],
  ["a ReplicationController", object("ReplicationController", { replicas: 2, template }, "v1"), {
    ...ofPods(2),
    replicationcontrollers: "1",
    "count/replicationcontrollers": "1",
  }],
  [
    "a StatefulSet has a claim for each pod",
    object("StatefulSet", {
      replicas: 3,
      template,
      volumeClaimTemplates: [{ metadata: { name: "data" }, spec: claim("fast") }],
    }),
    {
      ...ofPods(3),
      ...ofClaims(3),
      ...classKeys("fast", 3),
      "count/statefulsets.apps": "1",
      "count/controllerrevisions.apps": "1",
    },
  ],
  ["a DaemonSet has a pod for each node", object("DaemonSet", { template }), {
    ...ofPods(3),
    "count/daemonsets.apps": "1",
    "count/controllerrevisions.apps": "1",
  }],
  [
    "a Job runs no more pods than completions",
    object("Job", { parallelism: 5, completions: 2, template }, "batch/v1"),
    { ...ofPods(2), "count/jobs.batch": "1" },
  ],
  [
    "a Job keeps its finished pods",
    object("Job", { parallelism: 2, completions: 5, template }, "batch/v1"),
    { ...ofPods(2), "count/pods": "5", "count/jobs.batch": "1" },
  ],
  ["a suspended Job has no pods", object("Job", { suspend: true, template }, "batch/v1"), { "count/jobs.batch": "1" }],
  [
    "a CronJob has one Job, and the finished ones that it keeps",
    object("CronJob", { jobTemplate: { spec: { parallelism: 2, template } } }, "batch/v1"),
    { ...ofPods(2), "count/pods": "8", "count/jobs.batch": "4", "count/cronjobs.batch": "1" },
  ],
  [
    "a suspended CronJob has no pods",
    object("CronJob", { suspend: true, jobTemplate: { spec: { template } } }, "batch/v1"),
    { "count/cronjobs.batch": "1" },
  ],
  ["a claim without a class", object("PersistentVolumeClaim", claim(""), "v1"), ofClaims(1), {
    defaultStorageClass: "fast",
  }],
  [
    "a claim leaves its class out, and the default is known",
    object("PersistentVolumeClaim", claim(), "v1"),
    { ...ofClaims(1), ...classKeys("fast", 1) },
    { defaultStorageClass: "fast" },
  ],
  ["a claim leaves its class out, and there is no default", object("PersistentVolumeClaim", claim(), "v1"), {
    ...ofClaims(1),
  }],
  ["a Service", object("Service", { ports: [{ port: 80 }] }, "v1"), { services: "1" }],
  ["node ports", object("Service", { type: "NodePort", ports: [{}, {}] }, "v1"), {
    services: "1",
    "services.nodeports": "2",
  }],
  ["a load balancer with node ports", object("Service", { type: "LoadBalancer", ports: [{}, {}] }, "v1"), {
    services: "1",
    "services.loadbalancers": "1",
    "services.nodeports": "2",
  }],
  [
    "a load balancer without node ports but one",
    object(
      "Service",
      { type: "LoadBalancer", allocateLoadBalancerNodePorts: false, ports: [{ nodePort: 30000 }, {}] },
      "v1",
    ),
    { services: "1", "services.loadbalancers": "1", "services.nodeports": "1" },
  ],
  ["a Secret counts under both spellings", object("Secret", undefined, "v1"), { secrets: "1", "count/secrets": "1" }],
  ["a kind that is not known", object("Widget", {}, "example.com/v1"), { "count/widgets.example.com": "1" }],
  [
    "a RuntimeClass with overhead: limits have it only if a container has a limit",
    object("Pod", { ...cpu, runtimeClassName: "heavy" }, "v1"),
    { ...ofPods(1), "requests.cpu": "1500m", "limits.cpu": "1500m", "requests.ephemeral-storage": "1Mi" },
    { overheads: { heavy: { cpu: "500m", "ephemeral-storage": "1Mi" } } },
  ],
  [
    "resources and a RuntimeClass named like properties of every object",
    object(
      "Pod",
      { ...pod({ constructor: "1", valueOf: "2" }, { constructor: "1" }), runtimeClassName: "toString" },
      "v1",
    ),
    { pods: "1", "count/pods": "1", "requests.constructor": "1", "limits.constructor": "1", "requests.valueOf": "2" },
    { overheads: {} },
  ],
];
const everyKey = new Set(amounts.flatMap(([, , expected]) => Object.keys(expected)));
// A quota of cpu would require it of the pod that has only odd resources.
const withoutCpu = new Set([...everyKey].filter((key) => !key.endsWith(".cpu")));
for (const [that, after, expected, more] of amounts) {
  Deno.test(`amounts: ${that}`, () => {
    const keys = "requests.valueOf" in expected ? withoutCpu : everyKey;
    const hard = Object.fromEntries([...keys].map((key) => [key, /storage$/.test(key) ? "1000Gi" : "1000"]));
    const { fits, message, takes } = judge({ after, asked: true }, around({ quotas: [quota(hard)], ...more }));
    assert.equal(fits, true, message);
    const taken = [...takes.get("keystone") ?? []].map(([key, amount]) => [key, amount.toString()]);
    assert.deepEqual(Object.fromEntries(taken), expected);
  });
}

const hard = { "requests.cpu": "4", "limits.cpu": "8", "requests.memory": "4Gi", "limits.memory": "8Gi", pods: "10" };
const until = Date.parse("2030-01-01T00:00:00Z");
const giver = (name: string, cpu: string, more: Partial<Giver> = {}): Giver => ({
  name,
  hard: listFrom({ "requests.cpu": cpu, "limits.cpu": cpu }),
  notice: false,
  ...more,
});
const granted = (used: Texts = {}, more: Partial<Surroundings> = {}) =>
  around({
    quotas: [quota(hard, used)],
    givers: [giver("alice-to-bob", "4", { until })],
    limits: [containerLimits(listFrom(hard))],
    ...more,
  });
const judged = (after: unknown, used?: Texts, before?: unknown): Outcome =>
  judge({ after, asked: true, ...(before === undefined ? {} : { before }) }, granted(used));

Deno.test("above all grants: refused with resource, amounts, shortage, grants with their ends, and what would fit", () => {
  const after = deployment(4, pod({ cpu: "2" }));
  const { never, message } = judged(after);
  assert.equal(never, true);
  assert.equal(
    message,
    "Deployment web needs 8 requests.cpu (4 pods with 2 each), but guest-bob-home is granted 4 in total: short by 4. " +
      "Grant alice-to-bob (4 requests.cpu, until 2030-01-01T00:00:00Z). " +
      "2 such pods would fit, or 4 pods with 1 requests.cpu each.",
  );
  const givers = [giver("a", "3", { until }), giver("b", "1"), giver("c", "0")];
  assert.match(
    judge({ after, asked: true }, granted({}, { givers })).message,
    /Grants a \(3 requests\.cpu, until 2030-01-01T00:00:00Z\), b \(1 requests\.cpu, until revoked\)\./,
  );
});

const edges: [string, number, string, boolean][] = [
  ["exactly the granted amount: fits", 4, "1", true],
  ["a thousandth more than granted: refused", 1, "4001m", false],
  ["no replicas: fits", 0, "9", true],
  ["as many pods as granted: fits", 10, "1m", true],
  ["one pod more than granted: refused", 11, "1m", false],
];
for (const [that, replicas, cpu, expected] of edges) {
  Deno.test(`${that} (${replicas} × ${cpu})`, () => {
    const { fits, never } = judged(deployment(replicas, pod({ cpu })));
    assert.deepEqual([fits, never], [expected, !expected]);
  });
}

Deno.test("an update: only keys that grow can exceed the grants", () => {
  const big = deployment(8, pod({ cpu: "1" }));
  const exceeded = (after: unknown) => {
    const { never, shortfalls } = judged(after, {}, big);
    return never ? shortfalls.map(({ key }) => key) : [];
  };
  assert.deepEqual(exceeded(big), []);
  assert.deepEqual(exceeded(deployment(6, pod({ cpu: "1" }))), []);
  assert.deepEqual(exceeded(deployment(9, pod({ cpu: "1" }))), ["requests.cpu", "limits.cpu"]);
  // Memory grows; cpu exceeds, but did so before.
  assert.deepEqual(exceeded(deployment(8, pod({ cpu: "1", memory: "256Mi" }))), []);
});

Deno.test("an update grows: with what it has, it is compared with the free amount, and takes what there is room for", () => {
  const used = { "requests.cpu": "3", "limits.cpu": "3" };
  const [two, three, four] = [2, 3, 4].map((count) => deployment(count, pod({ cpu: "1" })));
  const cpuOf = ({ takes }: Outcome) => takes.get("keystone")?.get("requests.cpu")?.toString();
  assert.equal(judged(four, used, three).fits, true);
  const short = judged(four, used, two);
  assert.deepEqual(short.shortfalls.map(({ key, short }) => `${short} ${key}`), ["1 requests.cpu"]);
  assert.deepEqual(short.pods, { wanted: 4, come: 3, created: 2 });
  assert.deepEqual([judged(four), judged(four, {}, two), short].map(cpuOf), ["4", "2", "1"]);
});

Deno.test("smaller pods in a full quota: their roll-out stalls, and goes on with room for one", () => {
  const strategy = { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
  const before = deployment(4, pod({ cpu: "1" }), { strategy });
  const after = deployment(4, pod({ cpu: "999m" }), { strategy });
  assert.match(judged(after, { "requests.cpu": "4", "limits.cpu": "4" }, before).message, /maxUnavailable to 1\.$/);
  assert.equal(judged(after, { "requests.cpu": "3", "limits.cpu": "4" }, before).fits, true);
});

Deno.test("a DaemonSet: refused if one pod exceeds the grants, warned of if the pods of all nodes do", () => {
  const of = (cpu: string) => judged(object("DaemonSet", { template: { spec: pod({ cpu }) } }));
  assert.deepEqual([of("1").fits, of("2").fits, of("2").never, of("5").never], [true, false, false, true]);
});

Deno.test("a key that the quota does not have: not limited; a key with zero: refused, and no grant gives it", () => {
  const place = granted({}, { quotas: [quota({ "requests.example.com/gpu": "0" })] });
  const of = (resources: Texts) => judge({ after: deployment(1, pod(resources)), asked: true }, place);
  assert.equal(of({ cpu: "900" }).fits, true);
  const { never, message } = of({ "example.com/gpu": "1" });
  assert.equal(never, true);
  assert.match(message, /needs 1 requests\.example\.com\/gpu, but .* granted 0 .*No grant gives requests\.example/);
});

Deno.test("no grant gives the objects that a workload's controller makes: refused", () => {
  const derived: [string, unknown][] = [
    ["count/replicasets.apps", deployment(1, cpu)],
    ["count/controllerrevisions.apps", object("StatefulSet", { template })],
    ["count/controllerrevisions.apps", object("DaemonSet", { template })],
    ["count/jobs.batch", object("CronJob", { jobTemplate: { spec: { template } } }, "batch/v1")],
  ];
  for (const [key, after] of derived) {
    const place = around({ quotas: [quota({ [key]: "0" })] });
    assert.equal(judge({ after, asked: true }, place).never, true, key);
    assert.equal(judge({ after, before: after, asked: true }, place).never, false, `${key}, in an update`);
  }
});

Deno.test("a grant on notice: the sum of the grants counts, and a warning has the end if the change grows", () => {
  const frozen = { ...hard, "requests.cpu": "1" };
  const givers = [giver("alice-to-bob", "4", { until, notice: true })];
  const place = granted({}, { quotas: [quota(frozen, {}, frozen, givers)], givers });
  const [one, two] = [1, 2].map((count) => deployment(count, pod({ cpu: "1" })));
  const of = (change: Omit<Change, "asked">) => judge({ ...change, asked: true }, place);
  const grows = of({ after: two });
  assert.deepEqual([grows.fits, grows.never], [false, false]);
  assert.match(
    grows.warnings.join("\n"),
    /^Grant alice-to-bob is on notice and ends at 2030-01-01T00:00:00Z: .* nothing may grow\.$/,
  );
  assert.deepEqual(of({ after: one, before: one }).warnings, []);
});

Deno.test("a raised amount: not refused, also before the quota's status has it", () => {
  const raised = quota(hard, {}, { ...hard, "requests.cpu": "9", "limits.cpu": "9" });
  const of = (cpu: string) =>
    judge({ after: deployment(9, pod({ cpu })), asked: true }, granted({}, { quotas: [raised] })).never;
  assert.deepEqual([of("1"), of("1001m")], [false, true]);
});

Deno.test("a load balancer takes node ports only by default: a warning says how to avoid that", () => {
  const place = around({ quotas: [quota({ "services.loadbalancers": "1", "services.nodeports": "0" })] });
  const of = (port: Json) =>
    judge({ after: object("Service", { type: "LoadBalancer", ports: [port] }, "v1"), asked: true }, place);
  assert.match(of({}).warnings.join(), /set spec\.allocateLoadBalancerNodePorts to false/);
  assert.deepEqual(of({ nodePort: 30000 }).warnings, []);
});

Deno.test("a LimitRange's default limit is below the request: no pod starts, and the message says why", () => {
  const { fits, message } = judged(deployment(1, pod({ cpu: "2" }, {})));
  assert.equal(fits, false);
  assert.equal(
    message,
    "No pod of Deployment web can start: Container main requests 2 cpu, which is above its limit of 500m, the default " +
      "of this namespace; set its limit to 2 or more.",
  );
});

Deno.test("a LimitRange's defaults count", () => {
  const limits: LimitRangeItem[] = [{ type: "Container", default: { cpu: "2" }, defaultRequest: { cpu: "1" } }];
  const { takes } = judge(
    { after: deployment(2, { containers: [{ name: "main", image: "i" }] }), asked: true },
    granted({}, { quotas: [quota({ "requests.cpu": "9", "limits.cpu": "9" })], limits }),
  );
  const expected = [["requests.cpu", "2"], ["limits.cpu", "4"]] as const;
  assert.deepEqual(takes.get("keystone"), new Map(expected.map(([key, amount]) => [key, parseQuantity(amount)])));
});
