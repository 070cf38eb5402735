/** Follows the access of realms' guests: by changes of the objects that it depends on, and by this process's clock. */
import type { Clock, Timer } from "../../../lib/clock/mod.ts";
import type { Settings } from "../../api/mod.ts";
import { entityNamed, granteeNamed } from "../../controllers/grantees.ts";
import { keyIn, type Stores } from "../../controllers/stores.ts";
import type { GrantFacts, LocalRealm } from "../../core/facts.ts";
import type { Pooling } from "../../core/grant/parties.ts";
import { guestNamespace, guestRole, realmOfNamespace } from "../../core/names.ts";
import { type GuestAccess, guestAccess } from "../../core/people/guest_access.ts";

export interface AccessSources {
  stores: Pick<Stores, "grants" | "realms" | "superEntities" | "bindings">;
  settings: Settings;
  local: () => LocalRealm;
  /** Milliseconds by which the API server's clock is ahead; 0 while the clocks agree. */
  skewMs: () => number;
  clock: Clock;
}

/** Longest time between two looks at an open realm's access: this clock may be set. */
const lookMs = 1000;

export class AccessWatch implements Disposable {
  readonly #sources: AccessSources;
  readonly #listeners: ((realms: readonly string[]) => void)[] = [];
  readonly #unsubscribe: (() => void)[];
  /** Ends of revoked and deleted grants whose status has no date yet, by UID. */
  readonly #promised = new Map<string, { end: number; generation: number }>();
  readonly #watched: () => readonly string[];
  readonly #changed = new Set<string>();
  /** Access of the watched realms at the last look. */
  #seen = new Map<string, string>();
  #timer: Timer | undefined;
  #queued: Timer | undefined;

  /**
   * Makes a watch.
   *
   * @param watched realms with open streams; only their clock runs
   */
  constructor(sources: AccessSources, watched: () => readonly string[]) {
    this.#sources = sources;
    this.#watched = watched;
    const { grants, realms, superEntities, bindings } = sources.stores;
    this.#unsubscribe = [
      grants.subscribe(({ old, new: now }) => {
        if (!now && old) this.#promised.delete(old.uid);
        for (const grant of [old, now]) if (grant) this.#soon(grant.spec.granteeRealm);
      }),
      realms.subscribe(({ key }) => {
        this.#soon(key);
        for (const { name, spec } of superEntities.list()) {
          if (spec.members.some(({ realm }) => realm === key)) this.#soon(name);
        }
      }),
      // A member's or a pool's deletion can end any grant.
      superEntities.subscribe(({ key }) => [key, ...this.#watched()].forEach((realm) => this.#soon(realm))),
      bindings.subscribe(({ old, new: now }) => {
        for (const each of [old, now]) if (each) this.#soon(realmOfNamespace(each.namespace)!);
      }),
    ];
  }

  /** Returns the realm's access now. */
  of(name: string): GuestAccess {
    const { stores, settings, local, skewMs, clock } = this.#sources;
    const here = local();
    return guestAccess({
      name,
      realm: granteeNamed({ stores, local }, name),
      grants: stores.grants.index("grantee", name),
      binding: stores.bindings.get(keyIn(guestNamespace(name), guestRole)),
      local: here,
      pooling: this.#pooling(),
      settings,
      skewMs: skewMs(),
      now: clock.now(),
      firstSeenEnd: (grant, end) => this.#firstSeen(grant, end),
    });
  }

  /** Calls the listener with realms whose access may have changed, by an object or by the time. */
  onChange(listener: (realms: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Starts the clock of watched realms; call it when a stream opens. */
  start(): void {
    this.#timer ??= this.#sources.clock.setTimer(this.#pauseMs(), () => {
      this.#timer = undefined;
      if (this.#watched().length === 0) return;
      this.#look();
      this.start();
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe.forEach((end) => end());
    this.#timer?.cancel();
    this.#queued?.cancel();
  }

  /** Reports the watched realms whose access the clock alone has changed. */
  #look(): void {
    const before = this.#seen;
    this.#seen = new Map(
      this.#watched().map((realm) => {
        const access = this.of(realm);
        return [realm, access.is === "open" ? access.account : ""];
      }),
    );
    const changed = [...this.#seen].filter(([realm, seen]) => seen === "" || (before.get(realm) ?? seen) !== seen);
    if (changed.length > 0) this.#tell(changed.map(([realm]) => realm));
  }

  /** Returns the time until the next end of a watched realm, but at most a second. */
  #pauseMs(): number {
    const now = this.#sources.clock.now();
    const ends = this.#watched().flatMap((realm) => this.of(realm).wakeAt ?? []);
    return Math.max(1, Math.min(lookMs, ...ends.map((at) => at - now)));
  }

  #pooling(): Pooling {
    const { stores, local } = this.#sources;
    return {
      entityNamed: (name) => entityNamed({ stores, local }, name),
      // The operator's binding says if there is room.
      roomOf: () => ({ allotment: new Map() }),
    };
  }

  #firstSeen({ uid, generation }: GrantFacts, end: number): number {
    const promised = this.#promised.get(uid);
    if (promised?.generation === generation && promised.end <= end) return promised.end;
    this.#promised.set(uid, { end, generation });
    return end;
  }

  /** Collects changes of one batch, as of a list. */
  #soon(realm: string): void {
    this.#changed.add(realm);
    this.#queued ??= this.#sources.clock.setTimer(0, () => {
      this.#queued = undefined;
      const realms = [...this.#changed];
      this.#changed.clear();
      this.#tell(realms);
    });
  }

  #tell(realms: readonly string[]): void {
    for (const listener of this.#listeners) listener(realms);
  }
}
