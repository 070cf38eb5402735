/** Whether something grows with what was done. */

/** What was seen after so many grants. */
export interface Point {
  grants: number;
  value: number;
}

export interface Trend {
  /** By how much it rises with each grant. */
  perGrant: number;
  /** The standard error of that. */
  error: number;
}

/** So many points it takes to tell a trend. */
export const leastPoints = 8;
/** Beyond this many standard errors it is no chance: with eight points, once in more than two hundred times. */
const sure = 4;

/** The straight line through the points by least squares. */
export function trendOf(points: readonly Point[]): Trend {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ grants }) => grants)), mean(points.map(({ value }) => value))];
  const spread = points.reduce((sum, { grants }) => sum + (grants - x) ** 2, 0);
  const perGrant = points.reduce((sum, { grants, value }) => sum + (grants - x) * (value - y), 0) / spread;
  const residual = points.reduce((sum, { grants, value }) => sum + (value - y - perGrant * (grants - x)) ** 2, 0);
  return { perGrant, error: Math.sqrt(residual / (points.length - 2) / spread) };
}

/** Whether it surely grows by more than is tolerated. */
export const grows = ({ perGrant, error }: Trend, tolerated: number): boolean => perGrant - sure * error > tolerated;

/** Whether so small a growth would have been told from noise. */
export const isTelling = ({ error }: Trend, growth: number, tolerated: number): boolean =>
  growth - sure * error > tolerated;
