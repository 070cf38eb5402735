import assert from "node:assert/strict";
import fc from "fast-check";
import { shownInstant } from "./shown_instant.ts";
import { endFrom, instantFrom, momentOf, periodFrom, periodInWords, readEnd, spanFrom } from "./time_flags.ts";
import { readInstant, readSpan } from "./written_instant.ts";

// A Tuesday, 10:02 in Berlin.
const now = Date.parse("2026-12-01T09:02:00Z");
const berlin = { now, zone: "Europe/Berlin" };

/** Returns the instant in UTC, or the problem. */
function read(text: string, moment = berlin): string {
  const end = readEnd(text, moment);
  return "problem" in end ? end.problem : new Date(end.at).toISOString().replace(".000Z", "Z");
}

const ends: Readonly<Record<string, string>> = {
  "friday": "2026-12-03T23:00:00Z",
  "Fri": "2026-12-03T23:00:00Z",
  "on friday": "2026-12-03T23:00:00Z",
  "this friday": "2026-12-03T23:00:00Z",
  "next friday": "2026-12-10T23:00:00Z",
  "next tuesday": "2026-12-07T23:00:00Z",
  "monday": "2026-12-06T23:00:00Z",
  "tomorrow": "2026-12-01T23:00:00Z",
  "friday 18:00": "2026-12-04T17:00:00Z",
  "friday at 6pm": "2026-12-04T17:00:00Z",
  "6:30 pm, Friday": "2026-12-04T17:30:00Z",
  "friday 24:00": "2026-12-04T23:00:00Z",
  "today 24:00": "2026-12-01T23:00:00Z",
  "tomorrow noon": "2026-12-02T11:00:00Z",
  "12am tomorrow": "2026-12-01T23:00:00Z",
  "18:00": "2026-12-01T17:00:00Z",
  "2026-12-04": "2026-12-03T23:00:00Z",
  "2026-12-04 18:00": "2026-12-04T17:00:00Z",
  "2026-12-04T18:00:30": "2026-12-04T17:00:30Z",
  "2027-07-01 18:00": "2027-07-01T16:00:00Z",
  "4 dec": "2026-12-03T23:00:00Z",
  "Dec 4, 18:00": "2026-12-04T17:00:00Z",
  "3 january": "2027-01-02T23:00:00Z",
  "december 4th 2027": "2027-12-03T23:00:00Z",
  "2026-12-04T18:00:00Z": "2026-12-04T18:00:00Z",
  "2026-12-04 18:00 +05:30": "2026-12-04T12:30:00Z",
  "2026-12-04T18:00:00.5Z": "2026-12-04T18:00:00.500Z",
  "5d": "2026-12-06T09:02:00Z",
  "in 2 weeks": "2026-12-15T09:02:00Z",
  "1d 12h": "2026-12-02T21:02:00Z",
  "90 minutes": "2026-12-01T10:32:00Z",
};
for (const [text, instant] of Object.entries(ends)) {
  Deno.test(`until ${text}, on a Tuesday in Berlin: ${instant}`, () => assert.equal(read(text), instant));
}

const refused: Readonly<Record<string, RegExp>> = {
  "": /must be a day/,
  "soon": /must be a day/,
  "5": /must be a day/,
  "next": /must be a day/,
  "next week": /must be a day/,
  "dec": /must be a day/,
  "tuesday": /Today is Tuesday\. Write 2026-12-01 or 2026-12-08/,
  "tuesday 18:00": /Write 2026-12-01 18:00 or 2026-12-08 18:00/,
  "this monday": /has passed\. Write monday/,
  "09:00": /09:00 has passed today\. Write tomorrow 09:00/,
  "today": /Write today 24:00/,
  "2026-12-01": /Write 2026-12-01 24:00/,
  "today 08:00": /in the past: Tuesday 2026-12-01 08:00 CET \(2026-12-01T07:00:00Z\)/,
  "2020-01-01": /in the past/,
  "2020-01-01T00:00:00Z": /in the past/,
  "never": /leave it out/,
  "midnight": /00:00 .* or 24:00/,
  "25:00": /from 00:00 to 24:00/,
  "13pm": /HH:MM/,
  "24:30": /HH:MM/,
  "4.12.2026": /YYYY-MM-DD/,
  "12/4/26": /YYYY-MM-DD/,
  "2026-02-30": /no day of the calendar/,
  "2026-13-01": /no day of the calendar/,
  "30 feb": /no day of the calendar/,
  "2026-02-30T00:00:00Z": /existing date/,
  "1 month": /Write the date, such as 2027-01-01/,
  "2y": /Write the date, such as 2028-12-01/,
  "30s": /shortest unit is m/,
  "1.5d": /whole numbers/,
  "9999-12-31": /more than 100 years/,
  "2126-12-04": /more than 100 years/,
  "-1d": /must be a day/,
  "999999w": /must be a day/,
};
for (const [text, problem] of Object.entries(refused)) {
  Deno.test(`until ${JSON.stringify(text)}: refused with the remedy`, () => assert.match(read(text), problem));
}

