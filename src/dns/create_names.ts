/** Names that are kept resolved by nameservers. */
import { type Clock, systemClock } from "../../lib/clock/mod.ts";
import { LiveNames } from "./live_names.ts";
import { defaultTiming } from "./name_records.ts";
import type { NameResolver } from "./resolution.ts";
import type { Server } from "./resolv_conf.ts";
import { tcpLookup } from "./tcp_lookup.ts";

export type { NameResolver, Resolution } from "./resolution.ts";
export { hostPort, readServers, type Server, serversFrom } from "./resolv_conf.ts";

/**
 * Names resolved by these nameservers ({@linkcode readServers}), over TCP. Nothing is asked before `run`.
 *
 * @param options.shortestTtlMs how soon a name may be asked again at the earliest, whatever its TTL
 */
export function createNames(
  { servers, clock = systemClock, shortestTtlMs = defaultTiming.shortestTtlMs }: {
    servers: readonly Server[];
    clock?: Clock;
    shortestTtlMs?: number;
  },
): NameResolver {
  return new LiveNames({
    clock,
    lookup: tcpLookup({ servers, clock }),
    timing: { ...defaultTiming, shortestTtlMs },
  });
}
