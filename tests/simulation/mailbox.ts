/** Messages between operators, which may be late, duplicated, reordered or lost. */
import type { SeededRandom } from "./random.ts";

interface OnItsWay<M> {
  from: string;
  to: string;
  message: M;
}

export class Mailbox<M> {
  readonly #onItsWay: OnItsWay<M>[] = [];
  readonly #deliver: (to: string, message: M, from: string) => void;

  /** `deliver` hands a message to its receiver. */
  constructor(deliver: (to: string, message: M, from: string) => void) {
    this.#deliver = deliver;
  }

  /** Sends a copy, like a network. */
  send(from: string, to: string, message: M): void {
    this.#onItsWay.push({ from, to, message: structuredClone(message) });
  }

  get isEmpty(): boolean {
    return this.#onItsWay.length === 0;
  }

  /** Delivers, duplicates or loses a random message. */
  step(random: SeededRandom): string {
    const index = random.below(this.#onItsWay.length);
    const { from, to, message } = this.#onItsWay[index]!;
    const what = random.below(100);
    if (what < 15) {
      this.#onItsWay.splice(index, 1);
      return `a message from ${from} to ${to} is lost`;
    }
    // A duplicated message is delivered again later, after others.
    const again = what < 30;
    if (!again) this.#onItsWay.splice(index, 1);
    this.#deliver(to, structuredClone(message), from);
    return `a message from ${from} to ${to} arrives${again ? ", and will again" : ""}`;
  }

  /** Delivers all messages, in the order in which they were sent. */
  deliverAll(): void {
    for (const { from, to, message } of this.#onItsWay.splice(0)) this.#deliver(to, message, from);
  }
}
