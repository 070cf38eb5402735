/** Live pods of an owner, by state. */
import { quotaKey } from "../resources/quota_lists.ts";
import type { ApiObject, Present } from "./change.ts";
import { itemsOf, partsOf, stringOf } from "./fields.ts";
import { type Load, sumLoads } from "./ledger.ts";
import { liveShape, type PodShape, type QuotaPlace, wholeLoad } from "./pod_shapes.ts";
import { countsPod, finishedUsage } from "./usage.ts";

export interface OwnedPod {
  name: string;
  /** UID of its controller. */
  controller: string;
  shape: PodShape;
  /** Amounts that the quotas count for it now. */
  load: Load;
  ready: boolean;
  /** Succeeded or Failed. */
  finished: boolean;
  terminating: boolean;
  /** True if a claim of a generic ephemeral volume is missing. */
  waiting: boolean;
  labels: Readonly<Record<string, unknown>>;
  node: string;
}

/** Returns the pods that can be read. */
export const livePods = (place: QuotaPlace, { pods }: Present): OwnedPod[] =>
  pods.flatMap((pod) => {
    const live = livePod(place, pod);
    return live ? [live] : [];
  });

function livePod(place: QuotaPlace, pod: ApiObject): OwnedPod | undefined {
  const { metadata, spec, status } = partsOf(pod);
  const { name, labels, deletionTimestamp } = partsOf(metadata);
  const shape = liveShape(place, spec);
  if (!shape) return undefined;
  const { phase, conditions } = partsOf(status);
  const finished = phase === "Succeeded" || phase === "Failed";
  const known = place.around.claims;
  const claimed = shape.volumes.filter((each) => known === undefined || known.has(`${name}-${each.name}`));
  const waiting = !finished && claimed.length < shape.volumes.length;
  // The claims of a finished pod's ephemeral volumes last as long as the pod.
  const created = finished
    ? sumLoads(
      [place.ledger.loadOf(finishedUsage, countsPod(shape.spec)), 1],
      ...claimed.map(({ load }) => [load, 1] as const),
    )
    : waiting
    ? shape.pod
    : wholeLoad(shape);
  return {
    name: stringOf(name),
    controller: uidOfController(pod),
    shape,
    load: created,
    finished,
    terminating: deletionTimestamp !== undefined && deletionTimestamp !== null,
    waiting,
    ready: !finished &&
      itemsOf(conditions).map(partsOf).some(({ type, status }) => type === "Ready" && status === "True"),
    labels: partsOf(labels),
    node: stringOf(partsOf(spec).nodeName) || pinnedNode(spec),
  };
}

/** Returns the UID of an object's controller; empty if it has none. */
export const uidOfController = (object: unknown): string =>
  stringOf(
    itemsOf(partsOf(partsOf(object).metadata).ownerReferences).map(partsOf).find((owner) => owner.controller === true)
      ?.uid,
  );

/** Returns the node for which a DaemonSet's pod waits: its affinity names it. */
function pinnedNode(spec: unknown): string {
  const required = partsOf(
    partsOf(partsOf(partsOf(spec).affinity).nodeAffinity).requiredDuringSchedulingIgnoredDuringExecution,
  );
  for (const term of itemsOf(required.nodeSelectorTerms).map(partsOf)) {
    for (const { key, values } of itemsOf(term.matchFields).map(partsOf)) {
      if (key === "metadata.name") return stringOf(itemsOf(values)[0]);
    }
  }
  return "";
}

/** Returns the ordinal of a StatefulSet's pod; undefined if its name has none. */
export function ordinalOf(name: string, set: string): number | undefined {
  const digits = name.startsWith(`${set}-`) ? name.slice(set.length + 1) : "";
  return /^(0|[1-9]\d{0,9})$/.test(digits) ? Number(digits) : undefined;
}

/** Returns the usage that quotas count of a key in total; undefined if none limits it. */
export function usedOf({ around }: QuotaPlace, key: string): bigint | undefined {
  const used = around.quotas.flatMap(({ hard, used }) =>
    [...hard.keys()].filter((each) => quotaKey(each) === key).map((each) => used.get(each)?.nanos ?? 0n)
  );
  return used.length === 0 ? undefined : used.reduce((a, b) => a > b ? a : b);
}
