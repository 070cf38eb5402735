/** One run: its parts one after another, with the results so far written to the file after each. */
import { merge } from "es-toolkit/object";
import { exists } from "../tests/lab/lab_files.ts";
import { Estimate } from "../tests/lab/progress.ts";
import { type Figures, memorySlope } from "./figures.ts";
import type { BenchPart } from "./parts.ts";
import { runFacts } from "./run_facts.ts";

export interface RunOptions {
  /** The parts by name, in running order. */
  parts: Readonly<Record<string, BenchPart>>;
  rounds: number;
  /** File for the result, besides standard output. */
  output?: string;
  /** True to keep the result in `bench/results`, merged with parts that were run before for this commit. */
  keep: boolean;
}

/** Runs the parts; returns whether one has failed. */
export async function run({ parts, rounds, output, keep }: RunOptions): Promise<boolean> {
  const cost = ({ seconds: { first, each } }: BenchPart) => first + each * rounds;
  const estimate = new Estimate(Object.values(parts).reduce((sum, part) => sum + cost(part), 0));
  const say = (text: string) => console.error(`bench: ${text} (${estimate})`);
  const facts = await runFacts();
  const kept = new URL(`results/${facts.date.slice(0, 10)}-${facts.commit}.json`, import.meta.url).pathname;
  const file = output ?? (keep ? kept : undefined);
  let result: Figures = { ...(keep && exists(kept) ? JSON.parse(await Deno.readTextFile(kept)) : {}), ...facts };
  let failed = false;
  for (const [name, part] of Object.entries(parts)) {
    say(name);
    try {
      result = merge(result, await part.run({ rounds, say: (text) => say(`${name}: ${text}`) }));
    } catch (error) {
      // The results of the other parts are still useful.
      say(`${name} failed: ${(error as Error).stack}`);
      failed = true;
    }
    estimate.add(cost(part));
    const slope = memorySlope(result);
    if (slope) result = merge(result, { rss: { slopePer10k: slope } });
    if (file !== undefined) await Deno.writeTextFile(file, textOf(result));
  }
  console.log(textOf(result));
  return failed;
}

const textOf = (result: Figures): string => `${JSON.stringify(result, null, 2)}\n`;
