/** Reports of failures: one line for one cause, and none for what the outage of the API server explains. */
import type { Clock, Timer } from "../../lib/clock/mod.ts";
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { isConnectionError } from "./api_cause.ts";
import type { Log } from "./operator_log.ts";
import { withRemedy } from "./remedy.ts";

/** Time in which failures of several watches count as one. */
const gatherMs = 1000;
/** Time after which a failure that may pass is reported: longer than an outage takes to be noticed. */
const doubtMs = 6000;
/** The same for a server that is starting or loaded. */
const startingMs = 20_000;
/** Number of kinds that a line names. */
const mostKinds = 6;

/** Gathers the failures of watches, and keeps back failures of connections. */
export class FailureReports {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #isOut: () => boolean;
  /** Kinds that can't be watched, and whether that was reported. */
  readonly #failing = new Map<string, { error: unknown; reported: boolean }>();
  #failed: string[] = [];
  #recovered: string[] = [];
  #isGathering = false;
  readonly #waiting: (() => void)[] = [];
  readonly #timers = new Set<Timer>();
  /** Monotonic time of the end of the last outage. */
  #backAt = -Infinity;

  /**
   * @param signal drops everything that is not reported yet
   * @param isOut reports whether the API server is known not to respond, which is reported by itself
   */
  constructor(
    { log, clock, signal, isOut = () => false }: {
      log: Log;
      clock: Clock;
      signal: AbortSignal;
      isOut?: () => boolean;
    },
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#isOut = isOut;
    signal.addEventListener("abort", () => this.#timers.forEach((timer) => timer.cancel()), { once: true });
  }

  /** Resolves once no watch waits for a connection. */
  watching(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#look();
    return promise;
  }

  #look(): void {
    if ([...this.#failing.values()].some(({ error }) => isPassing(error))) return;
    this.#waiting.splice(0).forEach((resolve) => resolve());
  }

  /** Notes the end of an outage: its failures need no report. */
  readonly back = (): void => {
    this.#backAt = this.#clock.monotonic();
  };

  readonly watchFailed = (kind: string, error: unknown): void => {
    this.#failing.set(kind, { error, reported: this.#failing.get(kind)?.reported ?? false });
    const write = () => {
      // It works again, or its failure was reported with another cause.
      if (this.#failing.get(kind)?.error !== error) return;
      this.#failing.set(kind, { error, reported: true });
      this.#failed.push(kind);
      this.#gather();
    };
    if (isPassing(error)) this.#unlessExplained(write, isConnectionError(error) ? doubtMs : startingMs);
    else write();
  };

  readonly watchRecovered = (kind: string): void => {
    const before = this.#failing.get(kind);
    this.#failing.delete(kind);
    this.#look();
    if (!before?.reported) return;
    this.#recovered.push(kind);
    this.#gather();
  };

  /** Writes a report now, or, if the connection failed, after a while unless an outage explains it. */
  report(error: unknown, write: () => void): void {
    if (isConnectionError(error)) this.#unlessExplained(write, doubtMs);
    else write();
  }

  #unlessExplained(write: () => void, ms: number): void {
    const at = this.#clock.monotonic();
    this.#after(ms, () => {
      if (!this.#isOut() && this.#backAt < at) write();
    });
  }

  #after(ms: number, then: () => void): void {
    const timer = this.#clock.setTimer(ms, () => {
      this.#timers.delete(timer);
      then();
    });
    this.#timers.add(timer);
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#after(gatherMs, () => {
      this.#isGathering = false;
      const [failed, recovered] = [this.#failed, this.#recovered];
      this.#failed = [];
      this.#recovered = [];
      const still = failed.filter((kind) => this.#failing.has(kind));
      for (const kinds of byCause(still, (kind) => this.#failing.get(kind)!.error)) {
        const { error } = this.#failing.get(kinds[0]!)!;
        this.#log.warn("Can't watch {kind}: {error}", { kind: listed(kinds), error: withRemedy(error) });
      }
      if (recovered.length > 0) this.#log.info("Watching {kind} again.", { kind: listed(recovered) });
    });
  }
}

/** Reports whether an error is likely to pass by itself: no connection, or a server that is starting or loaded. */
const isPassing = (error: unknown): boolean =>
  isConnectionError(error) || isApiError(error, 429) || isApiError(error, 503) ||
  (isApiError(error) && /before all known HTTP paths have been installed/.test(error.message));

/** Groups kinds whose errors differ only in the kind that they name. */
function byCause(kinds: readonly string[], errorOf: (kind: string) => unknown): string[][] {
  const groups = Map.groupBy(new Set(kinds), (kind) => {
    const error = errorOf(kind);
    return isApiError(error) ? `${error.code} ${error.reason}` : String(error);
  });
  return [...groups.values()];
}

function listed(kinds: readonly string[]): string {
  const more = kinds.length - mostKinds;
  return [...kinds.slice(0, mostKinds), ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
