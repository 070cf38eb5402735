/** Statuses that were decided but can't be written, for example because a webhook refuses them or etcd is full. */
import { isDeepStrictEqual } from "node:util";
import { Feed } from "../engine/triggers.ts";

/** Facts of an object with a status. */
interface WithStatus<S> {
  name: string;
  uid: string;
  status: S;
}

/**
 * Remembers a decided status until it is written. The status records the end of a revocation and the trusted node:
 * closing must not wait for the write. Another process decides again.
 */
export class Unwritten<S> {
  /**
   * Reports the key of an object whose decided status changed, or was written at last: earlier readers saw another
   * one.
   */
  readonly changes = new Feed<{ key: string }>();
  readonly #byName = new Map<string, { uid: string; status: S }>();
  readonly #isFinal: (status: S) => boolean;

  /** @param isFinal reports whether a written status is permanent, so that it counts in place of a remembered one */
  constructor(isFinal: (status: S) => boolean = () => false) {
    this.#isFinal = isFinal;
  }

  /** Returns the object with its last decided status, written or not. */
  decided<T extends WithStatus<S>>(object: T): T {
    const known = this.#byName.get(object.name);
    return known?.uid === object.uid && !this.#isFinal(object.status) ? { ...object, status: known.status } : object;
  }

  /** Remembers a status that could not be written. */
  keep({ name, uid, status: before }: WithStatus<S>, status: S): void {
    this.#byName.set(name, { uid, status });
    if (!isDeepStrictEqual(status, before)) this.changes.emit({ key: name });
  }

  /** Forgets a status that was written or whose object was deleted. */
  forget(name: string): void {
    if (this.#byName.delete(name)) this.changes.emit({ key: name });
  }

  /** Forgets everything, because another operator may have led. */
  forgetAll(): void {
    this.#byName.clear();
  }
}
