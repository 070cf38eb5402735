/** Identity of a node of the tailnet that has a connection to the tailnet server. */
import type { WhoIs } from "../../../lib/tailscale/mod.ts";
import { parseRange } from "../address.ts";
import { canonicalName, stableIDForm } from "../realm/identity.ts";

/** A node of the tailnet, as the daemon reports it. What is missing or has another form is empty, and matches nothing. */
export interface TailnetIdentity {
  readonly stableId: string;
  /** MagicDNS name, canonical; empty for a node of another tailnet that this cluster's node is shared with. */
  readonly node: string;
  /** Login of the node's owner; empty for a tagged node, which acts for its tags. */
  readonly login: string;
  /** Sorted. */
  readonly tags: readonly string[];
  /** Capabilities under `keystone.io/cap/` that the policy grants the node on this one, with their arguments. */
  readonly capabilities: Readonly<Record<string, readonly unknown[]>>;
  /** The node's tailnet addresses, without a prefix length. */
  readonly addresses: readonly string[];
  /** True for a node of another tailnet: the login alone doesn't identify its owner. */
  readonly isShared: boolean;
  /** The node's public key, which changes when it logs in again. */
  readonly key: string;
}

const capabilityPrefix = "keystone.io/cap/";
const maxCapabilities = 16;
const maxAddresses = 16;

const loginForm = /^[^\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,253}$/u;
const tagForm = /^tag:[A-Za-z][A-Za-z0-9-]{0,59}$/;
const nodeForm = /^[a-z0-9]([a-z0-9_.-]{0,251}[a-z0-9])?$/;
const keyForm = /^nodekey:[0-9a-f]{64}$/;
/** Login name of every tagged node at Tailscale and Headscale. */
const taggedLogin = "tagged-devices";

/**
 * Reads a node's identity. It never falls back to another one: a field that is missing or has another form is empty, and
 * an empty field matches nothing.
 */
export function identityFrom({ Node, UserProfile, CapMap }: WhoIs): TailnetIdentity {
  const tags = Node.Tags ?? [];
  const login = UserProfile.LoginName ?? "";
  const isSharee = Node.Hostinfo?.ShareeNode === true;
  const node = isSharee ? "" : canonicalName(Node.Name ?? "");
  return {
    stableId: matching(stableIDForm, Node.StableID),
    node: matching(nodeForm, node),
    login: tags.length > 0 || login === taggedLogin ? "" : matching(loginForm, login),
    tags: tags.filter((tag) => tagForm.test(tag)).sort(),
    capabilities: capabilitiesOf(CapMap),
    addresses: (Node.Addresses ?? []).slice(0, maxAddresses).flatMap(addressOf),
    isShared: isSharee || Boolean(Node.Sharer),
    key: matching(keyForm, Node.Key ?? ""),
  };
}

/**
 * Reports whether a later answer about the same StableID is still about the same login of the same node. Connections of
 * a node that has logged in again, or belongs to somebody else, end.
 */
export const isSameLogin = (before: TailnetIdentity, after: TailnetIdentity): boolean =>
  before.stableId === after.stableId && before.key === after.key && before.login === after.login &&
  before.isShared === after.isShared;

const matching = (form: RegExp, text: string): string => form.test(text) ? text : "";

/** Returns the address of a prefix that has only one, as nodes' own addresses are. */
function addressOf(prefix: string): string[] {
  const range = parseRange(prefix);
  return range && range.prefix === (range.address.kind() === "ipv4" ? 32 : 128) ? [range.address.toString()] : [];
}

function capabilitiesOf(capMap: WhoIs["CapMap"]): Record<string, readonly unknown[]> {
  const ours = Object.entries(capMap ?? {}).filter(([name]) => name.startsWith(capabilityPrefix));
  return Object.fromEntries(ours.slice(0, maxCapabilities).map(([name, values]) => [name, values ?? []]));
}
