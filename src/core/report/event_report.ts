/** Events about objects, by UID: those of a deleted object of the same name are not its own. */
import { excerpt, type Finding } from "./finding.ts";
import { relative } from "./relative_time.ts";
import type { ReportedEvent, ReportedObject, ReportWorld } from "./reported_objects.ts";

export const eventTime = ({ series, lastTimestamp, eventTime, metadata }: ReportedEvent): string =>
  series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? "";

/** Returns the events about an object with one of the reasons, the latest first. */
export function eventsOf(
  object: ReportedObject,
  { events }: Pick<ReportWorld, "events">,
  ...reasons: string[]
): ReportedEvent[] {
  const uid = object.metadata?.uid;
  return events
    .filter((event) =>
      uid !== undefined && event.involvedObject?.uid === uid &&
      (reasons.length === 0 || reasons.includes(event.reason ?? ""))
    )
    .sort((a, b) => Date.parse(eventTime(b)) - Date.parse(eventTime(a)));
}

/** Number of events of an object in the chain. */
const most = 3;

/** Returns the latest warnings about an object, one for each reason, without those whose message is given already. */
export function warningsAbout(
  object: ReportedObject,
  world: Pick<ReportWorld, "events" | "now">,
  said: readonly string[] = [],
): Finding[] {
  const reasons = new Set<string>();
  return eventsOf(object, world).filter(({ type, reason = "", message = "" }) => {
    if (type !== "Warning" || reasons.has(reason) || said.some((text) => text.includes(message))) return false;
    reasons.add(reason);
    return true;
  }).slice(0, most).map((event) => {
    const times = event.series?.count ?? event.count ?? 1;
    return {
      what: `event ${event.reason} ${relative(eventTime(event), world.now)}${times > 1 ? `, ${times} times` : ""}`,
      status: "warn",
      message: excerpt(event.message ?? ""),
    };
  });
}
