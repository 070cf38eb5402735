/** Instants and spans as people write them: `friday 18:00`, `2026-12-04`, `5d`, RFC 3339. Strict: nothing is guessed. */
import { rfc3339 } from "../core/instants.ts";

/** The moment and place of a person who writes a time. */
export interface Moment {
  /** Epoch milliseconds. */
  now: number;
  /** Time zone, such as Europe/Berlin. */
  zone: string;
}

/** A time that was understood, in epoch milliseconds. */
export interface WrittenInstant {
  at: number;
  /** Form in which it was written: with its offset from UTC, as a span, as a day without a time, or in local time. */
  form: "exact" | "span" | "day" | "local";
  /** Sentence that names another reading. */
  note?: string;
}

/** A text that was not understood: a sentence with the remedy. */
export interface UnreadTime {
  problem: string;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const units: Readonly<Record<string, number>> = { m: minute, h: hour, d: day, w: 7 * day };

/** A hundred years: anything further away is a slip of the pen. */
const farthest = 36_525 * day;

/** Forms of a span, for messages. */
export const spanForms = "a span such as 30d, 12h, 90m or 2w";
/** Forms of an instant, for messages. */
export const instantForms =
  "a day (friday, 2026-12-04), a time (friday 18:00, 2026-12-04 18:00), a span (5d, 2w) or RFC 3339";

const part = String.raw`(\d{1,6}) ?(m|mins?|minutes?|h|hours?|d|days?|w|weeks?)`;
const spanPattern = new RegExp(`^(?:in )?${part}(?: ?${part})?(?: ?${part})?$`);

/** Returns the milliseconds of a span; undefined if the text isn't one. */
export function readSpan(text: string): number | undefined {
  const [, ...parts] = spanPattern.exec(plain(text)) ?? [];
  let sum = 0;
  for (let index = 0; index < parts.length; index += 2) {
    if (parts[index] !== undefined) sum += Number(parts[index]) * units[parts[index + 1]![0]!]!;
  }
  return sum > 0 && sum <= farthest ? sum : undefined;
}

/** Lowercase, with single blanks and without commas. */
const plain = (text: string): string => text.trim().toLowerCase().replace(/[\s,]+/g, " ");

const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const months = [
  ...["january", "february", "march", "april", "may", "june"],
  ...["july", "august", "september", "october", "november", "december"],
];
/** Returns the 1-based number of a name, which may be shortened to three letters or more; 0 if there is none. */
const numberIn = (names: readonly string[], word: string): number =>
  word.length < 3 ? 0 : names.findIndex((name) => name.startsWith(word)) + 1;

/**
 * Returns the instant that a person means.
 *
 * @param from instant from which a span counts; default: now
 */
export function readInstant(text: string, moment: Moment, from: number = moment.now): WrittenInstant | UnreadTime {
  const exact = exactInstant(text.trim());
  if (exact !== undefined) return exact;
  const words = plain(text);
  const span = readSpan(words);
  if (span !== undefined) return within(Math.floor((from + span) / 1000) * 1000, "span", moment);
  const slip = slipOf(words, moment);
  if (slip !== undefined) return { problem: slip };
  return localInstant(words, moment);
}

/** Reads a date and time with an offset from UTC; undefined for other forms. */
function exactInstant(text: string): WrittenInstant | UnreadTime | undefined {
  const form = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?([Zz]|UTC|GMT|[+-]\d{2}:\d{2})$/;
  const [, date, time, offset] = form.exec(text) ?? [];
  if (date === undefined) return undefined;
  try {
    const zone = /^[+-]/.test(offset!) ? offset! : "Z";
    return { at: Temporal.Instant.from(`${date}T${time}${zone}`).epochMilliseconds, form: "exact" };
  } catch {
    return { problem: `It must be an existing date and time, such as ${rfc3339(Date.UTC(2030, 0, 1))}.` };
  }
}

/** Returns the remedy for forms that have no single meaning. */
function slipOf(words: string, { now, zone }: Moment): string | undefined {
  const numbers = /^(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})(?: .*)?$/.exec(words);
  if (numbers && !/^\d{4}-\d{2}-\d{2}/.test(words)) return "Write the date as YYYY-MM-DD, such as 2026-12-04.";
  const long = /^(?:in )?(\d{1,4}) ?(mo|months?|y|years?)$/.exec(words);
  if (long) {
    const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone).toPlainDate();
    const count = Number(long[1]);
    const then = today.add(long[2]!.startsWith("m") ? { months: count } : { years: count });
    return `Months and years have no fixed length. Write the date, such as ${then}, or a number of days.`;
  }
  if (/^(never|forever|none|no end)$/.test(words)) return "For no end, leave it out (keystone grant extend: --no-end).";
  if (/\bmidnight\b/.test(words)) return "Write 00:00 for the beginning of a day, or 24:00 for its end.";
  if (/^\d+(?:\.\d+)? ?(?:s|secs?|seconds?)$/.test(words)) return "The shortest unit is m, for minutes.";
  if (/^\d+\.\d+ ?[a-z]+$/.test(words)) return "Use whole numbers, such as 36h instead of 1.5d.";
  return undefined;
}

