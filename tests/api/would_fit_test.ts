/**
 * The core's fit of a workload matches the decision of a real quota on its pods: many workloads of all kinds, most of them
 * near the limit, whose pods Kubernetes' own controllers create.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isApiError, type JSONValue, type KubernetesObject } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import type { Outcome } from "../../src/core/admission/change.ts";
import { judge } from "../../src/core/admission/judge.ts";
import { quotaRoomOf } from "../../src/core/admission/surroundings.ts";
import { listFrom } from "../../src/core/resources/quota_lists.ts";
import { containerLimits } from "../../src/core/resources/limits.ts";
import { clientOf, eventually } from "../fixtures/test_operator.ts";
import { caseHard, caseWorkloads, heavy } from "../fixtures/workload_cases.ts";
import { startLab } from "../lab/lab.ts";

/** Seed of the generated workloads: KEYSTONE_SEED=7. */
const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 1);
const caseCount = Number(Deno.env.get("KEYSTONE_CASES") ?? 320);
const workers = 8;

type Workload = { apiVersion: string; kind: string };
type CoreEvent = { reason: string; message: string; involvedObject: { uid: string } };

const surroundings = {
  namespace: "",
  quotas: [quotaRoomOf({ metadata: { name: "keystone" }, spec: { hard: caseHard }, status: { hard: caseHard } })],
  givers: [],
  limits: [containerLimits(listFrom(caseHard))],
  claims: new Map(),
  autoscalers: [],
  nodes: [],
  defaultStorageClass: null,
  overheads: { heavy },
};

/** Reports whether one step more or less of a requirement would change the fit. */
function isAtTheEdge({ takes, shortfalls, pods }: Outcome): boolean {
  const count = pods?.wanted ?? 1;
  return Object.entries(caseHard).some(([key, most]) => {
    const asked = shortfalls.find((each) => each.key === key)?.requested ?? takes.get("keystone")?.get(key);
    // These are always near the limit.
    if (asked === undefined || asked.sign() === 0 || /^count|^pods|ephemeral/.test(key)) return false;
    const step = key.endsWith("cpu") ? "1m" : key.endsWith("memory") ? "1Mi" : key.includes("storage") ? "1Gi" : "1";
    const difference = asked.nanos - parseQuantity(most).nanos;
    const steps = parseQuantity(step).nanos * BigInt(/cpu|memory/.test(key) ? Math.max(1, count) : 1);
    return difference <= steps && -difference <= steps;
  });
}

const collections: Readonly<Record<string, string>> = {
  Pod: "/api/v1/namespaces/NS/pods",
  PersistentVolumeClaim: "/api/v1/namespaces/NS/persistentvolumeclaims",
  Service: "/api/v1/namespaces/NS/services",
  Deployment: "/apis/apps/v1/namespaces/NS/deployments",
  ReplicaSet: "/apis/apps/v1/namespaces/NS/replicasets",
  StatefulSet: "/apis/apps/v1/namespaces/NS/statefulsets",
  Job: "/apis/batch/v1/namespaces/NS/jobs",
};
const ownMakers = new Set(["Deployment", "ReplicaSet", "StatefulSet", "Job"]);

