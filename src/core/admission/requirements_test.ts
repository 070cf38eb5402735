import assert from "node:assert/strict";
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { grant, now } from "../../../tests/fixtures/made_facts.ts";
import { budgetOf, giversOf } from "./budget.ts";
import { requirementsOf } from "./requirements.ts";
import { warningsOf } from "./sentences.ts";
import { fitOf } from "./fit.ts";
import { isCounted } from "./workload.ts";

type Sides = { requests?: Record<string, string>; limits?: Record<string, string> };

const around = { limits: [] as LimitRangeItem[], nodes: 3 };
const one = (resources: Sides, more = {}) => ({ containers: [{ name: "a", image: "i", resources }], ...more });
const cpu = one({ requests: { cpu: "1" }, limits: { cpu: "1" } });
const claim = (storageClassName?: string) => ({
  resources: { requests: { storage: "2Gi" } },
  ...(storageClassName === undefined ? {} : { storageClassName }),
});
const object = (kind: string, spec: unknown, apiVersion = "apps/v1") => ({
  apiVersion,
  kind,
  metadata: { name: "x" },
  spec,
});
const template = { spec: cpu };

const amounts: [string, unknown, Record<string, string>][] = [
  ["a pod", object("Pod", cpu, "v1"), { pods: "1", "count/pods": "1", "requests.cpu": "1", "limits.cpu": "1" }],
  ["a Deployment has one pod by default", object("Deployment", { template }), {
    pods: "1",
    "count/deployments.apps": "1",
    "count/replicasets.apps": "1",
  }],
  ["a ReplicationController", object("ReplicationController", { replicas: 2, template }, "v1"), {
    pods: "2",
    replicationcontrollers: "1",
  }],
  [
    "a StatefulSet has a claim for each pod",
    object("StatefulSet", { replicas: 3, template, volumeClaimTemplates: [{ spec: claim("fast") }] }),
    {
      pods: "3",
      persistentvolumeclaims: "3",
      "requests.storage": "6Gi",
      "fast.storageclass.storage.k8s.io/requests.storage": "6Gi",
      "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "3",
    },
  ],
  ["a DaemonSet has a pod for each node", object("DaemonSet", { template }), {
    pods: "3",
    "requests.cpu": "3",
    "count/controllerrevisions.apps": "1",
  }],
  [
    "a Job runs no more pods than completions",
    object("Job", { parallelism: 5, completions: 2, template }, "batch/v1"),
    {
      pods: "2",
      "count/jobs.batch": "1",
    },
  ],
  ["a suspended Job has no pods", object("Job", { suspend: true, template }, "batch/v1"), { pods: "0" }],
  [
    "a CronJob has one Job",
    object("CronJob", { jobTemplate: { spec: { parallelism: 2, template } } }, "batch/v1"),
    {
      pods: "2",
      "count/jobs.batch": "1",
      "count/cronjobs.batch": "1",
    },
  ],
  [
    "a suspended CronJob has no pods",
    object("CronJob", { suspend: true, jobTemplate: { spec: { template } } }, "batch/v1"),
    {
      pods: "0",
    },
  ],
  ["a claim without a class", object("PersistentVolumeClaim", claim(""), "v1"), {
    persistentvolumeclaims: "1",
    "requests.storage": "2Gi",
  }],
  ["a Service", object("Service", { ports: [{ port: 80 }] }, "v1"), { services: "1" }],
  ["node ports", object("Service", { type: "NodePort", ports: [{}, {}] }, "v1"), { "services.nodeports": "2" }],
  ["a load balancer with node ports", object("Service", { type: "LoadBalancer", ports: [{}, {}] }, "v1"), {
    "services.loadbalancers": "1",
    "services.nodeports": "2",
  }],
  [
    "a load balancer without node ports",
    object(
      "Service",
      { type: "LoadBalancer", allocateLoadBalancerNodePorts: false, ports: [{ nodePort: 30000 }, {}] },
      "v1",
    ),
    { "services.loadbalancers": "1", "services.nodeports": "1" },
  ],
  ["a secret", object("Secret", undefined, "v1"), { secrets: "1", "count/secrets": "1" }],
];
for (const [that, object, expected] of amounts) {
  Deno.test(`requirements: ${that}`, () => {
    assert.ok(isCounted(object));
    const { total } = requirementsOf(object, around);
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((key) => [key, total.get(key)?.toString()])),
      expected,
    );
  });
}

Deno.test("requirements: a claim without a class, and the default class is known: counted for that class", () => {
  const { total } = requirementsOf(object("PersistentVolumeClaim", claim(), "v1"), {
    ...around,
    defaultStorageClass: "std",
  });
  assert.equal(total.get("std.storageclass.storage.k8s.io/requests.storage")?.toString(), "2Gi");
});

Deno.test("requirements: a RuntimeClass with overhead: the overhead is counted", () => {
  const pod = object("Pod", { ...cpu, runtimeClassName: "heavy" }, "v1");
  const { total } = requirementsOf(pod, { ...around, overheads: { heavy: { cpu: "500m", memory: "1Mi" } } });
  assert.deepEqual(
    ["requests.cpu", "limits.cpu", "requests.memory", "limits.memory"].map((key) => total.get(key)?.toString()),
    [
      "1500m",
      "1500m",
      "1Mi",
      undefined,
    ],
  );
});

