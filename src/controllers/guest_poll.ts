/** Objects that aren't watched, but listed from the API server when a plan asks for them. */
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, persistentVolumeClaims, type Service } from "../../lib/kubernetes_apis/core@v1.ts";
import type { ServiceFacts } from "../core/facts.ts";
import type { GuestPlan } from "../core/guest/plan_guest.ts";
import type { GuestWorld } from "../core/guest/guest_world.ts";
import type { StoredData } from "../core/guest/namespace/retention.ts";
import { exposedUsage } from "../core/guest/services.ts";
import { withRemedy } from "./remedy.ts";

/** The result of listing. */
export type GuestPoll = Pick<GuestWorld, "services" | "servicesError" | "stored" | "storedError">;

/** Page size. Objects of a guest can be large, so few are read at a time. */
const limit = 10;

const snapshots: Resource<KubernetesObject> = {
  group: "snapshot.storage.k8s.io",
  version: "v1",
  kind: "VolumeSnapshot",
  plural: "volumesnapshots",
  namespaced: true,
};

/** Lists the objects that the plan asks for. An error holds up nothing else: it is handed to the planner. */
export async function pollFor(
  plan: Pick<GuestPlan, "needsServices" | "needsStored">,
  rest: RestClient,
  namespace: string,
  signal: AbortSignal,
): Promise<GuestPoll> {
  const [exposed, stored] = await Promise.all([
    plan.needsServices ? exposedIn(rest, namespace, signal) : {},
    plan.needsStored ? storedIn(rest, namespace, signal) : {},
  ]);
  return { ...exposed, ...stored };
}

async function exposedIn(rest: RestClient, namespace: string, signal: AbortSignal): Promise<GuestPoll> {
  try {
    const found = new Map<string, ServiceFacts>();
    for await (const { items, restart } of new CoreV1Api(rest).namespace(namespace).services.pages({ limit, signal })) {
      if (restart) found.clear();
      for (const facts of items.flatMap(serviceFacts)) found.set(facts.uid, facts);
    }
    return { services: [...found.values()] };
  } catch (error) {
    signal.throwIfAborted();
    return { servicesError: withRemedy(error) };
  }
}

function serviceFacts({ metadata, spec }: Service): ServiceFacts[] {
  const usage = exposedUsage(spec ?? {});
  return usage === undefined ? [] : [{
    namespace: metadata!.namespace!,
    name: metadata!.name!,
    uid: metadata!.uid!,
    createdAt: Date.parse(metadata!.creationTimestamp ?? ""),
    usage,
  }];
}

async function storedIn(rest: RestClient, namespace: string, signal: AbortSignal): Promise<GuestPoll> {
  try {
    const [claims, shots] = await Promise.all([
      countOf(rest, persistentVolumeClaims, namespace, signal),
      // A cluster without that kind has no such objects.
      countOf(rest, snapshots, namespace, signal).catch((error) => {
        if (isApiError(error, 404)) return 0;
        throw error;
      }),
    ]);
    return { stored: { claims, snapshots: shots } satisfies StoredData };
  } catch (error) {
    signal.throwIfAborted();
    return { storedError: withRemedy(error) };
  }
}

async function countOf<T extends KubernetesObject>(
  rest: RestClient,
  resource: Resource<T>,
  namespace: string,
  signal: AbortSignal,
): Promise<number> {
  const { items, metadata } = await new ResourceApi(rest, resource, namespace).list({ limit, signal });
  return items.length + (metadata.remainingItemCount ?? (metadata.continue ? 1 : 0));
}
