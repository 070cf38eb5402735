/** Parts of a plan that can't be made: each is kept to itself, reported, and tried again, and the rest goes on. */

/** A part of a plan that reading or planning threw at. */
export interface Fault {
  /** The part, as a noun phrase. */
  part: string;
  /** The grant that it is about; absent: all of the namespace. */
  grant?: string;
  /** Whether a field of the Grant's status says so by itself. */
  isShown?: boolean;
  /** What was thrown. */
  error: unknown;
}

/** Collects the faults of one plan. */
export class Faults {
  readonly #all: Fault[];

  /** Begins with those that reading has met. */
  constructor(read: readonly Fault[] = []) {
    this.#all = [...read];
  }

  /** All that were met, in their order. */
  get all(): readonly Fault[] {
    return this.#all;
  }

  /** Takes note of one. */
  add(fault: Fault): void {
    this.#all.push(fault);
  }

  /** Takes note of one of a part that is about a grant. */
  note(part: string, grant: string, error: unknown): void {
    this.add({ part, grant, error });
  }

  /** Returns what `plan` returns, or `otherwise` when it throws. */
  attempt<T>(about: Omit<Fault, "error"> | string, plan: () => T, otherwise: T): T {
    try {
      return plan();
    } catch (error) {
      this.add({ ...(typeof about === "string" ? { part: about } : about), error });
      return otherwise;
    }
  }
}

/** The fault in two sentences, with a remedy. */
export const faultText = ({ part, error }: Pick<Fault, "part" | "error">): string =>
  `Planning ${part} failed: ${error instanceof Error ? error.message : String(error)}. This is an error of the ` +
  "operator, which tries again; report it, and until then what closes is closed and nothing new opens by it.";
