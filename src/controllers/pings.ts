/** Pings the nodes of realms when their plans ask for it, and remembers the results. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { PingFacts } from "../core/realm/path.ts";
import type { Ping } from "../tailnet/tailnet.ts";

export interface PingsOptions {
  ping(address: string, signal: AbortSignal): Promise<Ping>;
  clock: Clock;
  /** Ends the pings that are under way. */
  signal: AbortSignal;
  /** Called when the realm should be reconciled: at an instant, in epoch milliseconds, or at once. */
  wake(realm: string, at?: number): void;
}

/** Delay before tailscaled is asked again for a ping that it couldn't send. */
const retryMs = 30_000;

/** Results of pings, by the name of the realm. */
export class Pings {
  readonly #options: PingsOptions;
  readonly #known = new Map<string, PingFacts>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #notBefore = new Map<string, number>();

  constructor(options: PingsOptions) {
    this.#options = options;
  }

  get(realm: string): PingFacts | undefined {
    return this.#known.get(realm);
  }

  /** Starts a ping and returns at once; the realm is reconciled when it ends. One ping at a time for each realm. */
  ask(realm: string, target: { stableID: string; address: string }): void {
    const { clock, wake } = this.#options;
    if (this.#underWay.has(realm)) return;
    const notBefore = this.#notBefore.get(realm) ?? -Infinity;
    // The current reconcile replaced the scheduled one, so it is scheduled again.
    if (clock.now() < notBefore) return wake(realm, notBefore);
    this.#notBefore.delete(realm);
    this.#underWay.set(realm, this.#ask(realm, target).finally(() => this.#underWay.delete(realm)));
  }

  /** Forgets a deleted realm. */
  forget(realm: string): void {
    this.#known.delete(realm);
    this.#notBefore.delete(realm);
  }

  /** Resolves once no ping is under way. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #ask(realm: string, { stableID, address }: { stableID: string; address: string }): Promise<void> {
    const { ping, clock, signal, wake } = this.#options;
    let found: Ping;
    try {
      found = await ping(address, signal);
    } catch (error) {
      if (signal.aborted) return;
      found = { kind: "unknown", message: String(error) };
    }
    const at = clock.now();
    if (found.kind === "unknown") {
      this.#notBefore.set(realm, at + retryMs);
      return wake(realm, at + retryMs);
    }
    const answer = found.kind === "answered" ? { path: found.path, latencyMs: found.latencyMs } : {};
    const before = this.#known.get(realm);
    const isAlike = before?.stableID === stableID && before.address === address && before.path === answer.path;
    this.#known.set(realm, { stableID, address, ...answer, alike: isAlike ? before.alike + 1 : 1, at });
    // Without an instant, because the clock may be set back before it is due.
    wake(realm);
  }
}
