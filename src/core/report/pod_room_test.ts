import assert from "node:assert/strict";
import type { Pod, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import { podRooms, roomText } from "./pod_room.ts";

const quota = (hard: Record<string, string>, used: Record<string, string> = {}, name = "keystone"): ResourceQuota => ({
  metadata: { name },
  spec: { hard },
  status: { hard, used },
});
const pod = (
  name: string,
  cpu: string,
  limit: string,
  owner?: string,
  phase: "Running" | "Succeeded" = "Running",
): Pod => ({
  metadata: {
    name,
    ...(owner
      ? {
        labels: { "pod-template-hash": "85f4" },
        ownerReferences: [{
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: `${owner}-85f4`,
          uid: "u",
          controller: true,
        }],
      }
      : {}),
  },
  spec: { containers: [{ name: "c", resources: { requests: { cpu }, limits: { cpu: limit } } }] },
  status: { phase },
});
const room = (pods: readonly Pod[], ...quotas: ResourceQuota[]) => podRooms(pods, quotas, []).map(roomText);

Deno.test("limits are used up, requests are not: no more pods, because of the limits", () => {
  const grants = quota({ "requests.cpu": "2", "limits.cpu": "2" }, { "requests.cpu": "400m", "limits.cpu": "2" });
  assert.deepEqual(room([pod("web-1", "200m", "1", "web")], grants), [
    "no more pods like those of Deployment web (200m cpu, limits 1 cpu); limits.cpu has no room.",
  ]);
});

Deno.test("several sizes: the most frequent first; finished pods don't count", () => {
  const grants = quota({ "requests.cpu": "2", "limits.cpu": "2", pods: "10" }, {
    "requests.cpu": "1",
    "limits.cpu": "1",
  });
  assert.deepEqual(
    room([
      pod("a", "1", "1"),
      pod("w1", "250m", "250m", "web"),
      pod("w2", "250m", "250m", "web"),
      pod("j", "2", "2", "j", "Succeeded"),
    ], grants),
    [
      "4 more pods like those of Deployment web (250m cpu); then requests.cpu, limits.cpu are used up.",
      "1 more pod like those of pod a (1 cpu); then requests.cpu, limits.cpu are used up.",
    ],
  );
});

Deno.test("several quotas: the one with the least room decides and is named", () => {
  const grants = quota({ "requests.cpu": "4" });
  const other = quota({ pods: "3" }, { pods: "1" }, "by-admin");
  assert.deepEqual(room([pod("a", "1", "1")], grants, other), [
    "2 more pods like those of pod a (1 cpu); then pods of quota by-admin is used up.",
  ]);
});

Deno.test("no pods: the size is the LimitRange's default", () => {
  const range = {
    spec: { limits: [{ type: "Container", default: { cpu: "500m" }, defaultRequest: { cpu: "100m" } }] },
  };
  const grants = quota({ "requests.cpu": "2", "limits.cpu": "2" });
  assert.deepEqual(podRooms([], [grants], [range]).map(roomText), [
    "4 more pods of the default size (100m cpu, limits 500m cpu); then limits.cpu is used up.",
  ]);
});
