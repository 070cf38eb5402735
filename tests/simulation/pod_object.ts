/** A pod of a {@linkcode World} as the API server returns it. */
import type { Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import type { SimulatedObject } from "./simulated_world.ts";

export function podObject({ metadata, pod }: SimulatedObject): Pod {
  const { cpuMilli, memoryMi, priority, graceSeconds, finished, held } = pod!;
  const resources = { cpu: `${cpuMilli}m`, memory: `${memoryMi}Mi` };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      ...(metadata.deletionTimestamp ? { deletionGracePeriodSeconds: graceSeconds } : {}),
      finalizers: held ? ["batch.kubernetes.io/job-tracking"] : [],
    },
    spec: {
      containers: [{ name: "main", resources: { requests: resources, limits: resources } }],
      priority,
      terminationGracePeriodSeconds: graceSeconds,
    },
    status: { phase: finished ? "Succeeded" : "Running" },
  };
}
