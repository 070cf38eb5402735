import assert from "node:assert/strict";
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { competingDefault, largestDefaultsFirst } from "./competing_defaults.ts";

const container = (item: Partial<LimitRangeItem>): LimitRangeItem => ({ type: "Container", ...item });
const pod = (resources: object) => ({ containers: [{ name: "a", resources }] });
const two = [container({ default: { cpu: "375m" } }), container({ default: { cpu: "900m" }, max: { cpu: "900m" } })];

for (
  const [title, resources, limits, key] of [
    ["two defaults, no limit", { requests: { cpu: "250m" } }, two, "limits.cpu"],
    ["two defaults, an own limit", { limits: { cpu: "250m" } }, two, undefined],
    ["equal defaults", {}, [container({ default: { cpu: "1" } }), container({ default: { cpu: "1000m" } })], undefined],
    ["one default", {}, two.slice(1), undefined],
    [
      "two default requests, an own limit",
      { limits: { memory: "1Gi" } },
      [container({ defaultRequest: { memory: "1Mi" } }), container({ defaultRequest: { memory: "2Mi" } })],
      undefined,
    ],
    [
      "two default requests",
      {},
      [container({ defaultRequest: { memory: "1Mi" } }), container({ defaultRequest: { memory: "2Mi" } })],
      "requests.memory",
    ],
    ["defaults of pods and claims", {}, two.map((item) => ({ ...item, type: "Pod" })), undefined],
  ] as const
) {
  Deno.test(`competing defaults: ${title}: ${key ?? "none"}`, () => {
    assert.equal(competingDefault(pod(resources), limits), key);
  });
}

Deno.test("competing defaults: only a sidecar omits its limit: found", () => {
  const spec = { ...pod({ limits: { cpu: "1" } }), initContainers: [{ name: "s", restartPolicy: "Always" }] };
  assert.equal(competingDefault(spec, two), "limits.cpu");
});

Deno.test("competing defaults: the largest of each resource comes first", () => {
  const [first, ...others] = largestDefaultsFirst([...two, container({ default: { memory: "1Mi" } })]);
  assert.deepEqual(first, { type: "Container", default: { cpu: "900m", memory: "1Mi" }, defaultRequest: {} });
  assert.equal(others.length, 3);
});
