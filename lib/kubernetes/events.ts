import { type Clock, systemClock, type Timer } from "../clock/mod.ts";
import { isApiError } from "./errors.ts";
import { microTime } from "./micro_time.ts";
import { ResourceApi } from "./resource_api.ts";
import type { KubernetesObject, Resource, RestClient } from "./types.ts";

/**
 * Reference to an event's object (core/v1 `ObjectReference`). `kubectl describe` finds events by kind, name and uid.
 */
export interface ObjectReference {
  /** Group and version, such as `apps/v1`; `v1` for core. */
  apiVersion?: string | undefined;
  /** Singular in CamelCase, such as `ResourceQuota`. */
  kind?: string | undefined;
  /** `metadata.name` of the object. */
  name?: string | undefined;
  /** Absent for cluster-scoped objects. */
  namespace?: string | undefined;
  /** Distinguishes the object from a later one of the same name. */
  uid?: string | undefined;
  /** Observed version of the object. */
  resourceVersion?: string | undefined;
  /** Part of the object, such as `spec.containers{web}`; absent: the whole object. */
  fieldPath?: string | undefined;
}

/** An occurrence to record. */
export interface EventFacts {
  /** Object of the event; events of cluster-scoped objects are in the namespace `default`. */
  regarding: ObjectReference;
  /** `Warning` if it needs attention, otherwise `Normal`. */
  type: "Normal" | "Warning";
  /** Reason, as one CamelCase word that programs can match, such as `QuotaExceeded`. */
  reason: string;
  /** Action that was done or tried, as one CamelCase word, such as `Admitting`. */
  action: string;
  /** A sentence for people; truncated to 1024 bytes. */
  note: string;
  /** Another object involved. */
  related?: ObjectReference;
}

/** Options of an {@linkcode EventRecorder}. */
export interface EventRecorderOptions {
  /** Its user needs permission to create and patch `events` of events.k8s.io. */
  rest: RestClient;
  /** The program, as a qualified name such as `example.io/operator` or `operator`. */
  reportingController: string;
  /** The running instance, such as the pod's name. */
  reportingInstance: string;
  /**
   * Called for each event that could not be written, with the error; for dropped events, only for the first. Must not
   * throw.
   */
  onError: (error: unknown, event: EventFacts) => void;
  /** Clock for timestamps and series (default: the computer's). */
  clock?: Clock;
  /** True while there is work that goes before recording (default: never). */
  isBusy?: () => boolean;
}

/** The written part of an events.k8s.io/v1 Event. */
interface Event extends KubernetesObject {
  eventTime?: string;
  reportingController?: string;
  reportingInstance?: string;
  type?: string;
  reason?: string;
  action?: string;
  note?: string;
  regarding?: ObjectReference;
  related?: ObjectReference | undefined;
  series?: { count: number; lastObservedTime: string } | null;
}

