/** Path to a node by infrequent pings; a result counts after two equal ones in a row. */
import type { RealmNode } from "../../api/mod.ts";

/** Results of the pings to one address of a node. */
export interface PingFacts {
  stableID: string;
  address: string;
  /** Path of the last ping; undefined: no answer. */
  path?: "direct" | "relay";
  /** Round-trip time of the last ping, if it was answered. */
  latencyMs?: number;
  /** Number of equal results in a row. */
  alike: number;
  /** Epoch milliseconds: end of the last ping. */
  at: number;
}

/** Interval between pings of a node that answers. */
const usualMs = 15 * 60_000;
/** Interval while the result isn't settled; without an answer it doubles up to `longestMs`. */
const soonMs = 1000;
const longestMs = 5 * 60_000;
/** Equal results after which a relayed path is settled; until then tailscaled may still find a direct one. */
const relayLooks = 3;

/** Returns the time of the next ping in epoch milliseconds; -Infinity if there was none. */
export function pingDueAt(known: PingFacts | undefined, stableID: string, address: string): number {
  if (known?.stableID !== stableID || known.address !== address) return -Infinity;
  if (known.path === undefined) return known.at + Math.min(soonMs * 2 ** (known.alike - 1), longestMs);
  return known.at + (isSettled(known) ? usualMs : soonMs);
}

const isSettled = ({ path, alike }: PingFacts): boolean => path === "direct" || alike >= relayLooks;

/** Reports whether the node answers; undefined: unknown. A single lost ping doesn't count. */
export function isAnswering(known: PingFacts | undefined, stableID: string): boolean | undefined {
  if (known?.stableID !== stableID) return undefined;
  if (known.path !== undefined) return true;
  return known.alike >= 2 ? false : undefined;
}

/** Returns path and latency for the status; unsettled results leave the present ones. */
export function pathShown(
  known: PingFacts | undefined,
  { stableID, path, latencyMs }: Pick<RealmNode, "stableID" | "path" | "latencyMs">,
): Pick<RealmNode, "path" | "latencyMs"> {
  const before = { ...(path ? { path } : {}), ...(latencyMs === undefined ? {} : { latencyMs }) };
  if (known?.stableID !== stableID) return before;
  if (known.path === undefined) return known.alike >= 2 ? {} : before;
  if (known.path !== path && !isSettled(known)) return before;
  // The first ping of a process must not change a value that the next one may change back.
  if (known.path === path && latencyMs !== undefined && known.alike < 2) return before;
  const bucket = bucketOf(known.latencyMs ?? 0, known.path === path ? latencyMs : undefined);
  return { path: known.path, latencyMs: bucket };
}

/** Rounds up to 1, 2, 5, 10, 20, 50, …; the shown value stays while the new one is near to it. */
function bucketOf(ms: number, shown: number | undefined): number {
  if (shown !== undefined && ms <= shown * 1.5 && (shown === 1 || ms > shown / 4)) return shown;
  const magnitude = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(ms, 1))));
  return [1, 2, 5].map((step) => step * magnitude).find((bound) => ms <= bound) ?? 10 * magnitude;
}
