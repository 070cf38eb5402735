/**
 * How often each request and each watched change comes at least in an undisturbed run of a scenario: the points at
 * which something can go wrong. Committed, so that the list of plans is the same everywhere;
 * `deno task test:faults --record` writes it anew.
 */
import { markPrefix } from "./request_name.ts";
import recorded from "./catalogue.json" with { type: "json" };

export type Counts = Readonly<Record<string, number>>;

export const catalogue: Readonly<Record<string, Counts>> = recorded;

const file = new URL("catalogue.json", import.meta.url);

/**
 * Comes with time, not with what happens: the Lease is renewed and with it the database's size may be read, what an event
 * repeats is counted, and the namespaces of earlier plans are looked at until they are gone.
 */
const isTimed = (name: string): boolean =>
  /^(update\.leases|patch\.events|get\.metrics)\b/.test(name) || name.includes(markPrefix);

/**
 * A tailscaled is asked, and says the same, at times more and at times less often. Of a scenario on a tailnet nothing else
 * is in the catalogue: what the API server does to it is the same as to others.
 */
export const isOfTailscaled = (name: string): boolean => /^(localapi|bus)\./.test(name);

/** How often each is sure to come: as in the run in which it came least, be that never. */
export function surely(runs: readonly ReadonlyMap<string, number>[]): Counts {
  const names = [...new Set(runs.flatMap((run) => [...run.keys()]))].filter((name) => !isTimed(name)).sort();
  return Object.fromEntries(names.map((name) => [name, Math.min(...runs.map((run) => run.get(name) ?? 0))]));
}

/**
 * What of the catalogue came in none of the runs of a scenario, and what came in all of them and isn't in it. Of one run
 * that says little: on a busy machine a watch can be over before it brings what it would have brought.
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
    ...names.filter((name) => !runs.some((run) => run.has(name))).map((name) => `${name} doesn't come`),
    ...always.filter((name) => known[name] === undefined && !isTimed(name)).map((name) => `${name} is new`),
  ];
}

export async function writeCatalogue(counts: Readonly<Record<string, Counts>>): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify(counts, null, 2) + "\n");
}
