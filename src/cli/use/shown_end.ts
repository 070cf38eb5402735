/** The end of a guest's access, in words. */
import { spanText } from "../../core/report/relative_time.ts";
import { shownInstant } from "../shown_instant.ts";
import type { Moment } from "../written_instant.ts";

/** Returns `until Friday 2026-12-04 …, in 3 d`. */
export const shownEnd = (ends: string | undefined, { now, zone }: Moment): string =>
  ends === undefined
    ? "until the lender revokes it"
    : `until ${shownInstant(Date.parse(ends), zone)}, in ${spanText(Math.max(0, Date.parse(ends) - now))}`;