/** Reads a day, a time of the day, or both, in local time. */
function localInstant(words: string, moment: Moment): WrittenInstant | UnreadTime {
  const { now, zone } = moment;
  const unreadable = { problem: `It must be ${instantForms}.` };
  const local = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone);
  const today = local.toPlainDate();
  const { time, rest } = timeIn(words);
  if (time === null) return { problem: "Write the time as HH:MM, from 00:00 to 24:00." };
  const written = rest === "" ? { date: today } : dayIn(rest, today);
  if (written === undefined || (rest === "" && time === undefined)) return unreadable;
  if ("problem" in written) return written;
  if ("either" in written) {
    const at = (date: Temporal.PlainDate) => time === undefined ? `${date}` : `${date} ${time.text}`;
    return { problem: `Today is ${titled(written.word)}. Write ${written.either.map(at).join(" or ")}.` };
  }
  const { date, note } = written;
  if (time === undefined) {
    const at = date.toZonedDateTime({ timeZone: zone }).epochMilliseconds;
    return { ...within(at, "day", moment), ...(note ? { note } : {}) };
  }
  const moments = instantsOf(date, time, zone);
  if ("problem" in moments) return moments;
  if (rest === "" && moments.at <= now) {
    return { problem: `${time.text} has passed today. Write tomorrow ${time.text}.` };
  }
  return { ...within(moments.at, "local", moment), ...(note ? { note } : {}) };
}

/** Refuses what is further away than a hundred years. */
function within(at: number, form: WrittenInstant["form"], { now }: Moment): WrittenInstant | UnreadTime {
  if (at - now <= farthest) return { at, form };
  return { problem: "It is more than 100 years away. Check the year." };
}

interface TimeOfDay {
  hour: number;
  minute: number;
  second: number;
  text: string;
}

/** Separates the time of the day from the rest; null: it is no time of a day. */
function timeIn(words: string): { time: TimeOfDay | null | undefined; rest: string } {
  const clock = /(?:^|(?<=\d{4}-\d{2}-\d{2})t| )(?:at )?(\d{1,2})(?::(\d{2}))?(?::(\d{2}))? ?(am|pm)?(?= |$)/g;
  for (const found of words.matchAll(clock)) {
    const [all, hours, minutes, seconds, half] = found;
    // A number alone is no time, but may be the day of a month.
    if (minutes === undefined && half === undefined) continue;
    const rest = `${words.slice(0, found.index)} ${words.slice(found.index + all.length)}`.trim().replace(/ at$/, "");
    const twelve = Number(hours) % 12 + (half === "pm" ? 12 : 0);
    const [hour, minute, second] = [half ? twelve : Number(hours), Number(minutes ?? 0), Number(seconds ?? 0)];
    const isValid = minute < 60 && second < 60 &&
      (half ? Number(hours) >= 1 && Number(hours) <= 12 : hour < 24 || (hour === 24 && minute + second === 0));
    const two = (number: number) => String(number).padStart(2, "0");
    const text = `${two(hour)}:${two(minute)}${seconds === undefined ? "" : `:${two(second)}`}`;
    return { time: isValid ? { hour, minute, second, text } : null, rest };
  }
  const noon = /(?:^| )(?:at )?noon(?: |$)/.exec(words);
  if (noon) {
    return { time: { hour: 12, minute: 0, second: 0, text: "12:00" }, rest: words.replace(noon[0], " ").trim() };
  }
  return { time: undefined, rest: words };
}

