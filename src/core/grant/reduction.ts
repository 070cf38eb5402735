/** Reductions of the terms while the grant is in force: the removed part stays in force during a notice, then ends. */
import { type GrantStatus, maxExceptions, maxReductions } from "../../api/mod.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { largerList, quantitiesOf, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { rfc3339 } from "../instants.ts";
import { fromFirstSeen, type Now, wasActive } from "./termination.ts";

/** A removed part of the terms that is still in force. */
export interface Reduction {
  /** Epoch milliseconds. Infinity: undecided until the clocks agree. */
  until: number;
  /** Lowered keys, with their previous values. */
  hard: ResourceList;
  /** Removed destinations. */
  destinations: readonly string[];
  /** Ranges excluded from those destinations. */
  except: readonly string[];
}

const zero = parseQuantity("0");

/**
 * Returns the reductions on notice, the earliest end first: the recorded ones, and one for the terms removed since
 * then, even if its notice is 0. Each has its own notice: a new reduction delays none that was announced before.
 *
 * @param current amounts in the present terms, with defaults filled in
 * @param destinations destinations in the present terms
 */
export function reductionsOf(
  grant: GrantFacts,
  current: ResourceList,
  destinations: readonly string[],
  noticeMs: number,
  clock: Now,
): Reduction[] {
  if (!wasActive(grant)) return [];
  const present = new Set(destinations);
  const announced = recordedReductions(grant).filter(({ until }) => clock.now < until)
    .map((cut) => beyondTerms(cut, current, present));
  const news = beyondTerms(shownTerms(grant, fromFirstSeen(undefined, clock, noticeMs)), current, present);
  const cuts = [...announced, news].filter((cut) => cut.hard.size + cut.destinations.length > 0);
  return [...limited(cuts.filter(isDated)), ...cuts.filter((cut) => !isDated(cut))];
}

/** Reports whether the end of the reduction's notice is decided. */
export const isDated = ({ until }: Reduction): boolean => Number.isFinite(until);

/** Returns the recorded reductions, including those whose notice is over but whose pods still have to go. */
export const recordedReductions = ({ status }: GrantFacts): Reduction[] =>
  (status.reductions ?? []).map(({ until, hard, allowedDestinations, except }) => ({
    until: Date.parse(until),
    hard: quantitiesOf(hard),
    destinations: allowedDestinations ?? [],
    except: except ?? [],
  }));

/** Returns the last recorded terms as a reduction that would end then. */
function shownTerms({ status }: GrantFacts, until: number): Reduction {
  // Destinations with an announced end are recorded as long as they are open; their end isn't a new reduction.
  const announced = new Set((status.reductions ?? []).flatMap(({ allowedDestinations }) => allowedDestinations ?? []));
  const shown = (status.resolvedDestinations ?? []).map(({ destination }) => destination);
  return {
    until,
    hard: quantitiesOf(status.hard),
    destinations: [...new Set(shown.filter((text) => !announced.has(text)))],
    except: status.except ?? [],
  };
}

/** Limits a reduction to the part that exceeds the present terms: raising the terms again lifts it. */
function beyondTerms(
  { until, hard, destinations, except }: Reduction,
  current: ResourceList,
  present: ReadonlySet<string>,
): Reduction {
  const removed = destinations.filter((text) => !present.has(text));
  return {
    until,
    hard: new Map([...hard].filter(([key, quantity]) => quantity.compare(current.get(key) ?? zero) > 0)),
    destinations: removed,
    except: removed.length > 0 ? except : [],
  };
}

/** Sorts the reductions and merges those beyond the limit into one with the latest end, which shortens none. */
function limited(cuts: readonly Reduction[]): Reduction[] {
  const sorted = [...cuts].sort((a, b) => a.until - b.until);
  const [first, rest] = [sorted.slice(0, maxReductions - 1), sorted.slice(maxReductions - 1)];
  if (rest.length <= 1) return sorted;
  const except = [...new Set(rest.flatMap(({ except }) => except))];
  // The status can't hold more exceptions than this, so their destinations close now.
  const isWritable = except.length <= maxExceptions;
  return [...first, {
    until: Math.max(...rest.map(({ until }) => until)),
    hard: rest.map(({ hard }) => hard).reduce(largerList),
    destinations: isWritable ? [...new Set(rest.flatMap(({ destinations }) => destinations))] : [],
    except: isWritable ? except : [],
  }];
}

/**
 * Returns the amounts that hold after a reduction, for the keys that it lowers: until the next one that lowers them too,
 * else those of the terms.
 *
 * @param cuts the grant's reductions, in the order of their ends
 */
export function amountsAfter(cuts: readonly Reduction[], cut: Reduction, terms: ResourceList): ResourceList {
  const later = cuts.slice(cuts.indexOf(cut) + 1).map(({ hard }) => hard).reduce(largerList, terms);
  return new Map([...cut.hard.keys()].map((key) => [key, later.get(key) ?? zero]));
}

/** Returns the dated reductions in the form of the status. */
export const shownReductions = (cuts: readonly Reduction[]): NonNullable<GrantStatus["reductions"]> =>
  cuts.filter(isDated).map(({ until, hard, destinations, except }) => ({
    until: rfc3339(until),
    hard: shown(hard),
    ...(destinations.length > 0 ? { allowedDestinations: [...destinations] } : {}),
    ...(except.length > 0 ? { except: [...except] } : {}),
  }));
