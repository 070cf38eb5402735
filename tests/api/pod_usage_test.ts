/** Our count of a pod's usage equals a real ResourceQuota's; a drain chooses its pods by it. */
import assert from "node:assert/strict";
import { CoreV1Api, type PodSpec } from "../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { shown, sumLists } from "../../src/core/resources/quota_lists.ts";
import type { ResourceList } from "../../src/core/resources/resource_list.ts";
import { podUsage } from "../../src/core/guest/pod_usage.ts";
import { clientOf, eventually, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";

const namespace = "pod-usage";
const image = "example.com/none:1";
type Resources = { requests?: Record<string, string>; limits?: Record<string, string> };
const container = (name: string, resources: Resources, more = {}) => ({ name, image, resources, ...more });
const sized = (cpu: string, memory: string): Resources => ({
  requests: { cpu, memory, "ephemeral-storage": "1Mi" },
  limits: { cpu: "2", memory: "2Gi", "ephemeral-storage": "2Mi" },
});
const sidecar = { restartPolicy: "Always" };

const shapes: [string, PodSpec][] = [
  ["containers add up", { containers: [container("a", sized("100m", "64Mi")), container("b", sized("0.25", "1Gi"))] }],
  ["the largest init container counts if it is more than the sum", {
    initContainers: [container("i", sized("900m", "16Mi")), container("j", sized("10m", "512Mi"))],
    containers: [container("a", sized("100m", "64Mi"))],
  }],
  ["sidecars count in all later steps", {
    initContainers: [
      container("s", sized("200m", "32Mi"), sidecar),
      container("i", sized("500m", "8Mi")),
      container("t", sized("50m", "300Mi"), sidecar),
    ],
    containers: [container("a", sized("100m", "64Mi"))],
  }],
  ["the overhead of the RuntimeClass is added", {
    runtimeClassName: "pod-usage-heavy",
    containers: [container("a", sized("100m", "64Mi"))],
  }],
  ["pod-level resources replace the sum", {
    resources: { requests: { cpu: "700m", memory: "256Mi" }, limits: { cpu: "3", memory: "3Gi" } },
    containers: [container("a", sized("100m", "64Mi")), container("b", sized("100m", "64Mi"))],
  }],
  ["devices are counted as requests", {
    containers: [
      container("a", {
        requests: { cpu: "1", memory: "1Mi", "ephemeral-storage": "1Mi", "example.com/gpu": "2" },
        limits: { cpu: "1", memory: "1Mi", "ephemeral-storage": "1Mi", "example.com/gpu": "2" },
      }),
    ],
  }],
];

const hard = Object.fromEntries(
  ["cpu", "memory", "ephemeral-storage"].flatMap((name) => [[`requests.${name}`, "1E"], [`limits.${name}`, "1E"]])
    .concat([["requests.example.com/gpu", "100"], ["pods", "100"]]),
);

Deno.test("a pod's usage: counted as by a real quota", async (t) => {
  await using lab = await sharedLab();
  using rest = await clientOf(lab.kubeconfig);
  const kubectl = async (args: string[], object?: unknown) => {
    const { code, stderr } = await lab.kubectl(args, object ? { stdin: JSON.stringify(object) } : {});
    assert.equal(code, 0, stderr);
  };
  await kubectl(["create", "namespace", namespace]);
  await kubectl(["create", "-f", "-"], {
    apiVersion: "node.k8s.io/v1",
    kind: "RuntimeClass",
    metadata: { name: "pod-usage-heavy" },
    handler: "none",
    overhead: { podFixed: { cpu: "77m", memory: "33Mi" } },
  });
  const quotas = new CoreV1Api(rest).namespace(namespace).resourceQuotas;
  await quotas.create({ metadata: { name: "all" }, spec: { hard } });
  const usedIs = (expected: Record<string, string>) =>
    eventually("the quota counts the same", async () => {
      const used = (await quotas.get("all")).status?.used ?? {};
      const differs = Object.keys(hard).find((key) =>
        used[key] === undefined || parseQuantity(used[key]).compare(parseQuantity(expected[key] ?? "0")) !== 0
      );
      return differs === undefined || `${differs}: the quota has ${used[differs]}, we have ${expected[differs]}`;
    });
  try {
    await usedIs({});
    await kubectl(["wait", "serviceaccount/default", "--for=create", "--timeout=20s", "-n", namespace]);
    // The pods stay until the end: a quota controller that observes a pod's deletion before the quota has counted it leaves
    // the quota unchanged until its resync, five minutes later.
    const usages: ResourceList[] = [];
    for (const [index, [that, spec]] of shapes.entries()) {
      await step(t, that, async () => {
        const pod = await new CoreV1Api(rest).namespace(namespace).pods.create({
          metadata: { name: `p${index}` },
          spec,
        });
        usages.push(podUsage(pod.spec!));
        await usedIs(shown(sumLists(usages)));
      });
    }
  } finally {
    await kubectl(["delete", "namespace", namespace, "--wait=false"]);
    await kubectl(["delete", "runtimeclass", "pod-usage-heavy"]);
  }
});
