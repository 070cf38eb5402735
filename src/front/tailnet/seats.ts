/** Counts the connections of each node, so that none takes all places. */

export class Seats {
  readonly #most: { node: number; stranger: number };
  readonly #taken = new Map<string, number>();

  /** @param most connections of a node that acts for somebody, and of one that acts for nobody */
  constructor(most: { node: number; stranger: number }) {
    this.#most = most;
  }

  /** Number of connections whose node is known. */
  get size(): number {
    let sum = 0;
    for (const count of this.#taken.values()) sum += count;
    return sum;
  }

  /** Takes a place; returns the function that gives it back, or undefined if the node has none left. */
  take(node: string, isStranger: boolean): (() => void) | undefined {
    const taken = this.#taken.get(node) ?? 0;
    if (taken >= (isStranger ? this.#most.stranger : this.#most.node)) return undefined;
    this.#taken.set(node, taken + 1);
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      const left = this.#taken.get(node)! - 1;
      if (left === 0) this.#taken.delete(node);
      else this.#taken.set(node, left);
    };
  }
}
