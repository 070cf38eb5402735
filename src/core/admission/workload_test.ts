import assert from "node:assert/strict";
import { judge } from "./judge.ts";
import { UnreadableWorkload } from "./workload.ts";

const object = (kind: string, spec: unknown, apiVersion = "apps/v1") => ({
  apiVersion,
  kind,
  metadata: { name: "web" },
  spec,
});
const pod = (spec: unknown) => object("Pod", spec, "v1");
const requesting = (requests: unknown) => pod({ containers: [{ name: "a", image: "i", resources: { requests } }] });
const template = { spec: { containers: [{ name: "a", image: "i" }] } };
const claim = (spec: unknown) => object("PersistentVolumeClaim", spec, "v1");

const unreadable: [string, unknown, RegExp][] = [
  ["null", null, /^kind is undefined\. It must be a kind/],
  ["a kind that is a number", { apiVersion: "v1", kind: 3 }, /^kind is 3\. It must be a kind/],
  ["no containers", object("Deployment", { template: { spec: {} } }), /^spec\.template\.spec\.containers is missing/],
  ["a container that is a number", pod({ containers: [3] }), /^spec\.containers\[0\] is 3\. It must be a container/],
  [
    "an init container that is null",
    pod({ ...template.spec, initContainers: [null] }),
    /^spec\.initContainers\[0\] is null/,
  ],
  [
    "volumes that are a map",
    pod({ ...template.spec, volumes: { data: {} } }),
    /^spec\.volumes is \{"data":\{\}\}\. It must be a list/,
  ],
  ["replicas that are a text", object("ReplicaSet", { replicas: "3", template }), /^spec\.replicas is "3"/],
  ["negative replicas", object("StatefulSet", { replicas: -1, template }), /^spec\.replicas is -1/],
  [
    "a Job's parallelism that is a fraction",
    object("CronJob", { jobTemplate: { spec: { parallelism: 0.5, template } } }, "batch/v1"),
    /^spec\.jobTemplate\.spec\.parallelism is 0\.5\. It must be a whole number/,
  ],
  ["an unreadable quantity", requesting({ cpu: "much" }), /cpu is "much"\. It must be a quantity/],
  ["a negative quantity", requesting({ cpu: "-1" }), /cpu is "-1"\. It must be a quantity/],
  ["resources that are a list", requesting(["cpu"]), /containers\[a\]\.resources is \["cpu"\]\. It must be a map/],
  ["a claim without a size", claim({}), /^spec\.resources\.requests\.storage is missing/],
  [
    "a claim with an unreadable size",
    claim({ resources: { requests: { storage: "much" } } }),
    /^spec\.resources\.requests\.storage is "much"/,
  ],
  [
    "a claim template without a size",
    object("StatefulSet", { template, volumeClaimTemplates: [{}] }),
    /^spec\.volumeClaimTemplates\[0\]\.spec\.resources\.requests\.storage is missing/,
  ],
  [
    "claim templates that are a map",
    object("StatefulSet", { template, volumeClaimTemplates: { data: {} } }),
    /^spec\.volumeClaimTemplates is \{"data":\{\}\}\. It must be a list/,
  ],
  [
    "a Service's ports that are a text",
    object("Service", { type: "NodePort", ports: "80" }, "v1"),
    /^spec\.ports is "80"\. It must be a list/,
  ],
];
for (const [that, after, expected] of unreadable) {
  Deno.test(`not a valid workload: the error has field and value: ${that}`, () => {
    assert.throws(
      () =>
        judge({ after, asked: false }, {
          namespace: "guest-bob-home",
          quotas: [],
          givers: [],
          limits: [],
          autoscalers: [],
        }),
      (error) => error instanceof UnreadableWorkload && expected.test(error.message),
    );
  });
}
