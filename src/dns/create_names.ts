/** DNS names that nameservers keep resolved. */
import { type Clock, systemClock } from "../../lib/clock/mod.ts";
import { LiveNames } from "./live_names.ts";
import { defaultTiming } from "./name_records.ts";
import type { NameResolver } from "./resolution.ts";
import type { Server } from "./resolv_conf.ts";
import { tcpLookup } from "./tcp_lookup.ts";

export type { NameResolver, Resolution } from "./resolution.ts";
export { hostPort, readServers, type Server, serversFrom } from "./resolv_conf.ts";

/**
 * Makes a resolver of names over TCP, with these nameservers ({@linkcode readServers}). It sends no query before
 * `run`.
 *
 * @param options.shortestTtlMs minimum time between queries for a name, whatever its TTL
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
