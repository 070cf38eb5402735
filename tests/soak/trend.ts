/** Whether something grows: told from the floor, since what comes and goes is above it. */

/** What was seen after so many grants. */
export interface Point {
  grants: number;
  value: number;
}

export interface Trend {
  /** By how much the floor rises with each grant. */
  perGrant: number;
  /** The standard error of that. */
  error: number;
}

/** At least twice as many points are needed. */
export const windows = 12;
/** Beyond this many standard errors it is no chance: with ten degrees of freedom, less than once in a thousand times. */
const sure = 4;

/** The least of each of twelve windows, and the straight line through them by least squares. */
export function trendOf(points: readonly Point[]): Trend {
  const floors = Array.from({ length: windows }, (_, index) => {
    const within = points.slice(index * points.length / windows, (index + 1) * points.length / windows);
    return within.reduce((low, each) => each.value < low.value ? each : low);
  });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(floors.map(({ grants }) => grants)), mean(floors.map(({ value }) => value))];
  const spread = floors.reduce((sum, { grants }) => sum + (grants - x) ** 2, 0);
  const perGrant = floors.reduce((sum, { grants, value }) => sum + (grants - x) * (value - y), 0) / spread;
  const residual = floors.reduce((sum, { grants, value }) => sum + (value - y - perGrant * (grants - x)) ** 2, 0);
  return { perGrant, error: Math.sqrt(residual / (windows - 2) / spread) };
}

/** Whether it surely grows by more than is tolerated. */
export const grows = ({ perGrant, error }: Trend, tolerated: number): boolean => perGrant - sure * error > tolerated;

/** Whether so small a growth would have been told from noise. */
export const isTelling = ({ error }: Trend, growth: number, tolerated: number): boolean =>
  growth - sure * error > tolerated;
