/** The nodes of a lender: its tailnet server has two replicas, `NAME` and `NAME-1`. */
import { canonicalName } from "../../core/realm/identity.ts";
import type { TailnetPeer } from "../../tailnet/tailnet_state.ts";

/** A node that may be a lender's. */
export type LenderNode = Pick<TailnetPeer, "dnsName" | "stableID" | "addresses" | "online" | "lastSeen">;

/** A lender in the tailnet. */
export interface FoundLender {
  /** Its nodes, in the order to try. */
  nodes: readonly LenderNode[];
  /** Tags of the nodes, else the login of their owner; undefined if the daemon doesn't tell. */
  owner: string | undefined;
}

/** Result of a search: the lender, or a sentence why there is none. */
export type LenderSearch = FoundLender | { problem: string };

const ownerOf = ({ tags, ownerLogin }: TailnetPeer): string | undefined => tags?.join() ?? ownerLogin;

/**
 * Finds the nodes of a lender by a full or short name.
 *
 * A control server gives `NAME-1` to anybody's node with the host name `NAME`, and `NAME` itself once it is free. So all
 * nodes must have the owner or the tags that an earlier use recorded, and the second one those of the first.
 */
export function lenderNodes(
  nodes: Iterable<TailnetPeer>,
  lender: string,
  { suffix, owner: recorded }: { suffix?: string | undefined; owner?: string | undefined } = {},
): LenderSearch {
  const wanted = canonicalName(lender);
  const [label, ...rest] = wanted.split(".");
  const peers = [...nodes].filter(({ self }) => !self);
  const named = (name: string) =>
    peers.filter(({ dnsName }) =>
      rest.length > 0 ? dnsName === [name, ...rest].join(".") : dnsName.split(".")[0] === name
    );
  const found = own([...named(label!), ...named(`${label}-1`)]);
  const domains = new Set(found.map(({ dnsName }) => dnsName.slice(dnsName.indexOf(".") + 1)));
  if (domains.size > 1) {
    const list = found.map(({ dnsName }) => dnsName).join(", ");
    return { problem: `Several nodes are named ${lender}: ${list}. Use one of these names.` };
  }
  const first = found.find(({ dnsName }) => dnsName.split(".")[0] === label);
  const owner = recorded ?? (first && ownerOf(first));
  const isFirst = (each: TailnetPeer) => each === first && recorded === undefined;
  const same = found.filter((each) => isFirst(each) || (owner !== undefined && ownerOf(each) === owner));
  if (same.length === 0) return { problem: first ? replaced(lender, first, recorded!) : missing(lender, peers) };
  // Nodes that are connected come first, each group with the replica NAME before NAME-1.
  return { nodes: same.toSorted((a, b) => Number(b.online) - Number(a.online)), owner };

  function own(all: TailnetPeer[]): TailnetPeer[] {
    const here = all.filter(({ dnsName }) => suffix !== undefined && dnsName.endsWith(`.${canonicalName(suffix)}`));
    return here.length > 0 ? here : all;
  }
}

const replaced = (lender: string, first: TailnetPeer, recorded: string): string =>
  `The node ${first.dnsName} belongs to ${ownerOf(first) ?? "an unknown owner"} now, and to ${recorded} when it was ` +
  `first used. If that is right, run keystone use ${lender} --stop, then use it again.`;

function missing(lender: string, peers: readonly TailnetPeer[]): string {
  const names = peers.map(({ dnsName }) => dnsName.split(".")[0]!).filter(Boolean).sort();
  const seen = names.length === 0
    ? "This node sees no other node"
    : `Nodes that this node sees: ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`;
  return `No node of the tailnet is named ${lender}. ${seen}. Correct the name, or ask the lender to let your node see ` +
    "theirs in the tailnet's policy.";
}
