/** Objects that exist but can't be read: ignored, counted by kind and reported. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { Store, Unreadable } from "../../lib/controller/mod.ts";

type Followed = Pick<Store<unknown, never, never>, "unreadable" | "onUnreadable">;

/** Maximum number of reports for each kind and minute: many such objects must not flood the log and the events. */
const mostTold = 10;
const minuteMs = 60_000;

export class UnreadableObjects {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #tell: (object: Unreadable) => void;
  readonly #stores = new Map<Followed, string>();
  readonly #told = new Map<string, { since: number; count: number }>();

  constructor(clock: Pick<Clock, "monotonic">, tell: (object: Unreadable) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Counts a store's unreadable objects under the kind and reports new ones; returns a function that stops it. */
  follow(kind: string, store: Followed): () => void {
    this.#stores.set(store, kind);
    const end = store.onUnreadable((object) => this.#maybeTell(kind, object));
    return () => {
      end();
      this.#stores.delete(store);
    };
  }

  /** Returns the number of unreadable objects of each followed kind. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [store, kind] of this.#stores) counts.set(kind, (counts.get(kind) ?? 0) + store.unreadable.length);
    return counts;
  }

  /** Reports all present ones again, because nobody could be notified before. */
  tellAll(): void {
    for (const [store, kind] of this.#stores) {
      for (const object of store.unreadable) this.#maybeTell(kind, object);
    }
  }

  #maybeTell(kind: string, object: Unreadable): void {
    const now = this.#clock.monotonic();
    let told = this.#told.get(kind);
    if (told === undefined || now - told.since >= minuteMs) this.#told.set(kind, told = { since: now, count: 0 });
    if (++told.count <= mostTold) this.#tell(object);
  }
}
