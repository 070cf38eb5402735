/** Other actors during a run: another guest, the kubelet of the attacker's pods, and Alice. */
import { sleep, systemClock } from "../../../lib/clock/mod.ts";
import { ApiError, type ClosableRestClient } from "../../../lib/kubernetes/mod.ts";
import type { TestCluster } from "../../fixtures/test_operator.ts";
import { pathOf } from "../../hostile/guard_cases.ts";
import { guestPod } from "../../lab/lab_workloads.ts";
import type { SeededRandom } from "../../simulation/random.ts";
import type { Sight } from "./grant_cycle.ts";

/** An unrealistically large quota: the attacker has all kinds of objects, and many of them. */
export const much = {
  cpu: "8",
  memory: "8Gi",
  "ephemeral-storage": "1Ti",
  pods: "60",
  "requests.storage": "10Gi",
  "services.loadbalancers": "4",
  "services.nodeports": "16",
};
/** A reduction of it, applied now and then, so that pods and Services must end. */
const little = { ...much, cpu: "20m", pods: "5", "services.loadbalancers": "0", "services.nodeports": "0" };

/** Sends an ordinary guest's requests, one after another. */
export async function working(
  rest: ClosableRestClient,
  namespace: string,
  { ms, failed }: { ms: number[]; failed: string[] },
  signal: AbortSignal,
): Promise<void> {
  const dryRun = new URLSearchParams({ dryRun: "All" });
  const pod = JSON.parse(guestPod("tried", { cpu: "10m", memory: "8Mi" }, namespace));
  const tries = [
    () => rest.performRequest({ method: "GET", path: pathOf("Pod", namespace) }),
    () => rest.performRequest({ method: "GET", path: `${pathOf("ConfigMap", namespace)}/keystone` }),
    () => rest.performRequest({ method: "POST", path: pathOf("Pod", namespace), querystring: dryRun, bodyJson: pod }),
    () =>
      rest.performRequest({
        method: "PATCH",
        path: `${pathOf("Deployment", namespace)}/x-deployment`,
        querystring: dryRun,
        contentType: "application/merge-patch+json",
        bodyJson: { metadata: { labels: { tried: "x" } } },
      }),
  ];
  for (let round = 0; !signal.aborted; round++) {
    const beganAt = performance.now();
    try {
      await tries[round % tries.length]!();
      ms.push(Math.round(performance.now() - beganAt));
    } catch (error) {
      const code = error instanceof ApiError ? `${error.code} ` : "";
      failed.push(`${code}${(error as Error).message}`);
    }
    await sleep(systemClock, 200, signal);
  }
}

/** Finishes half of the attacker's pods, as their kubelet would. */
export async function finishing({ rest }: TestCluster, namespace: string, signal: AbortSignal): Promise<void> {
  const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const done = new Set<string>();
  while (!signal.aborted) {
    const { items } = await rest.performRequest({
      method: "GET",
      path: pathOf("Pod", namespace),
      accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    }) as unknown as { items: { metadata: { name: string; uid: string } }[] | null };
    for (const { metadata: { name, uid } } of items ?? []) {
      if (signal.aborted || done.has(uid) || !/^fat-\d*[02468]$/.test(name)) continue;
      done.add(uid);
      await rest.performRequest({
        method: "PATCH",
        path: `${pathOf("Pod", namespace)}/${name}/status`,
        contentType: "application/merge-patch+json",
        accept,
        bodyJson: { metadata: { uid }, status: { phase: "Succeeded" } },
      }).catch(ignoreGone);
    }
    await sleep(systemClock, 500, signal);
  }
}

/** Alice reduces the attacker's grant and restores it, so that pods have to end and Services to close. */
export async function squeezing(
  { grants }: TestCluster,
  name: string,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const hard = round % 2 === 0 ? little : much;
    await grants.patch(name, { spec: { hard } }, { type: "merge" }).catch(ignoreGone);
    await sleep(systemClock, 3000 + random.below(5000), signal);
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError && [404, 409, 422].includes(error.code))) throw error;
}

/** Revokes the attacker's own grant during the attack. */
export async function ownEnd({ grants }: TestCluster, sight: Sight, realm: string): Promise<number | undefined> {
  const revokedAt = Date.now();
  await grants.patch(realm, { spec: { revocation: { reason: "attack" } } }, { type: "merge" });
  return await sight.access(realm, false).then((at) => at - revokedAt, () => undefined);
}
