import assert from "node:assert/strict";
import { now } from "../../../tests/fixtures/made_facts.ts";
import { containerLimits } from "../resources/limits.ts";
import { listFrom } from "../resources/quota_lists.ts";
import { type BudgetGrant, budgetOf } from "./budget.ts";
import { requirementsOf } from "./requirements.ts";
import { lackText, refusalText, warningsOf } from "./sentences.ts";
import { fitOf, fits, taken } from "./fit.ts";
import { UnreadableWorkload } from "./workload.ts";

const hard = { "requests.cpu": "4", "limits.cpu": "8", "requests.memory": "4Gi", "limits.memory": "8Gi", pods: "10" };
const giver = (name: string, cpu: string, more: Partial<BudgetGrant> = {}): BudgetGrant => ({
  name,
  hard: listFrom({ "requests.cpu": cpu, "limits.cpu": cpu }),
  notice: false,
  ...more,
});
const until = Date.parse("2030-01-01T00:00:00Z");
const around = { limits: [containerLimits(listFrom(hard))], nodes: 3 };
const quota = { namespace: "guest-bob-home", specHard: hard, statusHard: hard, used: {} };
const budget = (used: Record<string, string> = {}, givers: BudgetGrant[] = [giver("alice-to-bob", "4", { until })]) =>
  budgetOf({ ...quota, used }, givers);

const pod = (requests: Record<string, string>, limits: Record<string, string> = requests) => ({
  containers: [{ name: "main", image: "web", resources: { requests, limits } }],
});
const deployment = (replicas: number, spec: unknown, more = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web" },
  spec: { replicas, selector: {}, template: { spec }, ...more },
});
const judged = (object: unknown, used?: Record<string, string>, before?: unknown) =>
  fitOf(
    requirementsOf(object, around),
    budget(used),
    before === undefined ? undefined : requirementsOf(before, around),
  );

Deno.test("above all grants: refused with resource, amounts, shortage, grants with their ends, and what would fit", () => {
  const fit = judged(deployment(4, pod({ cpu: "2" })));
  assert.equal(
    refusalText(fit, budget()),
    "Deployment web needs 8 requests.cpu (4 pods with 2 each), but guest-bob-home is granted 4 in total: short by 4. " +
      "Grant alice-to-bob (4 requests.cpu, until 2030-01-01T00:00:00Z). " +
      "2 such pods would fit, or 4 pods with 1 requests.cpu each.",
  );
  assert.equal(fits(fit), false);
});

Deno.test("above only the free amount: allowed with a warning", () => {
  const used = { "requests.cpu": "3", "limits.cpu": "3" };
  const fit = judged(deployment(2, pod({ cpu: "1" })), used);
  assert.equal(refusalText(fit, budget(used)), undefined);
  assert.equal(
    lackText(fit, budget(used)),
    "Deployment web needs 2 requests.cpu (2 pods with 1 each), but only 1 of 4 is free in guest-bob-home now: " +
      "short by 1. 1 of 2 pods can start now. Grant alice-to-bob (4 requests.cpu, until 2030-01-01T00:00:00Z). " +
      "1 such pod would fit, or 2 pods with 500m requests.cpu each.",
  );
});

const edges: [string, number, string, boolean][] = [
  ["exactly the granted amount: fits", 4, "1", true],
  ["a thousandth more than granted: does not fit", 4, "1001m", false],
  ["no replicas: fits", 0, "9", true],
  ["as many pods as granted: fits", 10, "1m", true],
  ["one pod more than granted: does not fit", 11, "1m", false],
];
for (const [that, replicas, cpu, expected] of edges) {
  Deno.test(`${that} (${replicas} × ${cpu})`, () => {
    assert.equal(judged(deployment(replicas, pod({ cpu }))).exceeds.length === 0, expected);
  });
}

Deno.test("an update: only keys that grow can exceed", () => {
  const big = deployment(8, pod({ cpu: "1" }));
  const exceeds = (now: unknown, before: unknown) => judged(now, {}, before).exceeds.map(({ key }) => key);
  assert.deepEqual(exceeds(big, big), []);
  assert.deepEqual(exceeds(deployment(6, pod({ cpu: "1" })), big), []);
  assert.deepEqual(exceeds(deployment(9, pod({ cpu: "1" })), big), ["requests.cpu", "limits.cpu"]);
  // Memory grows; cpu exceeds, but did so before.
  assert.deepEqual(exceeds(deployment(8, pod({ cpu: "1", memory: "64Mi" })), big), []);
});

Deno.test("an update grows: its growth is compared with the free amount", () => {
  const used = { "requests.cpu": "3", "limits.cpu": "3" };
  const [two, three, four] = [2, 3, 4].map((count) => deployment(count, pod({ cpu: "1" })));
  assert.deepEqual(judged(four, used, three).lacks, []);
  assert.deepEqual(judged(four, used, two).lacks.map(({ key, short }) => `${short} ${key}`), ["1 requests.cpu"]);
  assert.equal(judged(four, used, two).admitted, 1);
});

