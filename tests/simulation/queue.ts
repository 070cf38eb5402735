/** A queue as loops and triggers know it, of which the schedule takes what it likes. */
import type { AddOptions } from "../../lib/controller/mod.ts";
import type { KeyQueue } from "../../src/engine/triggers.ts";

/** Keys and instants, in no order: whatever is due may come next. */
export class Queue implements KeyQueue {
  readonly #now: () => number;
  readonly #keys = new Map<string, { urgent: boolean }>();
  /** Instants of the operator's clock. */
  readonly #times = new Map<string, { at: number; urgent: boolean }>();
  /** The same of a clock that nobody sets. */
  readonly #looks = new Map<string, number>();
  /** Keys that failed, by what was known then: they are tried again when that is another. */
  readonly #failed = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** Takes the operator's clock. */
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

  /** At once, because the schedule decides when it comes. */
  retry(key: string): void {
    this.add(key);
  }

  /** Forgets that the key was entered since it was taken, because it has been looked at. */
  looked(key: string): void {
    this.#keys.delete(key);
  }

  /** To be taken again after an instant of the clock that nobody sets. */
  lookAt(key: string, at: number): void {
    this.#looks.set(key, at);
  }

  /** However long it backs off: when nothing has changed since, it comes to the same. */
  fail(key: string, moment: string): void {
    this.#failed.set(key, moment);
  }

  get hasUrgent(): boolean {
    const now = this.#now();
    for (const [key, { urgent }] of this.#keys) if (urgent && !this.#taken.has(key)) return true;
    for (const [key, { urgent, at }] of this.#times) if (urgent && at <= now && !this.#taken.has(key)) return true;
    return false;
  }

  /** The keys that may be taken. */
  due(moment: string, monotonic: number): string[] {
    const now = this.#now();
    const due: string[] = [];
    const add = (key: string) => {
      if (!this.#taken.has(key) && !due.includes(key)) due.push(key);
    };
    for (const key of this.#keys.keys()) add(key);
    for (const [key, failed] of this.#failed) if (failed !== moment) add(key);
    for (const [key, { at }] of this.#times) if (at <= now) add(key);
    for (const [key, at] of this.#looks) if (at <= monotonic) add(key);
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

  /** The instants for which keys wait. */
  get instants(): number[] {
    return [...this.#times.values()].map(({ at }) => at);
  }
}
