import ipaddr from "ipaddr.js";

/**
 * Reports whether a server on this address can be reached at 127.0.0.1 or ::1. A host name counts as reachable,
 * because its address is unknown.
 */
export function isLoopback(hostname: string | undefined): boolean {
  if (hostname === undefined || !ipaddr.isValid(hostname)) return true;
  return ["loopback", "unspecified"].includes(ipaddr.process(hostname).range());
}
