/** Cuts of the terms while the grant is in force: what was cut holds on, on notice, and then goes. */
import { type GrantStatus, maxExceptions, maxReductions } from "../../api/mod.ts";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { largerList, quantitiesOf, shown } from "../resources/quota_lists.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { rfc3339 } from "../instants.ts";
import { fromFirstSeen, type Now, wasActive } from "./termination.ts";

/** What goes beyond the present terms and still holds. */
export interface Reduction {
  /** Epoch milliseconds. Infinity: not said before the clocks agree. */
  until: number;
  /** The keys that were lowered, with what they were. */
  hard: ResourceList;
  /** The destinations that were removed. */
  destinations: readonly string[];
  /** What was taken out of them. */
  except: readonly string[];
}

const zero = parseQuantity("0");

/**
 * The cuts whose notice is going on, or is none and begins and ends now, the first to end first: those that were written down, and what the terms have lost
 * since then. Each has its own notice: a cut puts off none that was announced before it.
 *
 * @param current what the terms give now, completed
 * @param destinations what they open now
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

/** Whether it is known when the cut goes. */
export const isDated = ({ until }: Reduction): boolean => Number.isFinite(until);

/** The cuts as they were written down, also those whose notice is over and whose pods are still to go. */
export const recordedReductions = ({ status }: GrantFacts): Reduction[] =>
  (status.reductions ?? []).map(({ until, hard, allowedDestinations, except }) => ({
    until: Date.parse(until),
    hard: quantitiesOf(hard),
    destinations: allowedDestinations ?? [],
    except: except ?? [],
  }));

/** What the terms gave when they were last looked at, as something that would hold until then. */
function shownTerms({ status }: GrantFacts, until: number): Reduction {
  // Those whose end was announced are shown as long as they are open; their going is no news.
  const announced = new Set((status.reductions ?? []).flatMap(({ allowedDestinations }) => allowedDestinations ?? []));
  const shown = (status.resolvedDestinations ?? []).map(({ destination }) => destination);
  return {
    until,
    hard: quantitiesOf(status.hard),
    destinations: [...new Set(shown.filter((text) => !announced.has(text)))],
    except: status.except ?? [],
  };
}

/** Of a cut only what the present terms don't give: terms that were raised again lift it. */
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

/** Sorted, and no more than fit into a status: the latest then share the latest end, which takes from none. */
function limited(cuts: readonly Reduction[]): Reduction[] {
  const sorted = [...cuts].sort((a, b) => a.until - b.until);
  const [first, rest] = [sorted.slice(0, maxReductions - 1), sorted.slice(maxReductions - 1)];
  if (rest.length <= 1) return sorted;
  const except = [...new Set(rest.flatMap(({ except }) => except))];
  // With more exceptions than are written down, what they are taken out of closes now.
  const isWritable = except.length <= maxExceptions;
  return [...first, {
    until: Math.max(...rest.map(({ until }) => until)),
    hard: rest.map(({ hard }) => hard).reduce(largerList),
    destinations: isWritable ? [...new Set(rest.flatMap(({ destinations }) => destinations))] : [],
    except: isWritable ? except : [],
  }];
}

/** The cuts as the status records them: those that are dated. */
export const shownReductions = (cuts: readonly Reduction[]): NonNullable<GrantStatus["reductions"]> =>
  cuts.filter(isDated).map(({ until, hard, destinations, except }) => ({
    until: rfc3339(until),
    hard: shown(hard),
    ...(destinations.length > 0 ? { allowedDestinations: [...destinations] } : {}),
    ...(except.length > 0 ? { except: [...except] } : {}),
  }));
