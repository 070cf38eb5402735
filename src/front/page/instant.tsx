/** Instants in words, with the exact time for those who point at it and for programs. */
import { relative } from "../../core/report/relative_time.ts";

/** One instant: relative to now, with the UTC time beside it if `isExact`. */
export function Instant({ at, now, isExact = false }: { at: string; now: string; isExact?: boolean }) {
  const shown = utc(at);
  return (
    <time datetime={at} title={shown}>
      {isExact ? shown : `${relative(at, Date.parse(now))} (${shown})`}
    </time>
  );
}

/** Returns `Fri 2026-12-04 00:00 UTC`; a text that is no instant stays as it is. */
function utc(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const day = date.toLocaleString("en-US", { weekday: "short", timeZone: "UTC" });
  const text = date.toISOString();
  return `${day} ${text.slice(0, 10)} ${text.slice(11, date.getUTCSeconds() === 0 ? 16 : 19)} UTC`;
}
