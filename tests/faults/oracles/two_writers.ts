/** Finds writes by operators that didn't hold the Lease, in the API server's audit log. */

/** The user agent of a write that was on the wire when its operator was stopped: no operator can take it back. */
export const onTheWire = "on-the-wire";

/** The fields that are read of an event in the audit log. */
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
 * Returns the writes of these users that arrived while another of them held the Lease, from the lines of the log. The
 * holder is the last user who wrote the Lease: a former holder's write is refused, because each write of the Lease
 * names the version before.
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
