import assert from "node:assert/strict";
import type { LimitRangeItem, PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { containerLimits } from "../resources/limits.ts";
import { listFrom } from "../resources/quota_lists.ts";
import { withDefaults } from "./defaults.ts";

type Sides = { requests?: Record<string, string>; limits?: Record<string, string> };

const one = (resources: Sides, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [{ name: "a", image: "i", resources }],
  ...more,
});
const container = (more: Partial<LimitRangeItem>): LimitRangeItem => ({ type: "Container", ...more });
const huge = { cpu: "1", "hugepages-2Mi": "4Mi" };

const obstacles: [string, PodSpec, LimitRangeItem[], RegExp | undefined][] = [
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
    "a limit above the ratio to its request",
    one({ requests: { cpu: "1" }, limits: { cpu: "2001m" } }),
    [container({ maxLimitRequestRatio: { cpu: "2" } })],
    /has 1 requests.cpu and 2001m limits.cpu; the limit may be at most 2 times the request/,
  ],
  [
    "no request where there is a ratio",
    one({}),
    [container({ maxLimitRequestRatio: { cpu: "2" } })],
    /has no requests.cpu and no limits.cpu/,
  ],
  [
    "a limit of exactly the ratio",
    one({ requests: { cpu: "1" }, limits: { cpu: "2" } }),
    [container({ maxLimitRequestRatio: { cpu: "2" } })],
    undefined,
  ],
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
  [
    "a container's default limit above the pod's",
    one({}, { resources: { limits: { cpu: "100m" } } }),
    [containerLimits(listFrom({ "requests.cpu": "4", "limits.cpu": "8" }))],
    /Container a has a limit of 500m cpu by default, above the pod-level limit of 100m/,
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
  Deno.test(`a pod's obstacle: ${that}`, () => {
    const { obstacle } = withDefaults(spec, limits);
    if (expected) assert.match(obstacle ?? "", expected);
    else assert.equal(obstacle, undefined);
  });
}
