/**
 * The nodes on which a DaemonSet's pods run. Sources: NodeShouldRunDaemonPod and AddOrUpdateDaemonPodTolerations in
 * pkg/controller/daemon, and nodeaffinity of k8s.io/component-helpers.
 */
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { own } from "../own.ts";
import type { NodeState } from "./change.ts";
import { type Fields, itemsOf, partsOf, stringOf } from "./fields.ts";

/** Reports whether the DaemonSet controller keeps a pod of this template on the node. */
export const runsOn = (spec: PodSpec, node: NodeState): boolean =>
  (!spec.nodeName || spec.nodeName === node.name) &&
  Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => own(node.labels, key) === value) &&
  matchesTerms(spec, node) &&
  node.taints.filter(({ effect }) => effect === "NoSchedule" || effect === "NoExecute")
    .every((taint) => tolerationsOf(spec).some((toleration) => tolerates(toleration, taint)));

function requiredTerms({ affinity }: PodSpec): readonly unknown[] | undefined {
  const required = partsOf(partsOf(affinity).nodeAffinity).requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || required === null ? undefined : itemsOf(partsOf(required).nodeSelectorTerms);
}

function matchesTerms(spec: PodSpec, node: NodeState): boolean {
  const terms = requiredTerms(spec);
  return terms === undefined || terms.map(partsOf).some(({ matchExpressions, matchFields }) => {
    const [expressions, fields] = [itemsOf(matchExpressions), itemsOf(matchFields)];
    if (expressions.length + fields.length === 0) return false;
    return expressions.map(partsOf).every((each) => matches(each, own(node.labels, stringOf(each.key)))) &&
      fields.map(partsOf).every((each) => each.key === "metadata.name" && matches(each, node.name));
  });
}

function matches({ operator, values }: Fields, value: string | undefined): boolean {
  const listed = itemsOf(values).map(String);
  const [least] = listed;
  const isNumber = /^[-+]?\d+$/;
  const numbers = value !== undefined && isNumber.test(value) && least !== undefined && isNumber.test(least);
  switch (operator) {
    case "In":
      return value !== undefined && listed.includes(value);
    case "NotIn":
      return value === undefined || !listed.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return numbers && Number(value) > Number(least);
    case "Lt":
      return numbers && Number(value) < Number(least);
    default:
      return false;
  }
}

interface Toleration {
  key?: unknown;
  operator?: unknown;
  value?: unknown;
  effect?: unknown;
}

/** Taints that every DaemonSet's pods tolerate. */
const always: readonly (readonly [string, string])[] = [
  ["node.kubernetes.io/not-ready", "NoExecute"],
  ["node.kubernetes.io/unreachable", "NoExecute"],
  ["node.kubernetes.io/disk-pressure", "NoSchedule"],
  ["node.kubernetes.io/memory-pressure", "NoSchedule"],
  ["node.kubernetes.io/pid-pressure", "NoSchedule"],
  ["node.kubernetes.io/unschedulable", "NoSchedule"],
];

const tolerationsOf = (spec: PodSpec): Toleration[] => [
  ...itemsOf(spec.tolerations).map(partsOf),
  ...[...always, ...(spec.hostNetwork ? [["node.kubernetes.io/network-unavailable", "NoSchedule"] as const] : [])]
    .map(([key, effect]) => ({ key, effect, operator: "Exists" })),
];

function tolerates(toleration: Toleration, taint: NodeState["taints"][number]): boolean {
  const { key, operator, value, effect } = toleration;
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  if (operator === "Exists") return true;
  return !!key && String(value ?? "") === (taint.value ?? "");
}
