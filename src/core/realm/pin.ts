/** The pin's memory: which node was trusted, and which were before it. */
import type { RealmStatus } from "../../api/mod.ts";

const mostRemembered = 8;

/**
 * What the status says of the pin.
 *
 * @param pinned StableID that the annotation pins, or is about to; undefined while it is released: the last is remembered
 */
export function trustShown(
  { trustedNode: last, trustedBefore = [] }: RealmStatus,
  pinned: string | undefined,
): Pick<RealmStatus, "trustedNode" | "trustedBefore"> {
  const trustedNode = pinned ?? last;
  if (trustedNode === undefined) return {};
  const before = [...trustedBefore, ...(last === undefined ? [] : [last])].filter((id) => id !== trustedNode);
  const trusted = [...new Set(before)].slice(-mostRemembered);
  return { trustedNode, ...(trusted.length > 0 ? { trustedBefore: trusted } : {}) };
}
