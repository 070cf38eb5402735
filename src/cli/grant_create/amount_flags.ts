/** The flags `--cpu`, `--memory`, `--gpu`, `--storage`, `--pods` and `--hard`, as the amounts of a grant. */
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { quotaKey } from "../../core/resources/quota_lists.ts";
import { usageError } from "../exit.ts";
import { readBytes, readCores, readCount, type WrittenAmount } from "./written_amount.ts";

/** Amounts in flags, as they were written. */
export interface AmountOptions {
  hard?: string[];
  cpu?: string;
  memory?: string;
  gpu?: string;
  storage?: string;
  pods?: string;
}

/** A flag for one resource. */
export interface AmountFlag {
  name: "cpu" | "memory" | "storage" | "pods";
  /** Key in `spec.hard`. For cpu and memory it limits requests and limits alike. */
  key: string;
  read: (text: string) => WrittenAmount;
}

/** The flags for single resources, without `--gpu`, whose key depends on the vendor. */
export const amountFlags: readonly AmountFlag[] = [
  { name: "cpu", key: "cpu", read: readCores },
  { name: "memory", key: "memory", read: readBytes },
  { name: "storage", key: "requests.storage", read: readBytes },
  { name: "pods", key: "pods", read: readCount },
];

const vendors: Readonly<Record<string, string>> = {
  nvidia: "nvidia.com/gpu",
  amd: "amd.com/gpu",
  intel: "gpu.intel.com/i915",
};
const commonGpu = "nvidia.com/gpu";

/** Reports whether a resource of a node looks like GPUs or parts of them. */
export const isGpu = (resource: string): boolean => /^[^/]*(gpu|nvidia)[^/]*\/|\/v?gpu/.test(resource);

/** GPUs that nodes offer: resource names with their numbers; undefined: not read. */
export type OfferedGpus = ReadonlyMap<string, number> | undefined;

/** Returns the resource and the number of `--gpu`: `1`, `amd=1` or `amd.com/gpu=1`. */
export function readGpus(
  text: string,
  offered: OfferedGpus,
): { resource: string; quantity: string; note?: string } | { problem: string } {
  const [, named, number] = /^(?:([^=]+)=)?(.*)$/.exec(text.replace(/\s+/g, ""))!;
  const count = readCount(number!);
  if ("problem" in count) return { problem: "It must be a whole number of GPUs, such as 1, amd=1 or amd.com/gpu=1." };
  if (named !== undefined) {
    const resource = named.includes("/") ? named : vendors[named.toLowerCase()];
    return resource === undefined
      ? {
        problem: `${named} is not a known vendor. Use ${
          Object.keys(vendors).join(", ")
        } or a resource such as ${commonGpu}.`,
      }
      : { resource, quantity: count.quantity };
  }
  const kinds = [...offered?.keys() ?? []].sort();
  if (kinds.length > 1) {
    return { problem: `The nodes offer ${kinds.join(" and ")}. Name one: ${kinds[0]}=${count.quantity}.` };
  }
  const [resource = commonGpu] = kinds;
  const why = offered === undefined
    ? "the nodes were not read"
    : kinds.length === 0
    ? "no node offers GPUs now"
    : `the nodes offer ${offered.get(resource)}`;
  return { resource, quantity: count.quantity, note: `The GPUs are ${resource}: ${why}.` };
}

/** Returns the amounts of `--hard`. */
export function quotaFlags(list: readonly string[]): Record<string, string> {
  const hard: Record<string, string> = {};
  for (const entry of list) {
    const at = entry.indexOf("=");
    const [key, quantity] = [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    if (at < 1) throw usageError(`--hard is ${entry}. It must be KEY=QUANTITY, such as cpu=2.`);
    try {
      if (parseQuantity(quantity).sign() < 0) throw new RangeError();
    } catch {
      throw usageError(`--hard ${key} is ${quantity}. ${remedyFor(key, quantity)}`);
    }
    if (hard[key] !== undefined) throw usageError(`--hard has ${key} twice.`);
    hard[key] = quantity;
  }
  return hard;
}

/** Returns the right form of a slip, by what the key measures. */
function remedyFor(key: string, quantity: string): string {
  const read = /(^|\.)cpu$/.test(key)
    ? readCores(quantity)
    : /(^|\.)(memory|storage|ephemeral-storage)$/.test(key)
    ? readBytes(quantity)
    : undefined;
  return read !== undefined && "problem" in read ? read.problem : "It must be a quantity, such as 500m, 2 or 4Gi.";
}

/** Amounts under the keys of `spec.hard`, and remarks on them. */
export interface GivenAmounts {
  hard: Record<string, string>;
  notes: readonly string[];
}

/**
 * Returns the amounts of all flags.
 *
 * @param gpus GPUs that nodes offer, read only if a number of GPUs without a vendor is set
 */
export async function amountsFrom(
  options: AmountOptions,
  gpus: () => Promise<OfferedGpus>,
): Promise<GivenAmounts> {
  const hard = quotaFlags(options.hard ?? []);
  const notes: string[] = [];
  const set = (flag: string, key: string, quantity: string) => {
    const same = Object.keys(hard).find((other) => quotaKey(other) === quotaKey(key));
    if (same !== undefined) throw usageError(`--${flag} and --hard ${same} are both set. Use one of them.`);
    hard[key] = quantity;
  };
  for (const { name, key, read } of amountFlags) {
    const text = options[name];
    if (text === undefined) continue;
    const amount = read(text.trim());
    if ("problem" in amount) throw usageError(`--${name} is ${text}. ${amount.problem}`);
    if (amount.note) notes.push(amount.note);
    set(name, key, amount.quantity);
  }
  if (options.gpu !== undefined) {
    const read = readGpus(options.gpu, /=/.test(options.gpu) ? undefined : await gpus());
    if ("problem" in read) throw usageError(`--gpu is ${options.gpu}. ${read.problem}`);
    if (read.note) notes.push(read.note);
    set("gpu", `requests.${read.resource}`, read.quantity);
  }
  return { hard, notes };
}
