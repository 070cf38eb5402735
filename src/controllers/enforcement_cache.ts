import { isDeepStrictEqual } from "node:util";
import { isBeingWritten } from "../core/grant/plan_grant.ts";
import type { GrantEnforcement } from "../core/grant/enforcement.ts";
import { Feed } from "../engine/triggers.ts";
import { interned } from "../core/interned.ts";

/** Last observed enforcement of each grant: written by the guest loop, shown by the grant loop. */
export class EnforcementCache {
  /** Reports the key of each grant whose enforcement changed. */
  readonly changes = new Feed<{ key: string }>();
  readonly #byGrantee = new Map<string, Map<string, GrantEnforcement>>();

  get(grantee: string, grant: string): GrantEnforcement | undefined {
    return this.#byGrantee.get(grantee)?.get(grant);
  }

  /** Forgets everything, because another operator may have led in the meantime. */
  forget(): void {
    this.#byGrantee.clear();
  }

  /** Marks these grants as possibly enforced from now on, until their enforcement is observed again. */
  reserve(grantee: string, grants: readonly string[]): void {
    const enforcements = this.#byGrantee.get(grantee);
    for (const grant of grants) {
      const enforcement = enforcements?.get(grant);
      if (enforcement && !enforcement.enforced) enforcements!.set(grant, { ...enforcement, enforced: true });
    }
  }

  /** Replaces the enforcement of all grants to a grantee with the observed one. */
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
