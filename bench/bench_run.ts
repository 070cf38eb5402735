/** One run: its parts one after another, with the results so far written to the file after each. */
import { merge } from "es-toolkit/object";
import { exists } from "../tests/lab/lab_files.ts";
import { Estimate } from "../tests/lab/progress.ts";
import { type Figures, memorySlope } from "./figures.ts";
import { parts } from "./parts.ts";
import { runFacts } from "./run_facts.ts";

export interface RunOptions {
  /** Names of the parts. */
  names: readonly string[];
  rounds: number;
  /** File for the result, besides standard output. */
  output?: string;
  /** True to keep the result in `bench/results`, merged with parts that were run before for this commit. */
  keep: boolean;
}

/** Runs the parts; returns whether one has failed. */
export async function run({ names, rounds, output, keep }: RunOptions): Promise<boolean> {
  const costs = new Map(names.map((name) => {
    const { first, each } = parts[name]!.seconds;
    return [name, first + each * rounds];
  }));
  const estimate = new Estimate([...costs.values()].reduce((sum, cost) => sum + cost, 0));
  const say = (text: string) => console.error(`bench: ${text} (${estimate})`);
  const facts = await runFacts();
  const kept = new URL(`results/${facts.date.slice(0, 10)}-${facts.commit}.json`, import.meta.url).pathname;
  const file = output ?? (keep ? kept : undefined);
  let result: Figures = { ...(keep && exists(kept) ? JSON.parse(await Deno.readTextFile(kept)) : {}), ...facts };
  let failed = false;
  for (const name of names) {
    say(name);
    try {
      result = merge(result, await parts[name]!.run({ rounds, say: (text) => say(`${name}: ${text}`) }));
    } catch (error) {
      // The results of the other parts are still useful.
      say(`${name} failed: ${(error as Error).stack}`);
      failed = true;
    }
    estimate.add(costs.get(name)!);
    const slope = memorySlope(result);
    if (slope) result = merge(result, { rss: { slopePer10k: slope } });
    if (file !== undefined) await Deno.writeTextFile(file, textOf(result));
  }
  console.log(textOf(result));
  return failed;
}

const textOf = (result: Figures): string => `${JSON.stringify(result, null, 2)}\n`;
