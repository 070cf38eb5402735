/** Events about objects, by UID: those of a deleted object of the same name are not its own. */
import { excerpt, type ReportFinding } from "./finding.ts";
import { relative } from "./relative_time.ts";
import type { ReportedEvent, ReportedObject, ReportWorld } from "./reported_objects.ts";

export const eventTime = ({ series, lastTimestamp, eventTime, metadata }: ReportedEvent): string =>
  series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? "";

type Events = Pick<ReportWorld, "events">;

/** Cache: with many pods, each looks up its own events. */
const byObject = new WeakMap<readonly ReportedEvent[], ReadonlyMap<string, ReportedEvent[]>>();

function eventsByObject(events: readonly ReportedEvent[]): ReadonlyMap<string, ReportedEvent[]> {
  const known = byObject.get(events);
  if (known) return known;
  const index = Map.groupBy(events, ({ involvedObject }) => involvedObject?.uid ?? "");
  byObject.set(events, index);
  return index;
}

/** Returns the events about an object with one of the reasons, the latest first. */
export function eventsOf({ metadata }: ReportedObject, { events }: Events, ...reasons: string[]): ReportedEvent[] {
  return (eventsByObject(events).get(metadata?.uid || "none") ?? [])
    .filter(({ reason = "" }) => reasons.length === 0 || reasons.includes(reason))
    .sort((a, b) => Date.parse(eventTime(b)) - Date.parse(eventTime(a)));
}

/** Returns the last event of a reason for failure, unless one of success came later. Times are whole seconds. */
export function lastFailure(
  object: ReportedObject,
  world: Events,
  failures: readonly string[],
  success: string,
): ReportedEvent | undefined {
  const [failed] = eventsOf(object, world, ...failures);
  const [succeeded] = eventsOf(object, world, success);
  return failed && (!succeeded || Date.parse(eventTime(failed)) >= Date.parse(eventTime(succeeded)))
    ? failed
    : undefined;
}

/** Number of events of an object in the chain. */
const most = 3;

/** Returns the latest warnings about an object, one for each reason, without those whose message is given already. */
export function warningsAbout(
  object: ReportedObject,
  world: Pick<ReportWorld, "events" | "now">,
  said: readonly string[] = [],
): ReportFinding[] {
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