Deno.test("a workload is counted: its growth, as far as there is room", () => {
  const used = { "requests.cpu": "3", "limits.cpu": "3" };
  const [two, four] = [2, 4].map((count) => deployment(count, pod({ cpu: "1" })));
  const cpu = (...args: Parameters<typeof judged>) => taken(judged(...args)).get("requests.cpu")?.toString();
  assert.equal(cpu(four), "4");
  assert.equal(cpu(four, {}, two), "2");
  assert.equal(cpu(four, used, two), "1");
  assert.equal(cpu(two, used, four), undefined);
});

Deno.test("a roll-out would stall: a warning", () => {
  const used = { "requests.cpu": "4", "limits.cpu": "4" };
  const one = { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
  const [before, after] = ["a", "b"].map((image) =>
    deployment(4, {
      containers: [{ name: "main", image, resources: { limits: { cpu: image === "a" ? "1" : "999m" } } }],
    }, one)
  );
  assert.equal(judged(after, used, before).stalls, true);
  assert.match(warningsOf(judged(after, used, before), budget(used)).join(), /maxUnavailable to 1/);
  assert.equal(judged(after, { "requests.cpu": "3" }, before).stalls, false);
});

Deno.test("a request is above the default limit: no pod can start, and the warning says why", () => {
  const fit = judged(deployment(1, pod({ cpu: "2" }, {})));
  assert.equal(fits(fit), false);
  assert.match(
    warningsOf(fit, budget()).join(),
    /requests 2 cpu, which is above its limit of 500m, the default of this namespace/,
  );
});

Deno.test("default limits exceed the pod-level limit: the obstacle says so", () => {
  const spec = { resources: { limits: { cpu: "100m" } }, containers: [{ name: "main", image: "web" }] };
  assert.match(
    judged(deployment(1, spec)).requirements.obstacle ?? "",
    /Container main has a limit of 500m cpu by default, above the pod-level limit of 100m/,
  );
});

Deno.test("a DaemonSet: refused if one pod exceeds, warned if the pods of all nodes do", () => {
  const set = (cpu: string) => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent" },
    spec: { template: { spec: pod({ cpu }) } },
  });
  assert.deepEqual([judged(set("2")).exceeds.length, judged(set("2")).lacks.length > 0], [0, true]);
  assert.equal(judged(set("5")).exceeds.length > 0, true);
});

Deno.test("a key that the quota does not have: not limited; a key with zero: nothing fits", () => {
  const zero = budgetOf({ ...quota, statusHard: { "requests.example.com/gpu": "0" }, specHard: {}, used: {} }, []);
  const with_ = (resources: Record<string, string>) =>
    fitOf(requirementsOf(deployment(1, pod(resources)), around), zero);
  assert.deepEqual(with_({ cpu: "900" }).exceeds, []);
  const gpu = with_({ "example.com/gpu": "1" });
  assert.match(
    refusalText(gpu, zero) ?? "",
    /needs 1 requests.example.com\/gpu.*granted 0.*No grant gives requests/,
  );
});

Deno.test("a grant on notice: the sum of the grants counts, and a warning has the end", () => {
  const frozen = { ...hard, "requests.cpu": "1" };
  const notice = budgetOf({ ...quota, statusHard: frozen, specHard: frozen, freeze: "{}" }, [
    giver("alice-to-bob", "4", { until: now, notice: true }),
  ]);
  const fit = fitOf(requirementsOf(deployment(2, pod({ cpu: "1" })), around), notice);
  assert.equal(refusalText(fit, notice), undefined);
  assert.match(
    warningsOf(fit, notice).join("\n"),
    /Grant alice-to-bob is on notice and ends at 2026-06-01T12:00:00Z/,
  );
});

Deno.test("a raised amount: counts before the quota's status has it", () => {
  const raised = budgetOf({ ...quota, specHard: { ...hard, "requests.cpu": "9", "limits.cpu": "9" } }, []);
  assert.deepEqual(fitOf(requirementsOf(deployment(9, pod({ cpu: "900m" })), around), raised).exceeds, []);
});

const unreadable: [string, unknown, RegExp][] = [
  ["no containers", deployment(1, {}), /spec.template.spec.containers is missing/],
  ["a container that is a number", deployment(1, { containers: [3] }), /containers\[0\] is 3/],
  ["replicas that are a string", deployment("3" as unknown as number, pod({})), /spec.replicas is "3"/],
  ["an unreadable quantity", deployment(1, pod({ cpu: "much" })), /cpu is "much"\. It must be a quantity/],
  ["a negative quantity", deployment(1, pod({ cpu: "-1" })), /cpu is "-1"\. It must be a quantity/],
  ["another kind", { apiVersion: "v1", kind: "Node" }, /The kind is v1\/Node\. It must be/],
  ["null", null, /The kind is undefined\/undefined/],
  ["a claim without a size", { apiVersion: "v1", kind: "PersistentVolumeClaim", spec: {} }, /storage is missing/],
];
for (const [that, object, expected] of unreadable) {
  Deno.test(`not a valid workload: the error has field and value: ${that}`, () => {
    assert.throws(
      () => requirementsOf(object, around),
      (error) => error instanceof UnreadableWorkload && expected.test(error.message),
    );
  });
}
