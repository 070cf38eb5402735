/** Instants for people: in their time zone, with the instant in UTC as objects have it. */
import { rfc3339 } from "../core/instants.ts";

/** Locales that know different time zones by their letters, such as CET and EST. */
const locales = ["en-US", "en-GB", "en-CA", "en-AU", "en-NZ", "en-IN", "en-ZA"];

/** Returns `Friday 2026-12-04 00:00 CET (2026-12-03T23:00:00Z)`. */
export const shownInstant = (at: number, zone: string): string => `${shownLocally(at, zone)} (${rfc3339(at)})`;

/** Returns `Friday 2026-12-04 00:00 CET`; seconds only if there are any. */
export function shownLocally(at: number, zone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
  const weekday = local.toLocaleString("en-US", { weekday: "long" });
  const time = local.toPlainTime().toString({ smallestUnit: local.second === 0 ? "minute" : "second" });
  return `${weekday} ${local.toPlainDate()} ${time} ${zoneLetters(at, zone)}`;
}

/** Returns CET, EST or the like; the offset, such as +05:45, for zones without letters. */
function zoneLetters(at: number, zone: string): string {
  for (const locale of locales) {
    const letters = new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "short" }).formatToParts(at)
      .find(({ type }) => type === "timeZoneName")!.value;
    if (/^[A-Z]{2,5}$/.test(letters)) return letters;
  }
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).offset;
}
