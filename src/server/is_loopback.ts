import ipaddr from "ipaddr.js";

/**
 * Whether what listens at this address can be reached by 127.0.0.1 or ::1. Of a name nobody knows to what it leads, so it
 * counts as one that can.
 */
export function isLoopback(hostname: string | undefined): boolean {
  if (hostname === undefined || !ipaddr.isValid(hostname)) return true;
  return ["loopback", "unspecified"].includes(ipaddr.process(hostname).range());
}
