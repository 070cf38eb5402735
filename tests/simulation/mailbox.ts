/** Messages between operators, which come late, twice, in any order, or never. */
import type { SeededRandom } from "./random.ts";

interface OnItsWay<M> {
  from: string;
  to: string;
  message: M;
}

export class Mailbox<M> {
  readonly #onItsWay: OnItsWay<M>[] = [];
  readonly #deliver: (to: string, message: M, from: string) => void;

  /** Takes who is handed the messages that come. */
  constructor(deliver: (to: string, message: M, from: string) => void) {
    this.#deliver = deliver;
  }

  /** Takes a copy, as a wire does. */
  send(from: string, to: string, message: M): void {
    this.#onItsWay.push({ from, to, message: structuredClone(message) });
  }

  get isEmpty(): boolean {
    return this.#onItsWay.length === 0;
  }

  /** Something becomes of any one of the messages. */
  step(random: SeededRandom): string {
    const index = random.below(this.#onItsWay.length);
    const { from, to, message } = this.#onItsWay[index]!;
    const what = random.below(100);
    if (what < 15) {
      this.#onItsWay.splice(index, 1);
      return `a message from ${from} to ${to} is lost`;
    }
    // One that stays comes once more, later and after others.
    const again = what < 30;
    if (!again) this.#onItsWay.splice(index, 1);
    this.#deliver(to, structuredClone(message), from);
    return `a message from ${from} to ${to} comes${again ? ", and will again" : ""}`;
  }

  /** All messages come, in the order in which they were sent. */
  deliverAll(): void {
    for (const { from, to, message } of this.#onItsWay.splice(0)) this.#deliver(to, message, from);
  }
}