const container = (more: Partial<LimitRangeItem>): LimitRangeItem => ({ type: "Container", ...more });
const huge = { cpu: "1", "hugepages-2Mi": "4Mi" };
const obstacles: [string, unknown, LimitRangeItem[], RegExp | undefined][] = [
  [
    "a device without a limit",
    one({ requests: { "example.com/gpu": "1" } }),
    [],
    /requests 1 example.com\/gpu without a limit/,
  ],
  [
    "a device with another limit",
    one({ requests: { "example.com/gpu": "1" }, limits: { "example.com/gpu": "2" } }),
    [],
    /both must be equal/,
  ],
  [
    "a request below the minimum",
    one({ requests: { cpu: "1m" } }),
    [container({ min: { cpu: "2m" } })],
    /has 1m requests.cpu; the minimum here is 2m/,
  ],
  ["no request where there is a minimum", one({}), [container({ min: { cpu: "2m" } })], /has no requests.cpu/],
  ["a limit below the minimum", one({ requests: { cpu: "2m" }, limits: { cpu: "2m" } }), [
    container({ min: { cpu: "3m" } }),
  ], /2m requests.cpu/],
  [
    "a limit above the maximum",
    one({ limits: { cpu: "2" } }),
    [container({ max: { cpu: "1" } })],
    /has 2 limits.cpu; the maximum here is 1/,
  ],
  [
    "no limit where there is a maximum",
    one({ requests: { cpu: "1" } }),
    [container({ max: { cpu: "1" } })],
    /has no limits.cpu/,
  ],
  ["within both", one({ limits: { cpu: "1" } }), [container({ min: { cpu: "1" }, max: { cpu: "1" } })], undefined],
  [
    "a pod above the maximum",
    one({ limits: { cpu: "2" } }),
    [{ type: "Pod", max: { cpu: "1" } }],
    /The pod has 2 limits.cpu/,
  ],
  [
    "a pod's request above its limit",
    one({}, { resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
    [],
    /pod-level request of 2 cpu is above/,
  ],
  [
    "containers above the pod",
    one({ requests: { cpu: "2" } }, { resources: { requests: { cpu: "1" } } }),
    [],
    /its containers request 2 together/,
  ],
  [
    "a container's own limit above the pod's",
    one({ limits: { cpu: "2" }, requests: { cpu: "1" } }, { resources: { limits: { cpu: "1" } } }),
    [],
    /Container a has a limit of 2 cpu, above the pod-level limit of 1/,
  ],
  ["a pod that only requests", one({}, { resources: { requests: { cpu: "1" } } }), [], undefined],
  [
    "huge pages of its containers",
    one({ requests: huge, limits: huge }, { resources: { limits: { cpu: "1" } } }),
    [],
    undefined,
  ],
];
for (const [that, spec, limits, expected] of obstacles) {
  Deno.test(`obstacle: ${that}`, () => {
    const { obstacle } = requirementsOf(object("Pod", spec, "v1"), { ...around, limits });
    if (expected) assert.match(obstacle ?? "", expected);
    else assert.equal(obstacle, undefined);
  });
}

const unreadable: [unknown, RegExp][] = [
  [object("Pod", one({ requests: ["cpu"] as never }), "v1"), /containers\[a\]\.resources is \["cpu"\]/],
  [object("Service", { type: "NodePort", ports: "80" }, "v1"), /spec.ports is "80"\. It must be a list/],
  [object("PersistentVolumeClaim", { resources: { requests: { storage: "much" } } }, "v1"), /storage is "much"/],
];
Deno.test("requirements: not a valid workload: the error has field and value", () => {
  for (const [object, expected] of unreadable) assert.throws(() => requirementsOf(object, around), expected);
});

Deno.test("a load balancer takes node ports only by default: a warning says how to avoid that", () => {
  const hard = { "services.loadbalancers": "1", "services.nodeports": "0" };
  const budget = budgetOf({ namespace: "guest-bob-home", specHard: hard, statusHard: hard, used: {} }, []);
  const service = object("Service", { type: "LoadBalancer", ports: [{}] }, "v1");
  assert.match(
    warningsOf(fitOf(requirementsOf(service, around), budget), budget).join(),
    /allocateLoadBalancerNodePorts to false/,
  );
});

Deno.test("several grants: givers are those in force, with the amounts on notice, sorted by name", () => {
  const reduction = { until: "2026-07-01T00:00:00Z", hard: { "requests.cpu": "5" } };
  const givers = giversOf([
    grant({ name: "b", status: { phase: "Active", hard: { "requests.cpu": "2" }, reductions: [reduction] } }),
    grant({ name: "c", status: { phase: "Expired", hard: { "requests.cpu": "2" } } }),
    grant({
      name: "a",
      status: {
        phase: "Active",
        hard: { "requests.cpu": "1", broken: "much" },
        effectiveUntil: "2026-06-01T12:00:00Z",
        conditions: [{ type: "Draining", status: "True", reason: "Revoked", message: "", lastTransitionTime: "" }],
      },
    }),
  ]);
  assert.deepEqual(
    givers.map(({ name, hard, until, notice }) => [name, hard.get("requests.cpu")?.toString(), until, notice]),
    [
      ["a", "1", now, true],
      ["b", "5", undefined, false],
    ],
  );
});

Deno.test("requirements: resources named like properties of every object: counted like others", () => {
  const resources = { requests: { constructor: "1", valueOf: "2" }, limits: { constructor: "1" } };
  const spec = { ...one(resources as Sides), runtimeClassName: "constructor" };
  const requirements = requirementsOf(object("Pod", spec, "v1"), { ...around, overheads: {} });
  assert.equal(requirements.each?.get("requests.valueOf")?.toString(), "2");
  assert.equal(requirements.obstacle, undefined);
});
