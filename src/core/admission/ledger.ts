/** Free amounts of all quotas of a namespace, and loads that take and give them. */
import type { Quantity } from "../../../lib/quantity/mod.ts";
import { quotaKey } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import type { QuotaRoom } from "./change.ts";

/** A key of a quota. */
export interface Slot {
  quota: QuotaRoom;
  key: string;
  /** Key under which usage is computed. */
  usage: string;
}

/** Amounts in billionths, by the index of their slot; only those above zero, because a quota ignores the others. */
export type Load = ReadonlyMap<number, bigint>;

const zero = 0n;

/** Returns the key under which usage is computed: `cpu` is `requests.cpu`, `count/services` is `services`. */
export const usageKey = (key: string): string => key.startsWith("hugepages-") ? `requests.${key}` : quotaKey(key);

export class Ledger {
  readonly slots: readonly Slot[];
  /** Limit minus usage, in billionths; negative if usage exceeds the limit. */
  readonly free: bigint[];

  /** Limits, in billionths. */
  readonly limits: readonly bigint[];

  constructor(slots: readonly Slot[], limits: readonly bigint[], free: bigint[]) {
    this.slots = slots;
    this.limits = limits;
    this.free = free;
  }

  static of(quotas: readonly QuotaRoom[]): Ledger {
    const slots = quotas.flatMap((quota) =>
      [...quota.hard.keys()].map((key) => ({ quota, key, usage: usageKey(key) }))
    );
    const limits = slots.map(({ quota, key }) => nanos(quota.hard, key));
    return new Ledger(slots, limits, slots.map(({ quota, key }, index) => limits[index]! - nanos(quota.used, key)));
  }

  /** Returns a copy. */
  copy(): Ledger {
    return new Ledger(this.slots, this.limits, [...this.free]);
  }

  /**
   * Returns the load of a usage on the quotas that count it.
   *
   * @param counts selects quotas by their scopes
   */
  loadOf(usage: ResourceList, counts: (quota: QuotaRoom) => boolean): Load {
    const load = new Map<number, bigint>();
    const counted = new Map<QuotaRoom, boolean>();
    for (let index = 0; index < this.slots.length; index++) {
      const { quota, usage: key } = this.slots[index]!;
      const amount = usage.get(key)?.nanos ?? zero;
      if (amount <= zero) continue;
      let does = counted.get(quota);
      if (does === undefined) counted.set(quota, does = counts(quota));
      if (does) load.set(index, amount);
    }
    return load;
  }

  /** Returns the number of times, at most `wanted`, that the load fits. */
  room(load: Load, wanted: number): number {
    let count = BigInt(Math.max(0, wanted));
    for (const [index, amount] of load) {
      const free = this.free[index]!;
      const room = free < zero ? zero : free / amount;
      if (room < count) count = room;
    }
    return Number(count);
  }

  /** Takes the load `count` times; gives it back if negative, but not more than the limit: a count may lag behind. */
  take(load: Load, count = 1): void {
    if (count === 0) return;
    for (const [index, amount] of load) {
      const free = this.free[index]! - (count === 1 ? amount : amount * BigInt(count));
      const most = this.limits[index]!;
      this.free[index] = free > most ? most : free;
    }
  }

  give(load: Load, count = 1): void {
    this.take(load, -count);
  }

  /** Takes the load as often as it fits, at most `wanted` times, and returns that number. */
  takeMost(load: Load, wanted: number): number {
    const count = this.room(load, wanted);
    this.take(load, count);
    return count;
  }

  /** Returns the slots in which the load doesn't fit `count` times. */
  lacking(load: Load, count = 1): number[] {
    if (count <= 0) return [];
    return [...load].filter(([index, amount]) => amount * BigInt(count) > this.free[index]!).map(([index]) => index);
  }
}

const nanos = (list: ResourceList, key: string): bigint => amountOf(list.get(key));

const amountOf = (quantity: Quantity | undefined): bigint => quantity?.nanos ?? zero;

/** Returns the sum of loads, each a number of times. */
export function sumLoads(...parts: readonly (readonly [Load, number])[]): Map<number, bigint> {
  const sum = new Map<number, bigint>();
  for (const [load, count] of parts) {
    if (count === 0) continue;
    for (const [index, amount] of load) {
      sum.set(index, (sum.get(index) ?? zero) + (count === 1 ? amount : amount * BigInt(count)));
    }
  }
  return sum;
}

/**
 * Replaces up to `wanted` loads one by one, and returns the number that succeeds. The ledger has the result of those;
 * of one that fails, the old load remains.
 *
 * @param first the new load is taken before the old one is given back
 */
export function replaceLoads(ledger: Ledger, old: Load, next: Load, wanted: number, first: boolean): number {
  let count = BigInt(wanted);
  for (const [index, amount] of next) {
    const before = old.get(index) ?? zero;
    const growth = amount - before;
    // After j replacements, free - j * growth must be at least `needed` for one more.
    const needed = first ? amount : growth;
    const spare = ledger.free[index]! - needed;
    if (spare < zero) return 0;
    if (growth > zero) count = least(count, spare / growth + 1n);
  }
  const done = Number(count);
  ledger.give(old, done);
  ledger.take(next, done);
  return done;
}

const least = (a: bigint, b: bigint): bigint => a < b ? a : b;
