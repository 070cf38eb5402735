/** Times and spans in flags: what the flags set, and what is said back. */
import { rfc3339 } from "../core/instants.ts";
import { usageError } from "./exit.ts";
import type { Io } from "./io.ts";
import { shownInstant, shownLocally } from "./shown_instant.ts";
import {
  type Moment,
  readInstant,
  readSpan,
  spanForms,
  type UnreadTime,
  type WrittenInstant,
} from "./written_instant.ts";

/** Returns the present moment in the user's time zone: that of TZ, else the system's. */
export const momentOf = ({ now, env }: Pick<Io, "now" | "env">): Moment => ({ now: now(), zone: zoneOf(env("TZ")) });

function zoneOf(tz: string | undefined): string {
  // As in the C library: a colon, or a path of the zone's file, may precede the name. Empty: UTC.
  const name = tz?.replace(/^:/, "").replace(/^\/.*\/zoneinfo\//, "");
  for (const zone of [name === "" ? "UTC" : name, Temporal.Now.timeZoneId()]) {
    if (zone === undefined || zone === "Etc/Unknown") continue;
    try {
      return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone).timeZoneId;
    } catch {
      // A rule such as CET-1CEST, which Temporal doesn't know.
    }
  }
  return "UTC";
}

/** Returns the milliseconds of a span such as `30d`, `12h`, `90m` or `2w`. */
export function spanFrom(flag: string, text: string, forms: string = spanForms): number {
  const ms = readSpan(text);
  if (ms === undefined) throw usageError(`${flag} is ${text}. It must be ${forms}.`);
  return ms;
}

/** Returns the instant of a flag. */
export function instantFrom(flag: string, text: string, moment: Moment): WrittenInstant {
  return understood(flag, text, readInstant(text, moment));
}

/**
 * Returns the instant of an end, which must be in the future. A day alone means its beginning.
 *
 * @param from instant from which a span counts, and which the end must follow
 */
export function readEnd(text: string, moment: Moment, from: number = moment.now): WrittenInstant | UnreadTime {
  const { now, zone } = moment;
  const read = readInstant(text, moment, Math.max(from, now));
  if ("problem" in read) return read;
  const { at, form } = read;
  if (at <= now) {
    const isToday = form === "day" &&
      shownLocally(now, zone).startsWith(shownLocally(at, zone).split(" ", 2).join(" "));
    return isToday
      ? { problem: `A day alone means its beginning, which has passed. Write ${text} 24:00 for its end.` }
      : { problem: `It is in the past: ${shownInstant(at, zone)}. Write a later time.` };
  }
  if (at <= from) return { problem: `It must be after the start, ${shownInstant(from, zone)}.` };
  if (form !== "day") return read;
  const included = `The day itself is not included; to include it, write ${text} 24:00.`;
  return { ...read, note: [read.note, included].filter((note) => note !== undefined).join(" ") };
}

/** Returns the end that `--until` or `--for` sets; undefined without both. A span counts from the start. */
export function endFrom(
  { until, for: span }: { until?: unknown; for?: unknown },
  moment: Moment,
  from: number = moment.now,
): WrittenInstant | undefined {
  if (until !== undefined && span !== undefined) {
    throw usageError("--until and --for are both set. Use one of them.");
  }
  if (until !== undefined) return understood("--until", String(until), readEnd(String(until), moment, from));
  if (span === undefined) return undefined;
  spanFrom("--for", String(span));
  return understood("--for", String(span), readEnd(String(span), moment, from));
}

function understood(flag: string, text: string, read: WrittenInstant | UnreadTime): WrittenInstant {
  if ("problem" in read) throw usageError(`${flag} is ${text}. ${read.problem}`);
  return read;
}

/** Start and end of a grant, in epoch milliseconds. */
export interface Period {
  start?: number;
  end?: number;
  /** Other readings of what was written. */
  notes: readonly string[];
}

/** Returns the period that `--start` with `--until` or `--for` sets. */
export function periodFrom(
  options: { start?: string; until?: string; for?: string },
  moment: Moment,
): Period {
  const start = options.start === undefined ? undefined : instantFrom("--start", options.start, moment);
  const end = endFrom(options, moment, start?.at);
  return {
    ...(start ? { start: start.at } : {}),
    ...(end ? { end: end.at } : {}),
    notes: [start?.note, end?.note].filter((note) => note !== undefined),
  };
}

/** Returns the period as a Grant's `validity`. */
export const validityFrom = ({ start, end }: Period): { validFrom?: string; validUntil?: string } => ({
  ...(start === undefined ? {} : { validFrom: rfc3339(start) }),
  ...(end === undefined ? {} : { validUntil: rfc3339(end) }),
});

/** Returns the period in words: `from now until Friday 2026-12-04 00:00 CET (2026-12-03T23:00:00Z)`. */
export function periodInWords({ start, end }: Pick<Period, "start" | "end">, { now, zone }: Moment): string {
  const from = start === undefined
    ? "from now"
    : start <= now
    ? `from now (the start, ${shownInstant(start, zone)}, has passed)`
    : `from ${shownInstant(start, zone)}`;
  return `${from} until ${end === undefined ? "you revoke it" : shownInstant(end, zone)}`;
}
