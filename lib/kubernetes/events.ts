import { type Clock, systemClock, type Timer } from "../clock/mod.ts";
import { isApiError } from "./errors.ts";
import { microTime } from "./micro_time.ts";
import { ResourceApi } from "./resource_api.ts";
import type { KubernetesObject, Resource, RestClient } from "./types.ts";

/** What an event is about (core/v1 `ObjectReference`). `kubectl describe` finds events by kind, name and uid. */
export interface ObjectReference {
  /** Group and version, such as `apps/v1`; `v1` for core. */
  apiVersion?: string | undefined;
  /** In CamelCase and the singular, such as `ResourceQuota`. */
  kind?: string | undefined;
  /** `metadata.name` of the object. */
  name?: string | undefined;
  /** Absent for cluster-scoped objects. */
  namespace?: string | undefined;
  /** Tells the object from a later one of the same name. */
  uid?: string | undefined;
  /** The version of the object that was looked at. */
  resourceVersion?: string | undefined;
  /** The part that it is about, such as `spec.containers{web}`; absent: the whole object. */
  fieldPath?: string | undefined;
}

/** One thing that happened. */
export interface EventFacts {
  /** The object that it happened to; events of cluster-scoped objects live in the namespace `default`. */
  regarding: ObjectReference;
  /** `Warning` when somebody should look at it, else `Normal`. */
  type: "Normal" | "Warning";
  /** Why, as one CamelCase word that programs can match, such as `QuotaExceeded`. */
  reason: string;
  /** What was done or tried, as one CamelCase word, such as `Admitting`. */
  action: string;
  /** A sentence for people; cut after 1024 bytes. */
  note: string;
  /** Another object concerned. */
  related?: ObjectReference;
}

/** What an {@linkcode EventRecorder} is made with. */
export interface EventRecorderOptions {
  /** Its user needs the rights to create and patch `events` of events.k8s.io. */
  rest: RestClient;
  /** The program, as a qualified name such as `example.io/operator` or `operator`. */
  reportingController: string;
  /** The running instance, such as the pod's name. */
  reportingInstance: string;
  /** Told of each event that didn't get through, with the reason; of those that are too many, the first. Must not throw. */
  onError: (error: unknown, event: EventFacts) => void;
  /** Stamps the events and bounds their series (default: the computer's). */
  clock?: Clock;
  /** Whether there is work that shouldn't wait for what only tells of it (default: there never is). */
  isBusy?: () => boolean;
}

/** events.k8s.io/v1 Event, as far as it is written here. */
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
/** Repetitions within this time of the last one are counted in its series; client-go's time, too. */
const SERIES_MS = 10 * 60_000;
/** Bounds for a server that is away or an object that fails in ever new ways. */
const MOST_WAITING = 32_768;
/** So many wait until there is time; those that are more can't. */
const MOST_PATIENT = 24_576;
/** Between two that aren't warnings, while there is other work. */
const PATIENCE_MS = 100;
const MOST_REMEMBERED = 4096;

/** One event with its repetitions. */
interface Series {
  readonly event: EventFacts;
  readonly firstAt: number;
  count: number;
  lastAt: number;
  /** Monotonic, for the 10 minutes. */
  seenAt: number;
  /** The Event that stands for it on the server. */
  written: { name: string; namespace: string } | undefined;
  waiting: boolean;
}

/**
 * Tells users what happened to their objects: writes events.k8s.io/v1 Events, which `kubectl describe` shows (KEP-383).
 *
 * Recording never waits and never fails: events are written one after another in the background, and what couldn't be
 * written is told to `onError`. What repeats itself (same object, type, reason and note within 10 minutes) is one Event
 * with a count; repetitions that come faster than they can be written cost one write together. While its user `isBusy`,
 * warnings are written at once and of all others ten in a second.
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
  /** In the order of last use, so that the first is the one to forget. */
  readonly #series = new Map<string, Series>();
  readonly #warnings: Series[] = [];
  readonly #waiting: Series[] = [];
  /** Whether it was told that there are too many, since there were fewer. */
  #overflowing = false;
  #writing: Promise<void> | undefined;
  /** How many wait for all to be written. */
  #flushing = 0;
  /** Ends the pause before the next. */
  #hurry: (() => void) | undefined;

  /** Takes where events go and who reports them. Holds no timer or connection, so it needs no closing. */
  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#api = new ResourceApi(options.rest, events);
  }

  /** Notes the event and returns at once. */
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

  /** Resolves when all that was recorded before is written or given up; rejects with the signal's reason before that. */
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
          new Error(`${MOST_WAITING} events wait to be written already; this one and others like it are dropped.`),
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
    // Lets the caller finish first: what it records in one go is written in one go.
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

  /** Whether what comes next has time. */
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
        // The server forgets events, after an hour as a rule.
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
      // A series has at least two.
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

/** The reference to an object as it came from the server. */
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

/** Cuts a text after 1024 bytes of UTF-8, between two characters, with `…` to show that something is missing. */
export function cutNote(note: string): string {
  const bytes = new TextEncoder().encode(note);
  if (bytes.length <= LONGEST_NOTE_BYTES) return note;
  let end = LONGEST_NOTE_BYTES - new TextEncoder().encode("…").length;
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && (bytes[end]! & 0b1100_0000) === 0b1000_0000) end--;
  return new TextDecoder().decode(bytes.subarray(0, end)) + "…";
}

/** The object's name, as `kubectl get events` users expect, and 64 random bits; at most 253 characters together. */
function eventName(objectName: string): string {
  const random = crypto.getRandomValues(new Uint8Array(8)).toHex();
  return `${objectName.slice(0, 253 - 17)}.${random}`;
}
