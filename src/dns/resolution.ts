/** DNS names as controllers see them: their current addresses, with notification of changes. */

/** Result of resolving a name. */
export interface Resolution {
  /** Canonical, IPv4 first, each family in the order of its addresses; at most 64, of both families if it has both. */
  readonly addresses: readonly string[];
  /** Reason why there are no addresses, as a sentence with the name; present exactly if there are none. */
  readonly error?: string;
}

/**
 * Keeps names resolved. Each name is absolute: no search domain is tried.
 *
 * Resolutions are kept stable: an address is valid until twice the TTL, at least a minute, after its last occurrence,
 * because many names answer with a rotating part of their addresses; if DNS fails, the last answer is valid for five
 * minutes. Of a name with more than 64 addresses only 64 are opened, those of its last answer first.
 */
export interface NameResolver {
  /** Returns the addresses of a name or the reason for none; undefined: not queried yet, or not wanted. */
  get(name: string): Resolution | undefined;
  /**
   * Keeps exactly these names resolved and queries each again when its TTL ends. Called whenever the wanted set
   * changes. Beyond 1,000 names the earliest are kept, and the others have an error.
   */
  want(names: ReadonlySet<string>): void;
  /** Calls `listener` with each wanted name whose addresses or error changed, once `get` returns the new ones. */
  onChange(listener: (name: string) => void): void;
  /** Resolves names until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}
