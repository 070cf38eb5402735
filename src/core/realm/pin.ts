/** History of the pin: the trusted node and its predecessors. */
import type { RealmStatus } from "../../api/mod.ts";

const mostRemembered = 8;

/**
 * Returns the pin's fields of the status.
 *
 * @param pinned StableID that the annotation has or is about to have; undefined: none, and the last one stays
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
