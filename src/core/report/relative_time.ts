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

/** Returns a span as `43 s`, `3 min 20 s` or `2 h 5 min`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const [big, unit, small, smallUnit] = seconds < 3600
    ? [60, "min", 1, "s"] as const
    : seconds < 86_400
    ? [3600, "h", 60, "min"] as const
    : [86_400, "d", 3600, "h"] as const;
  const rest = Math.floor((seconds % big) / small);
  return `${Math.floor(seconds / big)} ${unit}${rest > 0 ? ` ${rest} ${smallUnit}` : ""}`;
}
