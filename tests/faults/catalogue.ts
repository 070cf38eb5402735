/**
 * How often each request and each watched change comes in the undisturbed run of a scenario, at least: the points at
 * which something can go wrong. Committed, so that the list of plans is the same everywhere;
 * `deno task test:faults --record` writes it anew.
 */
import recorded from "./catalogue.json" with { type: "json" };

export type Counts = Readonly<Record<string, number>>;

export const catalogue: Readonly<Record<string, Counts>> = recorded;

const file = new URL("catalogue.json", import.meta.url);

/** What is sure to come: of each, the fewest of all runs. */
export function surely(runs: readonly ReadonlyMap<string, number>[]): Counts {
  const names = [...new Set(runs.flatMap((run) => [...run.keys()]))].sort();
  const fewest = names.map((name) => [name, Math.min(...runs.map((run) => run.get(name) ?? 0))] as const);
  return Object.fromEntries(fewest.filter(([, count]) => count > 0));
}

/** What of the catalogue doesn't come any more, and what comes that isn't in it. */
export function stale(scenario: string, run: ReadonlyMap<string, number>): string[] {
  const known = catalogue[scenario] ?? {};
  return [
    ...Object.entries(known).filter(([name, count]) => (run.get(name) ?? 0) < count).map(([name, count]) =>
      `${name} comes ${run.get(name) ?? 0} times, not ${count}`
    ),
    ...[...run.keys()].filter((name) => known[name] === undefined).map((name) => `${name} is new`),
  ];
}

export async function writeCatalogue(counts: Readonly<Record<string, Counts>>): Promise<void> {
  await Deno.writeTextFile(file, JSON.stringify(counts, null, 2) + "\n");
}
