/** Reads instants and spans of flags. */
import { rfc3339 } from "../core/instants.ts";
import { usageError } from "./exit.ts";

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** Returns the milliseconds of a span such as `30d`, `12h`, `90m` or `2w`. */
export function spanFrom(flag: string, text: string): number {
  const [, count, unit] = /^(\d{1,6})([mhdw])$/.exec(text) ?? [];
  const ms = Number(count) * (units[unit ?? ""] ?? NaN);
  if (!(ms > 0)) throw usageError(`${flag} is ${text}. It must be a span such as 30d, 12h, 90m or 2w.`);
  return ms;
}

/** Returns the instant of an RFC 3339 time, or the beginning of a date in UTC. */
export function instantFrom(flag: string, text: string): string {
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$/;
  // Date reads the 30th of February as the 2nd of March.
  const isDay = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const exists = !Number.isNaN(isDay.getTime()) && isDay.toISOString().startsWith(text.slice(0, 10));
  const at = form.test(text) && exists ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) {
    throw usageError(`${flag} is ${text}. It must be a time such as 2030-01-01T00:00:00Z, or a date.`);
  }
  return rfc3339(at);
}

/** Returns the end that `--until` or `--for` sets; undefined without both. */
export function endFrom(options: { until?: unknown; for?: unknown }, now: number): string | undefined {
  if (options.until !== undefined && options.for !== undefined) {
    throw usageError("--until and --for are both set. Use one of them.");
  }
  if (options.until !== undefined) return instantFrom("--until", String(options.until));
  if (options.for === undefined) return undefined;
  return rfc3339(Math.floor((now + spanFrom("--for", String(options.for))) / 1000) * 1000);
}
