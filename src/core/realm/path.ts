/** The way to a node, by pings: rarely asked, and believed when two in a row say the same. */
import type { RealmNode } from "../../api/mod.ts";

/** What the pings of one address of a node have found. */
export interface PingFacts {
  stableID: string;
  address: string;
  /** Of the last ping; undefined: no answer. */
  path?: "direct" | "relay";
  /** Round trip of the last ping, when it was answered. */
  latencyMs?: number;
  /** How many in a row found the same. */
  alike: number;
  /** When the last one ended, epoch milliseconds. */
  at: number;
}

/** Between two pings of a node that answers. */
const usualMs = 15 * 60_000;
/** Between two while it isn't sure what is found, and at most between two while there is no answer. */
const soonMs = 1000;
const longestMs = 5 * 60_000;
/** A path is looked for while packets go through a relay. */
const relayLooks = 3;

/** When the node is due to be pinged again, epoch milliseconds: at once if it never was. */
export function pingDueAt(known: PingFacts | undefined, stableID: string, address: string): number {
  if (known?.stableID !== stableID || known.address !== address) return -Infinity;
  if (known.path === undefined) return known.at + Math.min(soonMs * 2 ** (known.alike - 1), longestMs);
  return known.at + (isSettled(known) ? usualMs : soonMs);
}

const isSettled = ({ path, alike }: PingFacts): boolean => path === "direct" || alike >= relayLooks;

/** Whether the node answers; one lost ping says nothing. Undefined: not known. */
export function isAnswering(known: PingFacts | undefined, stableID: string): boolean | undefined {
  if (known?.stableID !== stableID) return undefined;
  if (known.path !== undefined) return true;
  return known.alike >= 2 ? false : undefined;
}

/** Path and latency to show. What isn't sure yet leaves those that are shown. */
export function pathShown(
  known: PingFacts | undefined,
  { stableID, path, latencyMs }: Pick<RealmNode, "stableID" | "path" | "latencyMs">,
): Pick<RealmNode, "path" | "latencyMs"> {
  const before = { ...(path ? { path } : {}), ...(latencyMs === undefined ? {} : { latencyMs }) };
  if (known?.stableID !== stableID) return before;
  if (known.path === undefined) return known.alike >= 2 ? {} : before;
  if (known.path !== path && !isSettled(known)) return before;
  // The first ping of a process must not write what the next one takes back.
  if (known.path === path && latencyMs !== undefined && known.alike < 2) return before;
  const bucket = bucketOf(known.latencyMs ?? 0, known.path === path ? latencyMs : undefined);
  return { path: known.path, latencyMs: bucket };
}

/** The smallest of 1, 2, 5, 10, 20, 50, … that is no less; the one shown stays while the value is near to it. */
function bucketOf(ms: number, shown: number | undefined): number {
  if (shown !== undefined && ms <= shown * 1.5 && (shown === 1 || ms > shown / 4)) return shown;
  const magnitude = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(ms, 1))));
  return [1, 2, 5].map((step) => step * magnitude).find((bound) => ms <= bound) ?? 10 * magnitude;
}