Deno.test("would-fit predicts a real quota's decisions on pods", async () => {
  const cases = fc.sample(caseWorkloads, { numRuns: caseCount, seed }) as Workload[];
  const foretold = cases.map((after) => judge({ after, asked: false }, surroundings));
  const refused = foretold.filter(({ fits }) => !fits).length;
  const edge = foretold.filter(isAtTheEdge).length;
  assert.ok(refused >= 0.4 * caseCount && refused <= 0.8 * caseCount, `${refused} of ${caseCount} don't fit`);
  assert.ok(edge >= 0.2 * caseCount, `${edge} of ${caseCount} are at the edge`);

  await using lab = await startLab({ fastControllers: true });
  using rest = await clientOf(lab.kubeconfig);
  const call = (method: "GET" | "POST" | "DELETE", path: string, bodyJson?: unknown) =>
    rest.performRequest({ method, path, ...(bodyJson === undefined ? {} : { bodyJson }) });
  const listed = async (path: string): Promise<Record<string, JSONValue>[]> =>
    ((await call("GET", path)) as { items: Record<string, JSONValue>[] }).items;
  await call("POST", "/apis/node.k8s.io/v1/runtimeclasses", {
    metadata: { name: "heavy" },
    handler: "none",
    overhead: { podFixed: heavy },
  });

  const wrong: string[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: workers }, async (_, worker) => {
    const namespace = `would-fit-${worker}`;
    await prepare(namespace);
    for (let index = next++; index < cases.length; index = next++) {
      const differs = await tried(namespace, cases[index]!, foretold[index]!);
      if (differs) wrong.push(`case ${index}, ${differs}: ${JSON.stringify(cases[index])}`);
      await cleared(namespace);
    }
  }));
  console.log(`KEYSTONE_SEED=${seed}: ${caseCount} workloads, ${refused} don't fit, ${edge} at the edge`);
  assert.deepEqual(wrong, [], `KEYSTONE_SEED=${seed}`);

  async function prepare(namespace: string): Promise<void> {
    await call("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
    await new CoreV1Api(rest).namespace(namespace).resourceQuotas.create({
      metadata: { name: "keystone" },
      spec: { hard: caseHard },
    });
    await new CoreV1Api(rest).namespace(namespace).limitRanges.create({
      metadata: { name: "keystone" },
      spec: { limits: surroundings.limits },
    });
    await eventually(
      "the ServiceAccount exists",
      async () => (await listed(`/api/v1/namespaces/${namespace}/serviceaccounts`)).length > 0 || "not yet",
    );
    await cleared(namespace);
  }

  /** Returns the difference between the server and the fit, if any. */
  async function tried(
    namespace: string,
    object: Workload,
    { fits, pods: foreseen, obstacle }: Outcome,
  ): Promise<string | undefined> {
    const { kind } = object;
    const { wanted: count, come } = foreseen ?? { wanted: 0, come: 0 };
    const path = collections[kind]!.replace("NS", namespace);
    try {
      await call("POST", path, object);
    } catch (error) {
      if (!isApiError(error, 403) && !isApiError(error, 422)) throw error;
      // An invalid template is refused with the workload already.
      const isForeseen = ownMakers.has(kind) ? obstacle !== undefined : !fits;
      return isForeseen ? undefined : `it is refused: ${error.message}`;
    }
    if (!ownMakers.has(kind)) return fits ? undefined : "it is admitted, but predicted to be refused";
    const pods = async () => (await listed(`/api/v1/namespaces/${namespace}/pods`)).length;
    const failed = async () => await refusalIn(namespace) !== undefined;
    const wanted = fits ? count : kind === "StatefulSet" ? undefined : come;
    try {
      await eventually("the pods are as predicted", async () => {
        const seen = await pods();
        if (!fits && !(await failed())) return `nothing failed, ${seen} of ${count} pods`;
        return wanted === undefined || seen === wanted || `${seen} of ${count} pods, but predicted were ${wanted}`;
      }, 20_000);
    } catch (error) {
      return (error as Error).message;
    }
    const refusal = fits ? await refusalIn(namespace) : undefined;
    return refusal && `a pod was refused although all fit: ${refusal}`;
  }

  /** Returns the refusal of a pod for lack of quota; events of a former case may arrive late. */
  async function refusalIn(namespace: string): Promise<string | undefined> {
    const makers = await Promise.all(
      [...ownMakers].map((kind) => listed(collections[kind]!.replace("NS", namespace))),
    ) as KubernetesObject[][];
    const present = new Set(makers.flat().map(({ metadata }) => metadata!.uid));
    const events = await listed(`/api/v1/namespaces/${namespace}/events`) as unknown as CoreEvent[];
    return events.find(({ reason, involvedObject }) => reason === "FailedCreate" && present.has(involvedObject.uid))
      ?.message;
  }

  async function cleared(namespace: string): Promise<void> {
    for (const collection of Object.values(collections).toReversed()) {
      const path = collection.replace("NS", namespace);
      await call("DELETE", path, { propagationPolicy: "Background", gracePeriodSeconds: 0 });
    }
    await eventually("all objects are deleted", async () => {
      for (const path of Object.values(collections)) {
        const left = await listed(path.replace("NS", namespace));
        if (left.length === 0) continue;
        await call("DELETE", path.replace("NS", namespace), { gracePeriodSeconds: 0 });
        return `${left.length} of ${path}`;
      }
      await call("DELETE", `/api/v1/namespaces/${namespace}/events`);
      return true;
    }, 30_000);
    await counted(namespace).catch(() => countedAnew(namespace));
  }

  async function counted(namespace: string): Promise<void> {
    await eventually("the quota counts no usage", async () => {
      const { status } = await new CoreV1Api(rest).namespace(namespace).resourceQuotas.get("keystone");
      const used = Object.keys(caseHard).find((key) => Number(parseQuantity(status?.used?.[key] ?? "1").nanos) !== 0);
      return used === undefined || `${status?.used?.[used]} ${used} used`;
    }, 5_000);
  }

  /**
   * The quota controller misses a pod that came and went between two observations, and counts it until its next full resync,
   * five minutes later. A new quota is counted at once.
   */
  async function countedAnew(namespace: string): Promise<void> {
    await call("DELETE", `/api/v1/namespaces/${namespace}/resourcequotas`);
    await new CoreV1Api(rest).namespace(namespace).resourceQuotas.create({
      metadata: { name: "keystone" },
      spec: { hard: caseHard },
    });
    await counted(namespace);
    const probe = {
      metadata: { name: "probe" },
      spec: { containers: [{ name: "a", image: "example.com/none:1", resources: { requests: { cpu: "1m" } } }] },
    };
    await eventually("admission knows the new quota too", async () => {
      try {
        await call("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, probe);
        return true;
      } catch (error) {
        return (error as Error).message;
      }
    });
  }
});
