/** Watches the size of the API server's database, and reads it only when it may matter. */
import type { Clock } from "../../lib/clock/mod.ts";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { GuestWrites } from "../core/facts.ts";
import { isReadingDue, type StorageReading, type StorageRules } from "../core/database_storage.ts";
import { NoStorageSize, readStorageSize } from "./storage_size.ts";

export interface StorageWatchOptions {
  rest: RestClient;
  rules: StorageRules;
  clock: Clock;
  /** Ends the reading that is under way. */
  signal: AbortSignal;
  /** True while a guest has access; without guests nothing is read. */
  hasGuests: () => boolean;
  /** Guests' current write access. */
  guestWrites: () => GuestWrites;
  /** Called with each reading. */
  onRead: (bytes: number) => void;
  /** Called when the size can't be read and when it can be read again: once for each reason. */
  onUnreadable: (error: unknown) => void;
}

const timeoutMs = 10_000;

/** Delay before a server that refuses or has no metric is asked again. */
const refusedMs = 600_000;

/** Watch of a leading operator. Each renewal of its Lease returns the database's revision and can trigger a reading. */
export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #last: StorageReading | undefined;
  #reading: Promise<void> | undefined;
  /** Monotonic milliseconds before which nothing is read. */
  #notBefore = -Infinity;
  #said: string | undefined;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
  }

  /** The last size that was read; undefined before the first reading. */
  get bytes(): number | undefined {
    return this.#last?.bytes;
  }

  /**
   * Takes the resource version of a write just made, which is the database's revision. Reads the size if that is due.
   */
  written(resourceVersion: string | undefined): void {
    const { clock, rules, hasGuests, guestWrites, signal } = this.#options;
    const now = { revision: Number(resourceVersion), at: clock.monotonic() };
    const writes = guestWrites();
    if (signal.aborted || this.#reading || now.at < this.#notBefore || (writes === "Open" && !hasGuests())) return;
    if (!isReadingDue(this.#last, now, rules, writes)) return;
    this.#reading = this.#read(now).finally(() => this.#reading = undefined);
  }

  /** Forgets the reading, because another operator leads. */
  forget(): void {
    this.#last = undefined;
    this.#notBefore = -Infinity;
  }

  /** Resolves once no reading is under way. */
  async ended(): Promise<void> {
    await this.#reading;
  }

  async #read(now: Omit<StorageReading, "bytes">): Promise<void> {
    const { rest, signal, onRead, onUnreadable, clock } = this.#options;
    try {
      const bytes = await readStorageSize(rest, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      this.#last = { ...now, bytes };
      this.#said = undefined;
      onRead(bytes);
    } catch (error) {
      if (signal.aborted) return;
      const isRefused = error instanceof NoStorageSize || [401, 403, 404].some((code) => isApiError(error, code));
      if (isRefused) this.#notBefore = clock.monotonic() + refusedMs;
      const said = String(error);
      if (said !== this.#said) onUnreadable(error);
      this.#said = said;
    }
  }
}
