/** DNS names as controllers see them: which addresses each stands for now, and whom to wake when that changes. */

/** What a name stands for. */
export interface Resolution {
  /** Canonical, IPv4 first, each family in the order of its addresses; at most 64, of both families if it has both. */
  readonly addresses: readonly string[];
  /** Why there are no addresses, in a sentence that names the name; present exactly when there are none. */
  readonly error?: string;
}

/**
 * Names that are kept resolved. Each is taken as absolute: no search domain is tried.
 *
 * What a name stands for is made not to flap: addresses count until twice the TTL, at least a minute, after they were
 * last seen, since many names answer with a rotating part of their addresses; and when DNS fails, the last answer
 * stands for five minutes. A name that stands for more than 64 addresses at a time is opened in part, those of its last
 * answer first.
 */
export interface NameResolver {
  /** What is known of a name now: addresses, or why there are none; undefined: not asked yet, or not wanted. */
  get(name: string): Resolution | undefined;
  /**
   * Keeps exactly these names resolved, re-resolving each when its TTL ends; called whenever the wanted set changes.
   * Beyond 1,000 names those that were wanted first are kept, and the others get an error.
   */
  want(names: ReadonlySet<string>): void;
  /** Calls `listener` with each wanted name whose addresses or error changed, when `get` has the new ones. */
  onChange(listener: (name: string) => void): void;
  /** Resolves names until the signal aborts, then resolves itself; whatever DNS does, it doesn't throw. */
  run(signal: AbortSignal): Promise<void>;
}
