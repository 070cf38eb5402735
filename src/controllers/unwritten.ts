/** Statuses that were decided and can't be written, as when somebody's webhook refuses them, or etcd is full. */
import { isDeepStrictEqual } from "node:util";
import { Feed } from "../engine/triggers.ts";

/** A projection of an object with a status. */
interface WithStatus<S> {
  name: string;
  uid: string;
  status: S;
}

/**
 * Remembers what was decided until it is written. By a status of ours it is known when a revocation ends, or whose node is
 * trusted no more: what is closed by that must not wait for a write. Another process decides anew.
 */
export class Unwritten<S> {
  /** Reports the key of an object whose status is decided otherwise, or written at last: who looked meanwhile saw another. */
  readonly changes = new Feed<{ key: string }>();
  readonly #byName = new Map<string, { uid: string; status: S }>();

  /** The object with the status that was decided last, written or not. */
  decided<T extends WithStatus<S>>(object: T): T {
    const known = this.#byName.get(object.name);
    return known?.uid === object.uid ? { ...object, status: known.status } : object;
  }

  /** Remembers a status that could not be written, of an object as it was decided last. */
  keep({ name, uid, status: before }: WithStatus<S>, status: S): void {
    this.#byName.set(name, { uid, status });
    if (!isDeepStrictEqual(status, before)) this.changes.emit({ key: name });
  }

  /** Forgets one that is written or gone. */
  forget(name: string): void {
    if (this.#byName.delete(name)) this.changes.emit({ key: name });
  }

  /** Forgets all, because another operator may have led. */
  forgetAll(): void {
    this.#byName.clear();
  }
}
