/** Detects growth that is proportional to the work done. */

/** A value after a number of grants. */
export interface Point {
  grants: number;
  value: number;
}

export interface Trend {
  /** The growth with each grant. */
  perGrant: number;
  /** The standard error of the growth. */
  error: number;
}

/** Number of points needed for a trend. */
export const leastPoints = 8;
/**
 * Number of standard errors beyond which growth is significant: with eight points, chance exceeds it once in more than
 * two hundred times.
 */
const sure = 4;

/** Fits a straight line through the points by least squares. */
export function trendOf(points: readonly Point[]): Trend {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ grants }) => grants)), mean(points.map(({ value }) => value))];
  const spread = points.reduce((sum, { grants }) => sum + (grants - x) ** 2, 0);
  const perGrant = points.reduce((sum, { grants, value }) => sum + (grants - x) * (value - y), 0) / spread;
  const residual = points.reduce((sum, { grants, value }) => sum + (value - y - perGrant * (grants - x)) ** 2, 0);
  return { perGrant, error: Math.sqrt(residual / (points.length - 2) / spread) };
}

/** Reports whether the value significantly grows by more than is tolerated. */
export const grows = ({ perGrant, error }: Trend, tolerated: number): boolean => perGrant - sure * error > tolerated;

/** Reports whether a growth this small would have been distinguished from noise. */
export const isTelling = ({ error }: Trend, growth: number, tolerated: number): boolean =>
  growth - sure * error > tolerated;
