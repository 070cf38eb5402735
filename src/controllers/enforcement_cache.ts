import { isDeepStrictEqual } from "node:util";
import { isBeingWritten } from "../core/grant/plan_grant.ts";
import type { GrantEnforcement } from "../core/grant/enforcement.ts";
import { Feed } from "../engine/triggers.ts";
import { interned } from "../core/interned.ts";

/** What the guest controller last saw of each grant, for the Grant controller to show. */
export class EnforcementCache {
  /** Reports the key of each grant of which something changed. */
  readonly changes = new Feed<{ key: string }>();
  readonly #byGrantee = new Map<string, Map<string, GrantEnforcement>>();

  get(grantee: string, grant: string): GrantEnforcement | undefined {
    return this.#byGrantee.get(grantee)?.get(grant);
  }

  /** Nothing is known any more: another operator may have led since. */
  forget(): void {
    this.#byGrantee.clear();
  }

  /** Says of these grants that something of them may be enforced from now on, until their shares are replaced. */
  reserve(grantee: string, grants: readonly string[]): void {
    const enforcements = this.#byGrantee.get(grantee);
    for (const grant of grants) {
      const enforcement = enforcements?.get(grant);
      if (enforcement && !enforcement.enforced) enforcements!.set(grant, { ...enforcement, enforced: true });
    }
  }

  /** Replaces the shares of a grantee's grants by those seen now.  */
  set(grantee: string, seen: ReadonlyMap<string, GrantEnforcement>, now: number): void {
    const before = this.#byGrantee.get(grantee);
    const enforcements = new Map(
      [...seen].map(([grant, enforcement]) => [grant, dated(enforcement, before?.get(grant), now)]),
    );
    if (enforcements.size > 0) this.#byGrantee.set(grantee, enforcements);
    else this.#byGrantee.delete(grantee);
    for (const [key, share] of enforcements) {
      if (!isDeepStrictEqual(before?.get(key), share)) this.changes.emit({ key });
    }
  }
}

const dated = (share: GrantEnforcement, before: GrantEnforcement | undefined, now: number): GrantEnforcement => ({
  ...share,
  hard: interned(share.hard),
  ...(share.failure ? { failingSince: before?.failingSince ?? now } : {}),
  ...(isBeingWritten(share) ? { writingSince: before?.writingSince ?? now } : {}),
});
