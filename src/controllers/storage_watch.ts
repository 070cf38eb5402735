/** Keeps an eye on the room in the API server's database, and asks for its size only when that may matter. */
import type { Clock } from "../../lib/clock/mod.ts";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { GuestWrites } from "../core/facts.ts";
import { isReadingDue, type StorageReading, type StorageRules } from "../core/database_storage.ts";
import { NoStorageSize, readStorageSize } from "./storage_size.ts";

export interface StorageWatchOptions {
  rest: RestClient;
  rules: StorageRules;
  clock: Clock;
  /** Ends what is under way. */
  signal: AbortSignal;
  /** True while some guest has access: without guests nothing is read. */
  hasGuests: () => boolean;
  /** Writes that are open to guests now. */
  guestWrites: () => GuestWrites;
  /** Told of each reading. */
  onRead: (bytes: number) => void;
  /** Told when the size can't be read, and when it can again: once for each reason. */
  onUnreadable: (error: unknown) => void;
}

const timeoutMs = 10_000;

/** A server that refuses to tell, or has nothing to tell, is asked again after this. */
const refusedMs = 600_000;

/** Of an operator that leads: each renewal of its Lease brings the database's revision, and with it the next reading. */
export class StorageWatch {
  readonly #options: StorageWatchOptions;
  #last: StorageReading | undefined;
  #reading: Promise<void> | undefined;
  /** Monotonic milliseconds; before that nothing is read. */
  #notBefore = -Infinity;
  #said: string | undefined;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
  }

  /** The size that was read last; undefined before the first reading. */
  get bytes(): number | undefined {
    return this.#last?.bytes;
  }

  /** Told the resource version of a write of now, which is the database's revision. Reads the size if that is due. */
  written(resourceVersion: string | undefined): void {
    const { clock, rules, hasGuests, guestWrites, signal } = this.#options;
    const now = { revision: Number(resourceVersion), at: clock.monotonic() };
    const writes = guestWrites();
    if (signal.aborted || this.#reading || now.at < this.#notBefore || (writes === "Open" && !hasGuests())) return;
    if (!isReadingDue(this.#last, now, rules, writes)) return;
    this.#reading = this.#read(now).finally(() => this.#reading = undefined);
  }

  /** Another operator leads, and reads it. */
  forget(): void {
    this.#last = undefined;
    this.#notBefore = -Infinity;
  }

  /** Resolves when nothing is under way any more. */
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
