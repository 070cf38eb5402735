/** Samples, reduced to what a table shows. */
export interface Summary {
  median: number;
  p99: number;
  min: number;
  max: number;
  samples: number;
}

/**
 * Median and the rest of some samples, in their unit, rounded to a hundredth.
 *
 * @throws RangeError when there are none
 */
export function summary(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError("No samples: nothing was measured.");
  const sorted = [...samples].sort((a, b) => a - b);
  // Nearest rank: always a value that was measured.
  const at = (share: number) => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!);
  return { median: at(0.5), p99: at(0.99), min: at(0), max: at(1), samples: sorted.length };
}

const round = (value: number): number => Math.round(value * 100) / 100;
