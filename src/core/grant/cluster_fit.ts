/** Compares the amounts that grants promise with the amounts that the nodes have. */
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { DesiredCondition } from "../conditions.ts";
import { classOf, listFrom } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";

/** Amounts that the cluster has, and the keys that are promised more than once. */
export interface ClusterRoom {
  /** Sums over the nodes that take guests' pods, by quota key. A resource that no node has is absent. */
  there: ResourceList;
  /** Names of the storage classes; undefined while they can't be read. */
  storageClasses?: readonly string[];
  /** Keys of which all grants together promise more than there is. */
  overbooked: ReadonlySet<string>;
}

const zero = parseQuantity("0");

/**
 * Reports whether nodes offer what the key counts. Limits may exceed the nodes', and objects and storage aren't the
 * nodes'.
 */
export const isOfNodes = (key: string): boolean =>
  key === "pods" || key === "requests.cpu" || key === "requests.memory" || key === "requests.ephemeral-storage" ||
  key.startsWith("requests.hugepages-") || (/^requests\..+\//.test(key) && classOf(key) === undefined);

/** Returns the amounts of a grant's terms that nodes have to offer. */
export const promisedBy = (hard: Readonly<Record<string, string | number>>): ResourceList =>
  new Map([...listFrom(hard)].filter(([key, amount]) => isOfNodes(key) && amount.sign() > 0));

/** Sentence for a cluster without nodes for guests. */
export const noNodes = "The cluster has no node that takes guests' pods, so the amounts can't be compared.";

/** An amount that the nodes don't have. */
export interface Shortage {
  key: string;
  promised: Quantity;
  there: Quantity;
}

/** Returns the keys of which a promise alone exceeds what the nodes have. */
export const shortagesOf = (promised: ResourceList, there: ResourceList): Shortage[] =>
  [...promised].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([key, amount]) => {
    const has = there.get(key) ?? zero;
    return amount.compare(has) > 0 ? [{ key, promised: amount, there: has }] : [];
  });

/** Returns the storage classes in a grant's terms that don't exist. */
export const missingClasses = (
  hard: Readonly<Record<string, string | number>>,
  classes: readonly string[] | undefined,
): string[] =>
  classes === undefined
    ? []
    : [...new Set([...listFrom(hard)].flatMap(([key, amount]) => amount.sign() > 0 ? classOf(key) ?? [] : []))]
      .filter((name) => !classes.includes(name)).sort();

/** Keys in a message. */
const mostKeys = 6;

const few = (texts: readonly string[]): string =>
  texts.length <= mostKeys
    ? texts.join(", ")
    : `${texts.slice(0, mostKeys).join(", ")} and ${texts.length - mostKeys} more`;

/** Describes shortages: `1k of requests.cpu (the nodes have 8)`. */
export const shortageTexts = (shortages: readonly Shortage[]): string[] =>
  shortages.map(({ key, promised, there }) =>
    `${promised} ${key} (${there.sign() === 0 ? "no node has any" : `the nodes have ${there}`})`
  );

/**
 * Returns the condition FitsCluster. Its message has no totals: each new grant would change the status of all others.
 */
export function fitCondition(
  hard: Readonly<Record<string, string | number>>,
  { there, storageClasses, overbooked }: ClusterRoom,
): DesiredCondition {
  const promised = promisedBy(hard);
  // Without nodes there is nothing to compare with, which says nothing about the grant.
  const isUnknown = promised.size > 0 && there.size === 0;
  const short = isUnknown ? [] : shortagesOf(promised, there);
  const classes = missingClasses(hard, storageClasses);
  const missing = classes.length === 0
    ? ""
    : classes.length === 1
    ? `There is no StorageClass ${classes[0]}; its volumes stay Pending.`
    : `There are no StorageClasses ${few(classes)}; their volumes stay Pending.`;
  const condition = (status: DesiredCondition["status"], reason: string, message: string): DesiredCondition => ({
    type: "FitsCluster",
    status,
    reason,
    message,
  });
  if (short.length > 0) {
    return condition(
      "False",
      "ExceedsCapacity",
      `The grant promises more than all nodes have together: ${few(shortageTexts(short))}. Pods beyond that stay ` +
        `Pending: add nodes, or lower spec.hard.${missing && ` ${missing}`}`,
    );
  }
  if (missing) return condition("False", "NoStorageClass", `${missing} Create it, or remove the key from spec.hard.`);
  if (isUnknown) return condition("Unknown", "NoNodes", `${noNodes} Pods stay Pending until there is one.`);
  const shared = [...promised.keys()].filter((key) => overbooked.has(key)).sort();
  if (shared.length > 0) {
    return condition(
      "False",
      "Overbooked",
      `All grants together promise more ${few(shared)} than the nodes have. If they are used at the same time, pods ` +
        "stay Pending: keystone doctor has the totals.",
    );
  }
  return condition("True", "Fits", "The nodes have what this grant and all others promise together.");
}
