import { isDeepStrictEqual } from "node:util";
import { isBeingWritten } from "../core/grant/plan.ts";
import type { GrantShare } from "../core/grant/share.ts";
import { Feed } from "../engine/triggers.ts";
import { interned } from "../core/interned.ts";

/** What the guest controller last saw of each grant, for the Grant controller to show. */
export class Shares {
  /** Reports the key of each grant of which something changed. */
  readonly changes = new Feed<{ key: string }>();
  readonly #byGrantee = new Map<string, Map<string, GrantShare>>();

  get(grantee: string, grant: string): GrantShare | undefined {
    return this.#byGrantee.get(grantee)?.get(grant);
  }

  /** Nothing is known any more: another operator may have led since. */
  forget(): void {
    this.#byGrantee.clear();
  }

  /** Says of these grants that something of them may be enforced from now on, until their shares are replaced. */
  announce(grantee: string, grants: readonly string[]): void {
    const shares = this.#byGrantee.get(grantee);
    for (const grant of grants) {
      const share = shares?.get(grant);
      if (share && !share.enforced) shares!.set(grant, { ...share, enforced: true });
    }
  }

  /** Replaces the shares of a grantee's grants by those seen now.  */
  set(grantee: string, seen: ReadonlyMap<string, GrantShare>, now: number): void {
    const before = this.#byGrantee.get(grantee);
    const shares = new Map([...seen].map(([grant, share]) => [grant, dated(share, before?.get(grant), now)]));
    if (shares.size > 0) this.#byGrantee.set(grantee, shares);
    else this.#byGrantee.delete(grantee);
    for (const [key, share] of shares) {
      if (!isDeepStrictEqual(before?.get(key), share)) this.changes.emit({ key });
    }
  }
}

const dated = (share: GrantShare, before: GrantShare | undefined, now: number): GrantShare => ({
  ...share,
  hard: interned(share.hard),
  ...(share.failure ? { failingSince: before?.failingSince ?? now } : {}),
  ...(isBeingWritten(share) ? { writingSince: before?.writingSince ?? now } : {}),
});
