/** Answer to a node of the tailnet that acts for nobody. */
import { realmCapability } from "../../api/mod.ts";
import type { Caller } from "./caller.ts";
import type { TailnetIdentity } from "./tailnet_identity.ts";

/** Returns the sentences for a stranger: the node, and what would let it in. They name no realm. */
export function strangerSentence({ identity }: Pick<Caller, "identity">): string {
  if (identity.stableId === "" || identity.addresses.length === 0) {
    return "The tailnet reports no identity for this node, so it acts for no realm. Log it in to the tailnet again.";
  }
  return `${nodeWords(identity)} acts for no realm here. ${remedyFor(identity)}`;
}

function nodeWords({ node, stableId, login, tags, isShared }: TailnetIdentity): string {
  const owner = tags.length > 0 ? `tags ${tags.join(", ")}` : login === "" ? "no login" : `login ${login}`;
  const name = node === "" ? stableId : `${node} (${stableId})`;
  return `Node ${name} with ${owner}${isShared ? ", of another tailnet," : ""}`;
}

function remedyFor({ stableId, login, tags, isShared }: TailnetIdentity): string {
  const capability = `the tailnet's policy can grant it ${realmCapability} with the realm's name`;
  const entry = tags.length > 0
    ? isShared ? undefined : `tag: ${tags[0]}`
    : login === ""
    ? undefined
    : `login: ${login}${isShared ? `, stableID: ${stableId}` : ""}`;
  if (entry === undefined) return `To let it in, ${capability}.`;
  return `To let it in, the lender adds {${entry}} to spec.people of your Realm, or ${capability}.`;
}
