/** What the operator has asked of the API server, as the API server's own audit log tells it. */
import { operatorName } from "../src/core/names.ts";

interface AuditEvent {
  verb: string;
  userAgent?: string;
  objectRef?: { resource?: string; subresource?: string; name?: string };
  responseStatus?: { code?: number };
}

/** Requests by verb and resource, such as `patch grants/status`. */
export type Requests = Record<string, number>;

/** A mark in the audit log, to count from. */
export async function auditMark(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

/** The operator's requests since the mark; those of its Lease are left out. Watches count when they end. */
export async function requestsSince(path: string, mark: number): Promise<Requests> {
  using file = await Deno.open(path);
  await file.seek(mark, Deno.SeekMode.Start);
  const text = await new Response(file.readable).text();
  const requests: Requests = {};
  for (const line of text.split("\n")) {
    if (!line.includes(`"${operatorName}/`)) continue;
    const { verb, userAgent, objectRef: { resource, subresource } = {} } = JSON.parse(line) as AuditEvent;
    if (!userAgent?.startsWith(`${operatorName}/`) || resource === "leases") continue;
    const what = `${verb} ${resource ?? "other"}${subresource ? `/${subresource}` : ""}`;
    requests[what] = (requests[what] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(requests).sort());
}

const isRead = (what: string): boolean => /^(get|list) /.test(what);
const isWatch = (what: string): boolean => what.startsWith("watch ");

const total = (requests: Requests, counted: (what: string) => boolean): number =>
  Object.entries(requests).reduce((sum, [what, count]) => counted(what) ? sum + count : sum, 0);

export const reads = (requests: Requests): number => total(requests, isRead);
/** All writes, events included. */
export const writes = (requests: Requests): number => total(requests, (what) => !isRead(what) && !isWatch(what));
