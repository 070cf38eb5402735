/**
 * Streams of changes (Server-Sent Events). Each view is rendered once for all who look at it, and not at all while nobody
 * does.
 */
import type { Clock, Timer } from "../../../lib/clock/mod.ts";
import type { PageCaller } from "../../core/page/page_view.ts";

/** A view: the same for all callers who may see the same. */
export interface LiveView {
  caller: PageCaller;
  /** Realm that is shown, if not all. */
  only?: string;
}

/** Delay after a change, which gathers the writes that follow it, and the shortest time between two. */
const gatherMs = 100;
const restMs = 500;
/** Interval at which relative times are refreshed. It also shows that the connection is alive. */
const refreshMs = 30_000;
const mostViewers = 200;

interface Viewer {
  controller: ReadableStreamDefaultController<Uint8Array>;
  /** Latest state that it hasn't taken yet; older ones are left out. */
  waiting?: Uint8Array;
}

interface Audience {
  view: LiveView;
  viewers: Set<Viewer>;
}

export interface LiveViewsOptions {
  clock: Clock;
  /** Calls the listener after changes, until the returned function is called. */
  subscribe: (listener: () => void) => () => void;
  /** Renders a view as HTML. */
  render: (view: LiveView) => string;
}

export class LiveViews {
  readonly #options: LiveViewsOptions;
  readonly #audiences = new Map<string, Audience>();
  #viewers = 0;
  #unsubscribe: (() => void) | undefined;
  #timer: Timer | undefined;
  #dueAt = Infinity;
  #sentAt = -Infinity;

  constructor(options: LiveViewsOptions) {
    this.#options = options;
  }

  /** Number of open streams. */
  get viewers(): number {
    return this.#viewers;
  }

  /** Opens a stream, which begins with the present state; undefined: too many are open. */
  stream(view: LiveView): ReadableStream<Uint8Array> | undefined {
    if (this.#viewers >= mostViewers) return undefined;
    const { realms, isViewer } = view.caller;
    const key = JSON.stringify([isViewer, isViewer ? [] : realms, view.only]);
    const audience = this.#audiences.get(key) ?? { view, viewers: new Set() };
    this.#audiences.set(key, audience);
    let viewer: Viewer;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        viewer = { controller };
        audience.viewers.add(viewer);
        this.#viewers++;
        this.#unsubscribe ??= this.#options.subscribe(() => this.#due(gatherMs));
        controller.enqueue(encoder.encode("retry: 2000\n\n"));
        viewer.waiting = eventOf(this.#options.render(view));
        this.#due(refreshMs);
      },
      pull: () => give(viewer),
      cancel: () => {
        audience.viewers.delete(viewer);
        if (audience.viewers.size === 0 && this.#audiences.get(key) === audience) this.#audiences.delete(key);
        this.#viewers--;
        if (this.#viewers === 0) this.#sleep();
      },
    }, { highWaterMark: 1 });
  }

  /** Plans the next sending, not before the rest after the last one. */
  #due(inMs: number): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const at = Math.max(now + inMs, this.#sentAt + restMs);
    if (at >= this.#dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = at;
    this.#timer = clock.setTimer(at - now, () => this.#send());
  }

  #send(): void {
    this.#dueAt = Infinity;
    this.#sentAt = this.#options.clock.monotonic();
    for (const { view, viewers } of this.#audiences.values()) {
      let event: Uint8Array;
      try {
        event = eventOf(this.#options.render(view));
      } catch {
        // What can't be rendered is shown by the next change that can be; the page itself says that it failed.
        continue;
      }
      for (const viewer of viewers) {
        viewer.waiting = event;
        if ((viewer.controller.desiredSize ?? 0) > 0) give(viewer);
      }
    }
    this.#due(refreshMs);
  }

  #sleep(): void {
    this.#timer?.cancel();
    this.#dueAt = Infinity;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }
}

const encoder = new TextEncoder();

/** Makes an event of HTML: a line of data for each line. */
const eventOf = (html: string): Uint8Array =>
  encoder.encode(`${html.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("")}\n`);

function give(viewer: Viewer): void {
  const { waiting, controller } = viewer;
  if (waiting === undefined) return;
  delete viewer.waiting;
  controller.enqueue(waiting);
}