type WrittenDay =
  | { date: Temporal.PlainDate; note?: string }
  | { word: string; either: Temporal.PlainDate[] }
  | UnreadTime;

/** Reads a day: `today`, a weekday, a date. */
function dayIn(words: string, today: Temporal.PlainDate): WrittenDay | undefined {
  if (words === "today") return { date: today };
  if (words === "tomorrow") return { date: today.add({ days: 1 }) };
  const iso = /^\d{4}-\d{2}-\d{2}$/.exec(words);
  if (iso) return existing(() => Temporal.PlainDate.from(words), words);
  const [, which, name] = /^(?:on )?(?:(this|next) )?([a-z]+)$/.exec(words) ?? [];
  const weekday = numberIn(weekdays, name ?? "");
  return weekday > 0 ? weekdayIn(weekdays[weekday - 1]!, weekday, which, today) : monthDayIn(words, today);
}

/**
 * `friday` is the first Friday after today. `next friday` is the Friday of the next week, which begins on Monday:
 * somebody who means the first one writes `friday`.
 */
function weekdayIn(
  name: string,
  weekday: number,
  which: string | undefined,
  today: Temporal.PlainDate,
): WrittenDay {
  const ahead = (weekday - today.dayOfWeek + 7) % 7;
  if (which === "next") {
    const date = today.add({ days: weekday - today.dayOfWeek + 7 });
    const first = today.add({ days: ahead || 7 });
    return first.equals(date)
      ? { date }
      : { date, note: `next ${name} is the one of next week; ${name} alone is ${first}.` };
  }
  if (ahead === 0) return { word: name, either: [today, today.add({ days: 7 })] };
  if (which === "this" && weekday < today.dayOfWeek) {
    return { problem: `This week's ${titled(name)} has passed. Write ${name} for the coming one.` };
  }
  return { date: today.add({ days: ahead }) };
}

/** Reads `4 dec`, `dec 4` or `4 december 2026`; without a year it is the next such day. */
function monthDayIn(words: string, today: Temporal.PlainDate): WrittenDay | undefined {
  const [, dayFirst, month1, month2, daySecond, year] =
    /^(?:on )?(?:(\d{1,2})(?:st|nd|rd|th|\.)? (?:of )?([a-z]{3,9})|([a-z]{3,9}) (\d{1,2})(?:st|nd|rd|th)?)(?: (\d{4}))?$/
      .exec(words) ?? [];
  const month = numberIn(months, month1 ?? month2 ?? "");
  if (month === 0) return undefined;
  const day = Number(dayFirst ?? daySecond);
  const inYear = (year: number) =>
    existing(() => Temporal.PlainDate.from({ year, month, day }, { overflow: "reject" }), words);
  if (year !== undefined) return inYear(Number(year));
  const soon = inYear(today.year);
  return "date" in soon && Temporal.PlainDate.compare(soon.date, today) < 0 ? inYear(today.year + 1) : soon;
}

function existing(date: () => Temporal.PlainDate, words: string): WrittenDay {
  try {
    return { date: date() };
  } catch {
    return { problem: `${titled(words)} is no day of the calendar.` };
  }
}

/** Returns the instant of a local time; a problem where clocks skip it, or show it twice. */
function instantsOf(date: Temporal.PlainDate, time: TimeOfDay, zone: string): { at: number } | UnreadTime {
  if (time.hour === 24) {
    return { at: date.add({ days: 1 }).toZonedDateTime({ timeZone: zone }).epochMilliseconds };
  }
  const local = date.toPlainDateTime({ hour: time.hour, minute: time.minute, second: time.second });
  const earlier = local.toZonedDateTime(zone, { disambiguation: "earlier" });
  const later = local.toZonedDateTime(zone, { disambiguation: "later" });
  if (earlier.epochMilliseconds === later.epochMilliseconds) return { at: earlier.epochMilliseconds };
  if (earlier.toPlainDateTime().equals(local)) {
    const exact = [earlier, later].map((each) => each.toString({ timeZoneName: "never" })).join(" or ");
    return { problem: `In ${zone} the clocks show ${time.text} twice on ${date}. Write ${exact}.` };
  }
  const written = [earlier, later].map((each) => each.toPlainTime().toString({ smallestUnit: "minute" })).join(" or ");
  return { problem: `In ${zone} the clocks skip ${time.text} on ${date}. Write ${written}.` };
}

const titled = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);