Deno.test("a time that clocks skip or show twice: refused with the times around it", () => {
  assert.match(read("2027-03-28 02:30"), /skip 02:30 on 2027-03-28\. Write 01:30 or 03:30/);
  assert.match(
    read("2027-10-31 02:30"),
    /twice on 2027-10-31\. Write 2027-10-31T02:30:00\+02:00 or 2027-10-31T02:30:00\+01:00/,
  );
  assert.equal(read("2027-10-31T02:30:00+01:00"), "2027-10-31T01:30:00Z");
});

Deno.test("a day whose midnight clocks skip: begins with its first instant", () => {
  assert.equal(read("2027-04-30", { now, zone: "Africa/Cairo" }), "2027-04-29T22:00:00Z");
  assert.equal(read("2027-04-29 24:00", { now, zone: "Africa/Cairo" }), "2027-04-29T22:00:00Z");
});

Deno.test("a weekday on that day, and next week's: at the ends of a week", () => {
  const sunday = { now: Date.parse("2026-12-06T12:00:00Z"), zone: "UTC" };
  assert.equal(read("next monday", sunday), "2026-12-07T00:00:00Z");
  assert.equal(read("monday", sunday), "2026-12-07T00:00:00Z");
  assert.equal(read("next sunday", sunday), "2026-12-13T00:00:00Z");
  const monday = { now: Date.parse("2026-12-07T12:00:00Z"), zone: "UTC" };
  assert.equal(read("sunday", monday), "2026-12-13T00:00:00Z");
  assert.equal(read("next sunday", monday), "2026-12-20T00:00:00Z");
});

Deno.test("another reading is possible: a note names it", () => {
  const note = (text: string) => {
    const end = readEnd(text, berlin);
    return "note" in end ? end.note : undefined;
  };
  assert.match(note("next friday")!, /friday alone is 2026-12-04\. The day itself is not included/);
  assert.match(note("friday")!, /to include it, write friday 24:00/);
  assert.equal(note("friday 18:00"), undefined);
  assert.equal(note("5d"), undefined);
});

Deno.test("any local time, written with a blank or a T: the instant that the time zone gives, or a refusal if there is not exactly one", () => {
  const zone = fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC");
  const minute = fc.integer({ min: 1, max: 60 * 24 * 365 * 60 });
  fc.assert(fc.property(zone, minute, fc.constantFrom(" ", "T", " at "), (zone, later, between) => {
    const local = Temporal.Instant.fromEpochMilliseconds(now + later * 60_000).toZonedDateTimeISO(zone)
      .toPlainDateTime().round("minute");
    const text = local.toString({ smallestUnit: "minute" }).replace("T", between);
    const found = readInstant(text, { now, zone });
    const possible = [
      ...new Set(
        (["earlier", "later"] as const).map((disambiguation) => local.toZonedDateTime(zone, { disambiguation }))
          .map(({ epochMilliseconds }) => epochMilliseconds),
      ),
    ];
    if ("problem" in found) assert.equal(possible.length, 2, `${text} in ${zone}: ${found.problem}`);
    else assert.deepEqual([found.at], possible);
  }));
});

Deno.test("an instant that is shown: is read as the same instant, from its UTC part and from the local one", () => {
  const zone = fc.constantFrom("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC");
  fc.assert(fc.property(zone, fc.integer({ min: 1, max: 86_400 * 365 * 90 }), (zone, seconds) => {
    const at = now + seconds * 1000;
    const [, date, time, utc] = /^\w+ (\S+) (\S+) \S+ \((.*)\)$/.exec(shownInstant(at, zone))!;
    assert.equal((readInstant(utc!, { now, zone }) as { at: number }).at, at);
    const local = readInstant(`${date} ${time}`, { now, zone });
    if (!("problem" in local)) assert.equal(local.at, at);
  }));
});

