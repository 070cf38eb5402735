/** Returns an instant as `in 3 d` or `2 h ago`. */
export function relative(instant: string | undefined, now: number): string {
  if (instant === undefined) return "when revoked";
  const at = Date.parse(instant);
  if (!Number.isFinite(at)) return instant;
  const seconds = Math.abs(at - now) / 1000;
  const [count, unit] = seconds < 90
    ? [seconds, "s"]
    : seconds < 5400
    ? [seconds / 60, "min"]
    : seconds < 129_600
    ? [seconds / 3600, "h"]
    : [seconds / 86_400, "d"];
  return at >= now ? `in ${Math.round(count)} ${unit}` : `${Math.round(count)} ${unit} ago`;
}
