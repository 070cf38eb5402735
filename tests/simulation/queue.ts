/** A queue for loops and triggers, from which the schedule takes any due key. */
import type { AddOptions } from "../../lib/controller/mod.ts";
import type { KeyQueue } from "../../src/engine/triggers.ts";

/** Keys and times, unordered: any due key may be next. */
export class Queue implements KeyQueue {
  readonly #now: () => number;
  readonly #keys = new Map<string, { urgent: boolean }>();
  /** Times of the operator's clock. */
  readonly #times = new Map<string, { at: number; urgent: boolean }>();
  /** Times of the monotonic clock. */
  readonly #looks = new Map<string, number>();
  /** Failed keys, with the state at that time: they are retried when it has changed. */
  readonly #failed = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** `now` is the operator's clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  add(key: string, { urgent = false }: AddOptions = {}): void {
    this.#keys.set(key, { urgent: urgent || (this.#keys.get(key)?.urgent ?? false) });
  }

  addAt(key: string, at: number, { urgent = false }: Pick<AddOptions, "urgent"> = {}): void {
    const known = this.#times.get(key);
    this.#times.set(key, { at: Math.min(known?.at ?? Infinity, at), urgent: urgent || (known?.urgent ?? false) });
  }

  /** Immediately, because the schedule chooses the time. */
  retry(key: string): void {
    this.add(key);
  }

  /** Removes the key, because it was reconciled. */
  looked(key: string): void {
    this.#keys.delete(key);
  }

  /** Adds the key at a time of the monotonic clock. */
  lookAt(key: string, at: number): void {
    this.#looks.set(key, at);
  }

  /** Records a failure. The backoff is ignored: without a change in the state, a retry has the same result. */
  fail(key: string, moment: string): void {
    this.#failed.set(key, moment);
  }

  get hasUrgent(): boolean {
    const now = this.#now();
    for (const [key, { urgent }] of this.#keys) if (urgent && !this.#taken.has(key)) return true;
    for (const [key, { urgent, at }] of this.#times) if (urgent && at <= now && !this.#taken.has(key)) return true;
    return false;
  }

  /** Returns the keys that may be taken. `moment` returns the present state. */
  due(moment: () => string, monotonic: number): string[] {
    const due: string[] = [];
    const add = (key: string) => {
      if (!this.#taken.has(key) && !due.includes(key)) due.push(key);
    };
    if (this.#keys.size > 0) { for (const key of this.#keys.keys()) add(key); }
    if (this.#failed.size > 0) {
      const present = moment();
      for (const [key, failed] of this.#failed) if (failed !== present) add(key);
    }
    if (this.#times.size > 0) {
      const now = this.#now();
      for (const [key, { at }] of this.#times) if (at <= now) add(key);
    }
    if (this.#looks.size > 0) { for (const [key, at] of this.#looks) if (at <= monotonic) add(key); }
    return due;
  }

  take(key: string): void {
    this.#taken.add(key);
    this.#keys.delete(key);
    this.#times.delete(key);
    this.#looks.delete(key);
    this.#failed.delete(key);
  }

  done(key: string): void {
    this.#taken.delete(key);
  }

  /** Times for which keys wait. */
  get instants(): number[] {
    return [...this.#times.values()].map(({ at }) => at);
  }
}
