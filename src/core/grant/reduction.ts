/** A cut of the terms while the grant is in force: what was cut holds on, on notice, and then goes. */
import type { GrantStatus } from "../../api/mod.ts";
import { maxQuantity, parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { type Hard, shown } from "../guest/hard.ts";
import { fromNow, rfc3339 } from "../instants.ts";
import { wasActive } from "./ladder.ts";

/** What goes beyond the present terms and still holds. */
export interface Reduction {
  /** Epoch milliseconds. */
  until: number;
  /** The keys that were lowered, with what they were. */
  hard: Hard;
  /** The destinations that were removed. */
  destinations: readonly string[];
}

const zero = parseQuantity("0");

/**
 * The cut that is going on, from what was written down and what the terms have lost since then.
 *
 * @param current what the terms give now, completed
 * @param destinations what they open now
 */
export function reductionOf(
  grant: GrantFacts,
  current: Hard,
  destinations: readonly string[],
  noticeMs: number,
  now: number,
): Reduction | undefined {
  if (!wasActive(grant)) return undefined;
  const { status } = grant;
  const recorded = status.reduction;
  const until = recorded && Date.parse(recorded.until);
  const old = until !== undefined && now < until ? recorded : undefined;
  const lowered = new Map<string, Quantity>();
  let news = false;
  const before = [...Object.keys(status.hard ?? {}), ...Object.keys(old?.hard ?? {})];
  for (const key of new Set([...current.keys(), ...before])) {
    const quantity = current.get(key) ?? zero;
    const shownBefore = status.hard?.[key] === undefined ? undefined : parseQuantity(status.hard[key]);
    const held = old?.hard[key] === undefined ? undefined : parseQuantity(old.hard[key]);
    const most = [shownBefore, held].filter((known) => known !== undefined);
    if (most.length === 0) continue;
    const largest = maxQuantity(most[0]!, ...most.slice(1));
    if (largest.compare(quantity) <= 0) continue;
    lowered.set(key, largest);
    if (shownBefore && shownBefore.compare(quantity) > 0) news = true;
  }
  const present = new Set(destinations);
  // Those whose end was announced are shown as long as they are open; their going is no news.
  const announced = new Set(recorded?.allowedDestinations ?? []);
  const shownDestinations = (status.resolvedDestinations ?? []).map(({ destination }) => destination)
    .filter((text) => !announced.has(text));
  const removed = [...new Set([...shownDestinations, ...old?.allowedDestinations ?? []])].filter((text) =>
    !present.has(text)
  );
  if (shownDestinations.some((text) => !present.has(text))) news = true;
  if (lowered.size === 0 && removed.length === 0) return undefined;
  return { until: news ? fromNow(now, noticeMs) : until!, hard: lowered, destinations: removed };
}

/** The cut as the status records it. */
export const shownReduction = ({ until, hard, destinations }: Reduction): NonNullable<GrantStatus["reduction"]> => ({
  until: rfc3339(until),
  hard: shown(hard),
  ...(destinations.length > 0 ? { allowedDestinations: [...destinations] } : {}),
});
