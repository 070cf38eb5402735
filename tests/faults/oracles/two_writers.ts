/** No two write: what the API server's audit log has of those who don't hold the Lease. */

/** The user agent of a write that was on the wire when its operator was stopped: no operator can take it back. */
export const onTheWire = "on-the-wire";

/** What is read of an event of the audit log. */
interface Audited {
  verb: string;
  user: { username: string };
  userAgent?: string;
  objectRef?: { resource: string; subresource?: string; namespace?: string; name?: string };
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  responseStatus?: { code?: number };
}

const reads = new Set(["get", "list", "watch"]);

/**
 * Writes of these users that came in while another of them held the Lease, by the lines of the log. Who has last written
 * the Lease holds it: one that doesn't hold it any more is refused, since each write of it names the version before.
 */
export function writesByOthers(lines: readonly string[], users: readonly string[]): string[] {
  const writes = lines.filter((line) => users.some((user) => line.includes(`"${user}"`)))
    .map((line) => JSON.parse(line) as Audited)
    .filter(({ user, verb, responseStatus }) =>
      users.includes(user.username) && !reads.has(verb) && (responseStatus?.code ?? 500) < 300
    );
  const terms = writes.filter(({ objectRef }) => objectRef?.resource === "leases")
    .sort((a, b) => a.stageTimestamp < b.stageTimestamp ? -1 : 1);
  return writes.flatMap(({ verb, user: { username }, userAgent, objectRef, requestReceivedTimestamp: at }) => {
    if (objectRef?.resource === "leases" || userAgent === onTheWire) return [];
    const holder = terms.findLast(({ stageTimestamp }) => stageTimestamp <= at)?.user.username ?? "nobody";
    const { resource, subresource, name } = objectRef ?? {};
    const what = [verb, resource, subresource, name].filter((part) => part !== undefined).join(" ");
    return holder === username ? [] : [`${username} wrote at ${at} while ${holder} held the Lease: ${what}`];
  });
}