Deno.test("any text: is read or refused with a sentence, without another error", () => {
  const word = fc.constantFrom(
    ..."next this on at in friday today 4 dec 12 2026-12-04 18:00 24:00 6pm 5d weeks + - : . Z T +01:00 -99:99".split(
      " ",
    ),
  );
  const text = fc.oneof(fc.string(), fc.array(word, { maxLength: 5 }).map((words) => words.join(" ")));
  fc.assert(fc.property(text, (text) => {
    const end = readEnd(text, berlin);
    if ("problem" in end) assert.match(end.problem, /\.$/);
    else assert.ok(Number.isFinite(end.at) && end.at > now, text);
  }));
});

Deno.test("any span: is the sum of its parts", () => {
  const units = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
  const part = fc.tuple(fc.integer({ min: 1, max: 500 }), fc.constantFrom("m", "h", "d", "w"));
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
    const sum = parts.reduce((sum, [count, unit]) => sum + count * units[unit as "m"], 0);
    assert.equal(readSpan(parts.map(([count, unit]) => `${count}${unit}`).join("")), sum);
  }));
  assert.equal(spanFrom("--for", "2w"), 14 * 86_400_000);
  for (const wrong of ["", "0d", "1", "1y", "-1d", "1.5d", "30s", "d"]) {
    assert.throws(() => spanFrom("--for", wrong), /--for is/);
  }
});

Deno.test("--start with --for: the span counts from the start; an end before the start is refused", () => {
  const period = periodFrom({ start: "friday 18:00", for: "5d" }, berlin);
  assert.equal(
    periodInWords(period, berlin),
    "from Friday 2026-12-04 18:00 CET (2026-12-04T17:00:00Z) until Wednesday 2026-12-09 18:00 CET (2026-12-09T17:00:00Z)",
  );
  assert.equal(periodFrom({ start: "friday", until: "2w" }, berlin).end, Date.parse("2026-12-17T23:00:00Z"));
  assert.throws(
    () => periodFrom({ start: "friday", until: "tomorrow" }, berlin),
    /--until is tomorrow\. It must be after/,
  );
  // A start that has passed starts the grant at once.
  assert.equal(periodFrom({ start: "today", for: "5d" }, berlin).end, now + 5 * 86_400_000);
  assert.match(
    periodInWords(periodFrom({ start: "today" }, berlin), berlin),
    /^from now \(the start.*until you revoke it$/,
  );
  assert.throws(() => endFrom({ until: "friday", for: "5d" }, berlin), /--until and --for are both set/);
  assert.throws(() => instantFrom("--start", "soon", berlin), /^Exit: --start is soon\./);
});

Deno.test("time zone: from TZ in each of its forms, else the system's", () => {
  const zone = (tz: string | undefined) => momentOf({ now: () => now, env: () => tz }).zone;
  assert.equal(zone("Europe/Berlin"), "Europe/Berlin");
  assert.equal(zone(":Europe/Berlin"), "Europe/Berlin");
  assert.equal(zone("/usr/share/zoneinfo/Europe/Berlin"), "Europe/Berlin");
  assert.equal(zone(""), "UTC");
  assert.doesNotThrow(() => shownInstant(now, zone("Nowhere/Land")));
  assert.doesNotThrow(() => shownInstant(now, zone(undefined)));
});

Deno.test("an instant is shown in local time, with the zone's letters or its offset, and in UTC", () => {
  assert.equal(shownInstant(now, "Europe/Berlin"), "Tuesday 2026-12-01 10:02 CET (2026-12-01T09:02:00Z)");
  assert.equal(shownInstant(now, "America/New_York"), "Tuesday 2026-12-01 04:02 EST (2026-12-01T09:02:00Z)");
  assert.equal(shownInstant(now, "America/Sao_Paulo"), "Tuesday 2026-12-01 06:02 -03:00 (2026-12-01T09:02:00Z)");
  assert.equal(shownInstant(now + 30_000, "UTC"), "Tuesday 2026-12-01 09:02:30 UTC (2026-12-01T09:02:30Z)");
});
