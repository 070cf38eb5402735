/** Room for more pods, as a guest asks for it: for how many more of those that run. */
import type { LimitRange, Pod, PodSpec, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import { withDefaults } from "../admission/defaults.ts";
import { Ledger } from "../admission/ledger.ts";
import { quotaRoomOf } from "../admission/surroundings.ts";
import { countsPod, usageOfPod } from "../admission/usage.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { countText, fewOf } from "./finding.ts";
import { isOwnQuota } from "./quota_report.ts";
import { controllerOf } from "./reported_objects.ts";

/** Room for more pods of one size. */
export interface PodRoom {
  /** The pods' owner, such as `Deployment web`; absent: the size is that of a container without amounts. */
  like?: string;
  /** Amounts of one pod, such as `200m cpu and 128Mi memory, limits 500m and 256Mi`. */
  size: string;
  /** Number of further pods that every quota has room for. */
  room: number;
  /** Keys that the last of them uses up. */
  limitedBy: { key: string; quota: string }[];
}

/** Number of sizes that are shown. */
const mostShown = 3;

/** More pods than any quota has room for in practice. */
const mostPods = 1_000_000;

/** Returns the room for pods of the most frequent sizes in the namespace; for one of default size if there are none. */
export function podRooms(
  pods: readonly Pod[],
  quotas: readonly ResourceQuota[],
  limitRanges: readonly LimitRange[],
): PodRoom[] {
  const ledger = Ledger.of(quotas.map((quota) => quotaRoomOf(quota)));
  const groups = new Map<string, { spec: PodSpec; count: number }>();
  for (const pod of pods) {
    const { status, metadata, spec } = pod;
    if (!spec || metadata?.deletionTimestamp || status?.phase === "Succeeded" || status?.phase === "Failed") continue;
    const like = ownerName(pod);
    groups.set(like, { spec, count: (groups.get(like)?.count ?? 0) + 1 });
  }
  if (groups.size === 0) {
    const { spec, obstacle } = withDefaults({ containers: [{ name: "any" }] }, limitRanges.flatMap(itemsOfRange));
    return obstacle === undefined ? roomOf(ledger, spec) : [];
  }
  return [...groups].sort(([a, one], [b, other]) => other.count - one.count || (a < b ? -1 : 1)).slice(0, mostShown)
    .flatMap(([like, { spec }]) => roomOf(ledger, spec, like));
}

const itemsOfRange = ({ spec }: LimitRange) => spec?.limits ?? [];

function roomOf(ledger: Ledger, spec: PodSpec, like?: string): PodRoom[] {
  const usage = usageOfPod(spec);
  const load = ledger.loadOf(usage, countsPod(spec));
  if (load.size === 0) return [];
  const room = ledger.room(load, mostPods);
  const limitedBy = ledger.lacking(load, room + 1).map((index) => {
    const { key, quota } = ledger.slots[index]!;
    return { key, quota: quota.name };
  });
  return [{ ...(like === undefined ? {} : { like }), size: sizeText(usage), room, limitedBy }];
}

/** Returns the owner of a pod: for one of a Deployment's ReplicaSet, the Deployment. */
function ownerName(pod: Pod): string {
  const owner = controllerOf(pod);
  if (owner === undefined) return `pod ${pod.metadata?.name}`;
  const hash = pod.metadata?.labels?.["pod-template-hash"];
  return owner.kind === "ReplicaSet" && hash && owner.name.endsWith(`-${hash}`)
    ? `Deployment ${owner.name.slice(0, -hash.length - 1)}`
    : `${owner.kind} ${owner.name}`;
}

function sizeText(usage: ResourceList): string {
  const side = (name: string) =>
    ["cpu", "memory"].flatMap((resource) => {
      const amount = usage.get(`${name}.${resource}`);
      return amount === undefined || amount.sign() === 0 ? [] : [`${amount} ${resource}`];
    }).join(" and ");
  const [requests, limits] = [side("requests"), side("limits")];
  const others = [...usage].filter(([key, amount]) => /^requests\..*\//.test(key) && amount.sign() > 0)
    .map(([key, amount]) => `${amount} ${key.slice("requests.".length)}`);
  return [
    requests === limits ? requests : [requests, limits && `limits ${limits}`].filter(Boolean).join(", "),
    ...others,
  ].filter(Boolean).join(", ") || "no amounts";
}

/** Returns the room in a sentence. */
export function roomText({ like, size, room, limitedBy }: PodRoom): string {
  const of = like === undefined ? `of the default size (${size})` : `like those of ${like} (${size})`;
  const keys = limitedBy.map(({ key, quota }) => isOwnQuota(quota) ? key : `${key} of quota ${quota}`);
  const reason = keys.length === 0
    ? ""
    : room === 0
    ? `; ${fewOf(keys)} ${keys.length === 1 ? "has" : "have"} no room`
    : `; then ${fewOf(keys)} ${keys.length === 1 ? "is" : "are"} used up`;
  return `${room >= mostPods ? "any number of" : room === 0 ? "no" : ""} ${
    room === 0 || room >= mostPods ? "more pods" : countText(room, "more pod")
  } ${of}${reason}.`.trimStart();
}
