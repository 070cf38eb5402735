/** The node's key, with a warning before it expires because only its owner can renew it. */
import type { DesiredCondition } from "../conditions.ts";
import type { NodeFacts } from "./realm_world.ts";

const warnMs = 7 * 86_400_000;

/** Reports whether the key has expired, according to the control server or to this clock. */
export const isExpired = ({ expired, keyExpiry }: NodeFacts, now: number): boolean =>
  expired || (keyExpiry !== undefined && Date.parse(keyExpiry) <= now);

/** Returns the condition KeyExpiring of the realm's node. */
export function keyCondition(node: NodeFacts, now: number): DesiredCondition {
  const { dnsName, keyExpiry } = node;
  const type = "KeyExpiring";
  if (isExpired(node, now)) {
    return { type, status: "True", reason: "KeyExpired", message: expiredMessage(node) };
  }
  if (keyExpiry === undefined) {
    return { type, status: "False", reason: "KeyNeverExpires", message: `The key of ${dnsName} doesn't expire.` };
  }
  return Date.parse(keyExpiry) - now <= warnMs
    ? {
      type,
      status: "True",
      reason: "KeyExpiring",
      message: `The key of ${dnsName} expires at ${keyExpiry}; after that the realm is unreachable. To renew it, its ` +
        "owner runs on that node: tailscale up --force-reauth.",
    }
    : { type, status: "False", reason: "KeyValid", message: `The key of ${dnsName} is valid until ${keyExpiry}.` };
}

/** Returns the time at which the condition changes without another cause, in epoch milliseconds. */
export function keyWakeAt({ keyExpiry }: NodeFacts, now: number): number | undefined {
  if (keyExpiry === undefined) return undefined;
  const expiry = Date.parse(keyExpiry);
  return [expiry - warnMs, expiry].find((at) => at > now);
}

/** Returns the message about an expired key. */
export const expiredMessage = ({ dnsName, keyExpiry }: NodeFacts): string =>
  `The key of ${dnsName} expired${keyExpiry ? ` at ${keyExpiry}` : ""}. To renew it, its owner runs on that node: ` +
  "tailscale up --force-reauth.";
