/** Samples, reduced to what a table shows. */
export interface Summary {
  median: number;
  /** The least and the greatest. */
  spread: [number, number];
  samples: number;
}

/** How samples are spread, in rounds of many: median and 99th percentile of each round, and the whole. */
export interface Distribution extends Summary {
  p99: Summary;
  /** Of all samples together: 0 %, 5 % and so on to 100 %. */
  quantiles: number[];
}

/**
 * Median and spread of some samples, in their unit.
 *
 * @throws RangeError when there are none
 */
export function summary(samples: readonly number[]): Summary {
  return {
    median: quantile(samples, 0.5),
    spread: [quantile(samples, 0), quantile(samples, 1)],
    samples: samples.length,
  };
}

/** The distribution of what was measured, round by round. */
export function distribution(rounds: readonly (readonly number[])[]): Distribution {
  const all = rounds.flat();
  return {
    ...summary(rounds.map((samples) => quantile(samples, 0.5))),
    samples: all.length,
    p99: summary(rounds.map((samples) => quantile(samples, 0.99))),
    quantiles: Array.from({ length: 21 }, (_, n) => quantile(all, n / 20)),
  };
}

/** Nearest rank: always a value that was measured, to three digits or to a whole number. */
function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("No samples: nothing was measured.");
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
