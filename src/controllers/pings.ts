/** Pings the nodes of realms when their plans say so, and remembers what was found. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { PingFacts } from "../core/realm/path.ts";
import type { Ping } from "../tailnet/tailnet.ts";

export interface PingsOptions {
  ping(address: string, signal: AbortSignal): Promise<Ping>;
  clock: Clock;
  /** Ends the pings that are under way. */
  signal: AbortSignal;
  /** Called when the realm should be looked at, at an instant in epoch milliseconds. */
  wake(realm: string, at: number): void;
}

/** How soon a tailscaled is asked again that couldn't be asked for a ping. */
const retryMs = 30_000;

/** What is known of the way to the nodes of realms, by the name of the realm. */
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

  /** Sends one ping and returns at once; the realm is woken when it has ended. One at a time for each realm. */
  ask(realm: string, target: { stableID: string; address: string }): void {
    const { clock, wake } = this.#options;
    if (this.#underWay.has(realm)) return;
    const notBefore = this.#notBefore.get(realm) ?? -Infinity;
    // The look that asks now has taken the place of the one that was to come then.
    if (clock.now() < notBefore) return wake(realm, notBefore);
    this.#notBefore.delete(realm);
    this.#underWay.set(realm, this.#ask(realm, target).finally(() => this.#underWay.delete(realm)));
  }

  /** The realm is gone. */
  forget(realm: string): void {
    this.#known.delete(realm);
    this.#notBefore.delete(realm);
  }

  /** Resolves when no ping is under way. */
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
    wake(realm, at);
  }
}
