/** The node's key: warned of before it expires, since only its owner can renew it. */
import type { DesiredCondition } from "../conditions.ts";
import type { NodeFacts } from "./realm_world.ts";

const warnMs = 7 * 86_400_000;

/** Whether the key has expired, as the control server says or by this clock. */
export const isExpired = ({ expired, keyExpiry }: NodeFacts, now: number): boolean =>
  expired || (keyExpiry !== undefined && Date.parse(keyExpiry) <= now);

/** The condition KeyExpiring of a node that is the realm's. */
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
      message: `The key of ${dnsName} expires at ${keyExpiry}, and the realm is out of reach from then on. Its owner ` +
        "renews it there: tailscale up --force-reauth.",
    }
    : { type, status: "False", reason: "KeyValid", message: `The key of ${dnsName} is valid until ${keyExpiry}.` };
}

/** When the verdict changes by itself, epoch milliseconds. */
export function keyWakeAt({ keyExpiry }: NodeFacts, now: number): number | undefined {
  if (keyExpiry === undefined) return undefined;
  const expiry = Date.parse(keyExpiry);
  return [expiry - warnMs, expiry].find((at) => at > now);
}

/** The sentence about a key that has expired. */
export const expiredMessage = ({ dnsName, keyExpiry }: NodeFacts): string =>
  `The key of ${dnsName} has expired${keyExpiry ? ` at ${keyExpiry}` : ""}; its owner has to log in again there: ` +
  "tailscale up --force-reauth.";
