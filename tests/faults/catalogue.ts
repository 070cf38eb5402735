/**
 * The minimum number of times that each request and each watched change occurs in an undisturbed run of a scenario: the
 * points at which faults can be injected. It is committed, so that the list of plans is the same everywhere; `deno task
 * test:faults --record` rewrites it.
 */
import { markPrefix } from "./request_name.ts";
import recorded from "./catalogue.json" with { type: "json" };

export type Counts = Readonly<Record<string, number>>;

export const catalogue: Readonly<Record<string, Counts>> = recorded;

const file = new URL("catalogue.json", import.meta.url);

/**
 * Requests that depend on time, not on events: renewals of the Lease and the reads of the database's size that come
 * with them, probes of the API server, polls of the pods' addresses, counts of repeated events, and reads of earlier plans' namespaces until they are gone.
 */
const isTimed = (name: string): boolean =>
  /^(update\.leases|patch\.events|get\.metrics|get\.apis|get\.livez)\b|^list\.pods$/.test(name) ||
  name.includes(markPrefix);

/**
 * Requests to tailscaled, and its messages, occur in varying numbers. For a scenario on a tailnet the catalogue has
 * nothing else: API server faults affect it like any other scenario.
 */
export const isOfTailscaled = (name: string): boolean => /^(localapi|bus)\./.test(name);

/** Returns the minimum count of each over all runs, possibly 0. */
export function surely(runs: readonly ReadonlyMap<string, number>[]): Counts {
  const names = [...new Set(runs.flatMap((run) => [...run.keys()]))].filter((name) => !isTimed(name)).sort();
  return Object.fromEntries(names.map((name) => [name, Math.min(...runs.map((run) => run.get(name) ?? 0))]));
}

/**
 * Returns the entries of the catalogue that occurred in none of a scenario's runs, and those that occurred in all runs
 * but are not in the catalogue. One run proves little: on a busy machine a watch can end before it delivers its change.
 */
export function stale(
  scenario: string,
  runs: readonly ReadonlyMap<string, number>[],
  known: Counts = catalogue[scenario] ?? {},
): string[] {
  const names = Object.keys(known).filter((name) => known[name]! > 0);
  const [first = new Map<string, number>(), ...others] = runs;
  const always = [...first.keys()].filter((name) => others.every((run) => run.has(name)));
  return [
    ...names.filter((name) => !runs.some((run) => run.has(name))).map((name) => `${name} doesn't occur`),
    ...always.filter((name) => known[name] === undefined && !isTimed(name)).map((name) => `${name} is new`),
  ];
}

export async function writeCatalogue(counts: Readonly<Record<string, Counts>>): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify(counts, null, 2) + "\n");
}
