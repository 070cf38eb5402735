/** Compares what all grants in force promise with what the nodes have. */
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import type { ClusterFacts } from "../../core/facts.ts";
import { missingClasses, noNodes, promisedBy, shortagesOf } from "../../core/grant/cluster_fit.ts";
import { sumLists } from "../../core/resources/quota_lists.ts";
import { type DoctorFinding, ok, unknown, warn } from "./doctor_finding.ts";

const name = "capacity";

/** Returns a warning for each resource of which more is promised than the nodes have. */
export function capacityFindings(
  { schedulable, storageClasses, provisioningClasses }: ClusterFacts,
  grants: readonly Grant[],
): DoctorFinding[] {
  const active = grants.filter(({ status }) => status?.phase === "Active");
  if (active.length === 0) return [];
  if (!schedulable) {
    return [unknown(name, "The nodes can't be read.", "Run keystone doctor as a user who may list nodes.")];
  }
  if (schedulable.size === 0) {
    return [unknown(name, noNodes, "Add a node, or uncordon one. Until then pods of guests stay Pending.")];
  }
  const promised = sumLists(active.map(({ spec }) => promisedBy(spec.hard)));
  const short = shortagesOf(promised, schedulable).map(({ key, promised, there }) => {
    const by = active.filter(({ spec }) => promisedBy(spec.hard).has(key));
    const most = by.map(({ metadata, spec }) => ({
      name: metadata?.name ?? "",
      amount: promisedBy(spec.hard).get(key)!,
    }))
      .sort((a, b) => b.amount.compare(a.amount)).slice(0, 3).map(({ name, amount }) => `${name} ${amount}`).join(", ");
    const has = there.sign() === 0 ? "no node has any" : `the nodes have ${there}`;
    return warn(
      name,
      `${by.length === 1 ? "1 grant promises" : `${by.length} grants promise`} ${promised} ${key} (${most}${
        by.length > 3 ? ", …" : ""
      }), but ${has}.`,
      "Add nodes or lower the grants, unless they are never used at the same time.",
    );
  });
  const classes = [
    ...new Set(active.flatMap(({ spec }) => missingClasses(spec.hard, provisioningClasses && storageClasses))),
  ].sort();
  const missing = classes.map((each) =>
    warn(
      name,
      `Grants promise storage of the StorageClass ${each}, which doesn't exist.`,
      `Create it, or remove the key from spec.hard.`,
    )
  );
  const found = [...short, ...missing];
  if (found.length > 0) return found;
  const list = ["requests.cpu", "requests.memory"].flatMap((key) => {
    const amount = promised.get(key);
    return amount ? [`${amount} of ${schedulable.get(key)} ${key}`] : [];
  });
  return [ok(name, `The nodes have what the grants promise together${list.length > 0 ? `: ${list.join(", ")}` : ""}.`)];
}
