/** Summaries of samples. */
import { mapValues } from "es-toolkit/object";

/** A summary of samples for tables. */
export interface Summary {
  median: number;
  /** The minimum and the maximum. */
  spread: [number, number];
  samples: number;
}

/** A distribution of samples in rounds: median and 99th percentile of each round, and the quantiles of all. */
export interface Distribution extends Summary {
  p99: Summary;
  /** Quantiles of all samples together: 0 %, 5 % and so on to 100 %. */
  quantiles: number[];
}

/**
 * Returns the median and spread of samples, in their unit.
 *
 * @throws RangeError without samples
 */
export function summary(samples: readonly number[]): Summary {
  return {
    median: quantile(samples, 0.5),
    spread: [quantile(samples, 0), quantile(samples, 1)],
    samples: samples.length,
  };
}

/** Returns the distribution of samples in rounds. */
export function distribution(rounds: readonly (readonly number[])[]): Distribution {
  const all = rounds.flat();
  return {
    ...summary(rounds.map((samples) => quantile(samples, 0.5))),
    samples: all.length,
    p99: summary(rounds.map((samples) => quantile(samples, 0.99))),
    quantiles: Array.from({ length: 21 }, (_, n) => quantile(all, n / 20)),
  };
}

/** Summarizes each column of a table of figures. */
export const columns = <K extends string>(rows: readonly Record<K, number>[]): Record<K, Summary> =>
  mapValues(rows[0]!, (_, key) => summary(rows.map((row) => row[key])));

/** Returns the nearest rank, always a measured value, rounded to three digits or to an integer. */
function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("There are no samples.");
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