const events: Resource<Event> = {
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

/** The API server's limit for `note`. */
const LONGEST_NOTE_BYTES = 1024;
/** Time within which repetitions are counted in one series; the same as client-go's. */
const SERIES_MS = 10 * 60_000;
/** Limit, in case the server is unreachable or an object fails in ever new ways. */
const MOST_WAITING = 32_768;
/** Number of waiting events that may wait for other work; beyond that they are written anyway. */
const MOST_PATIENT = 24_576;
/** Pause between two events that aren't warnings, while there is other work. */
const PATIENCE_MS = 100;
const MOST_REMEMBERED = 4096;

/** An event with its repetitions. */
interface Series {
  readonly event: EventFacts;
  readonly firstAt: number;
  count: number;
  lastAt: number;
  /** Monotonic time, for the 10 minutes. */
  seenAt: number;
  /** Its Event object on the server. */
  written: { name: string; namespace: string } | undefined;
  waiting: boolean;
}

/**
 * Records events for users: writes events.k8s.io/v1 Events, which `kubectl describe` shows (KEP-383).
 *
 * Recording never waits and never fails: events are written one after another in the background, and `onError` is
 * called for failures. Repetitions (same object, type, reason and note within 10 minutes) become one Event with a
 * count; repetitions faster than the writes share a write. While `isBusy`, warnings are written at once and other
 * events at ten a second.
 *
 * ```ts
 * import { EventRecorder, objectReference, type RestClient } from "./mod.ts";
 *
 * const rest: RestClient = {
 *   performRequest: (request) => Promise.resolve(request.bodyJson as never),
 *   performStream: () => Promise.reject(new Error("not here")),
 * };
 * const recorder = new EventRecorder({
 *   rest,
 *   reportingController: "example.io/operator",
 *   reportingInstance: "operator-0",
 *   onError: (error) => console.warn(error),
 * });
 * const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "team", uid: "…" } };
 * recorder.event({
 *   regarding: objectReference(pod),
 *   type: "Normal",
 *   reason: "Admitted",
 *   action: "Admitting",
 *   note: "The pod fits into the quota.",
 * });
 * await recorder.flush(AbortSignal.timeout(5000));
 * ```
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #api: ResourceApi<Event>;
  /** In order of last use, so that the first one is forgotten first. */
  readonly #series = new Map<string, Series>();
  readonly #warnings: Series[] = [];
  readonly #waiting: Series[] = [];
  /** True if the overflow was reported and isn't over. */
  #overflowing = false;
  #writing: Promise<void> | undefined;
  /** Number of flush calls that wait. */
  #flushing = 0;
  /** Ends the current pause. */
  #hurry: (() => void) | undefined;

  /** Creates a recorder. It holds no timer or connection, so it needs no closing. */
  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#api = new ResourceApi(options.rest, events);
  }

  /** Records an event and returns at once. */
  event(event: EventFacts): void {
    const { regarding, type, reason, note } = event;
    const key = JSON.stringify([
      regarding.kind,
      regarding.namespace,
      regarding.name,
      regarding.uid,
      type,
      reason,
      note,
    ]);
    const seenAt = this.#clock.monotonic();
    const lastAt = this.#clock.now();
    let series = this.#series.get(key);
    if (series && seenAt - series.seenAt < SERIES_MS) {
      series.count++;
      series.lastAt = lastAt;
      series.seenAt = seenAt;
    } else {
      series = { event, firstAt: lastAt, count: 1, lastAt, seenAt, written: undefined, waiting: false };
    }
    this.#series.delete(key);
    if (this.#write(series)) this.#series.set(key, series);
    for (const oldest of this.#series.keys()) {
      if (this.#series.size <= MOST_REMEMBERED) break;
      this.#series.delete(oldest);
    }
  }

  /**
   * Resolves once all recorded events are written or given up; rejects with the signal's reason if that aborts first.
   */
  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    this.#flushing++;
    this.#hurry?.();
    try {
      await Promise.race([this.#writing, aborted.promise]);
    } finally {
      this.#flushing--;
      signal.removeEventListener("abort", abort);
    }
  }

  #write(series: Series): boolean {
    if (series.waiting) return true;
    if (this.#warnings.length + this.#waiting.length >= MOST_WAITING) {
      if (!this.#overflowing) {
        this.#options.onError(
          new Error(`${MOST_WAITING} events are waiting to be written; this one and later ones are dropped.`),
          series.event,
        );
      }
      this.#overflowing = true;
      return false;
    }
    this.#overflowing = false;
    series.waiting = true;
    if (series.event.type === "Warning") {
      this.#warnings.push(series);
      this.#hurry?.();
    } else this.#waiting.push(series);
    this.#writing ??= this.#writeAll();
    return true;
  }

  async #writeAll(): Promise<void> {
    // Waits until the caller has finished, so that events recorded together are written together.
    await Promise.resolve();
    for (;;) {
      if (this.#isPatient()) await this.#pause();
      const series = this.#warnings.shift() ?? this.#waiting.shift();
      if (!series) break;
      series.waiting = false;
      try {
        await this.#writeOne(series);
      } catch (error) {
        this.#options.onError(error, series.event);
      }
    }
    this.#writing = undefined;
  }

  /** True if the next event can wait for other work. */
  #isPatient(): boolean {
    return this.#warnings.length === 0 && this.#waiting.length > 0 && this.#waiting.length <= MOST_PATIENT &&
      this.#flushing === 0 && (this.#options.isBusy?.() ?? false);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#hurry = undefined;
        resolve();
      };
      const timer: Timer = this.#clock.setTimer(PATIENCE_MS, end);
      this.#hurry = end;
    });
  }

  async #writeOne(series: Series): Promise<void> {
    if (series.written) {
      const { name, namespace } = series.written;
      const lastObservedTime = microTime(series.lastAt);
      try {
        await this.#api.namespace(namespace).patch(name, { series: { count: series.count, lastObservedTime } }, {
          type: "merge",
        });
        return;
      } catch (error) {
        // The server deletes events, usually after an hour.
        if (!isApiError(error, 404)) throw error;
      }
    }
    const namespace = series.event.regarding.namespace ?? "default";
    const name = eventName(series.event.regarding.name ?? "");
    await this.#api.namespace(namespace).create(this.#object(series, name, namespace));
    series.written = { name, namespace };
  }

  #object({ event, firstAt, lastAt, count }: Series, name: string, namespace: string): Event {
    return {
      metadata: { name, namespace },
      eventTime: microTime(firstAt),
      // A series has at least two occurrences.
      ...(count > 1 && { series: { count, lastObservedTime: microTime(lastAt) } }),
      reportingController: this.#options.reportingController,
      reportingInstance: this.#options.reportingInstance.slice(0, 128),
      type: event.type,
      reason: event.reason,
      action: event.action,
      note: cutNote(event.note),
      regarding: event.regarding,
      related: event.related,
    };
  }
}

/** Returns a reference to an object from the server. */
export function objectReference(object: KubernetesObject): ObjectReference {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    name: metadata?.name,
    namespace: metadata?.namespace,
    uid: metadata?.uid,
    resourceVersion: metadata?.resourceVersion,
  };
}

/** Truncates a text to 1024 bytes of UTF-8, between two characters, with `…` at the end. */
export function cutNote(note: string): string {
  const bytes = new TextEncoder().encode(note);
  if (bytes.length <= LONGEST_NOTE_BYTES) return note;
  let end = LONGEST_NOTE_BYTES - new TextEncoder().encode("…").length;
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && (bytes[end]! & 0b1100_0000) === 0b1000_0000) end--;
  return new TextDecoder().decode(bytes.subarray(0, end)) + "…";
}

/** Returns the object's name, as users of `kubectl get events` expect, and 64 random bits; at most 253 characters. */
function eventName(objectName: string): string {
  const random = crypto.getRandomValues(new Uint8Array(8)).toHex();
  return `${objectName.slice(0, 253 - 17)}.${random}`;
}
