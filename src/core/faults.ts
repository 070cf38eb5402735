/** Failures of parts of a plan: each is isolated, reported and retried, and the other parts go on. */

/** A part of a plan whose reading or planning threw an error. */
export interface Fault {
  /** The part, as a noun phrase. */
  part: string;
  /** The affected grant; absent: the whole namespace. */
  grant?: string;
  /** True if a field of the Grant's status shows it already. */
  isShown?: boolean;
  /** The error. */
  error: unknown;
}

/** Collects the faults of one plan. */
export class Faults {
  readonly #all: Fault[];

  /** Starts with the faults of reading. */
  constructor(read: readonly Fault[] = []) {
    this.#all = [...read];
  }

  /** All faults, in order of occurrence. */
  get all(): readonly Fault[] {
    return this.#all;
  }

  /** Records a fault. */
  add(fault: Fault): void {
    this.#all.push(fault);
  }

  /** Records a fault of a part that concerns one grant. */
  note(part: string, grant: string, error: unknown): void {
    this.add({ part, grant, error });
  }

  /** Returns the result of `plan`; if it throws, records the fault and returns `otherwise`. */
  attempt<T>(about: Omit<Fault, "error"> | string, plan: () => T, otherwise: T): T {
    try {
      return plan();
    } catch (error) {
      this.add({ ...(typeof about === "string" ? { part: about } : about), error });
      return otherwise;
    }
  }
}

/** Describes the fault, with the remedy. */
export const faultText = ({ part, error }: Pick<Fault, "part" | "error">): string =>
  `Planning ${part} failed: ${error instanceof Error ? error.message : String(error)}. This is a bug in the ` +
  "operator; report it. The operator retries, and until then it closes what is due but opens nothing new for it.";
