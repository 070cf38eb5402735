/** Observation of a realm on the tailnet: the node with its name, and whether that node is trusted. */
import type { ConnectionState } from "../../api/mod.ts";
import { conditionOf, type DesiredCondition } from "../conditions.ts";
import type { RealmFacts } from "../facts.ts";
import { rfc3339 } from "../instants.ts";
import { isNamed, isVerified } from "./identity.ts";
import { expiredMessage, isExpired } from "./key.ts";
import { isAnswering } from "./path.ts";
import type { NodeFacts, RealmWorld } from "./realm_world.ts";

type Said = Omit<DesiredCondition, "type">;

/** Reasons of the state Error: an admin has to act. */
export const realmErrorReasons = [
  "NameConflict",
  "DuplicateIdentity",
  "NodeNotFound",
  "SeveralNodes",
  "NodeReplaced",
  "KeyExpired",
] as const;

type RealmErrorReason = (typeof realmErrorReasons)[number];

/** Result of one observation. */
export interface Observation {
  state: ConnectionState;
  reachable: Said;
  verified: Said;
  /**
   * The realm's node; null: there is none; undefined: the tailnet can't be queried, and the known node may still be it.
   */
  node?: NodeFacts | null;
  /** StableID to pin. */
  pin?: string;
}

/** Observes the realm by ordered checks, of which the first that applies decides. */
export function observationOf(world: RealmWorld): Observation {
  const { realm, rivals, conflict, tailnet } = world;
  const { identity } = realm.spec;
  if (conflict !== undefined) return refused("NameConflict", conflict);
  if (rivals.length > 0) return refused("DuplicateIdentity", duplicateMessage(realm, rivals));
  if (tailnet.kind === "none") {
    return unasked(realm, "Unknown", {
      status: "Unknown",
      reason: "NoTailnet",
      message: "The operator runs without a tailnet. To watch this realm, set TS_SOCKET to the socket of a tailscaled.",
    });
  }
  if (tailnet.kind === "unavailable") {
    const { reason, message } = tailnet;
    return unasked(realm, reason === "Starting" ? "Connecting" : "Unknown", {
      status: "Unknown",
      reason,
      message: `${message}; grants stay in force.`,
    });
  }
  const { nodes, trustedElsewhere } = tailnet;
  if (nodes.length === 0 && trustedElsewhere === undefined && !tailnet.current) {
    return unasked(realm, "Unknown", {
      status: "Unknown",
      reason: "ControlServerUnreachable",
      message:
        `tailscaled knows no node named ${identity}, but it is not connected to its control server; grants stay ` +
        "in force.",
    });
  }
  if (nodes.length === 0) {
    return refused(
      "NodeNotFound",
      trustedElsewhere === undefined
        ? `No node of the tailnet is named ${identity}. Compare with \`tailscale status\`, or join the node to the tailnet.`
        : `No node of the tailnet is named ${identity}; the trusted node ${realm.trustedNode} is now named ` +
          `${trustedElsewhere}. Rename it back, or set spec.identity to the new name.`,
    );
  }
  if (realm.trustedNode === undefined && nodes.length > 1) {
    return refused(
      "SeveralNodes",
      `Several nodes are named ${identity} (${idsOf(nodes)}). Choose one: ${trust(realm, "ID", "")}`,
    );
  }
  const node = realm.trustedNode === undefined
    ? nodes[0]!
    : nodes.find(({ stableID }) => stableID === realm.trustedNode);
  if (!node) return refused("NodeReplaced", replacedMessage(realm, nodes, trustedElsewhere));
  const [state, reachable] = reachability(world, node);
  return {
    state,
    reachable,
    verified: {
      status: "True",
      reason: "NodePinned",
      message: `Node ${node.stableID} is named ${identity}.`,
    },
    node,
    ...(realm.trustedNode === undefined ? { pin: node.stableID } : {}),
  };
}

/**
 * Time for which a node must be missing from the tailnet to count as gone, because one observation may be too early.
 */
const settleMs = 500;

/**
 * Returns the time until which a missing node doesn't count as gone; -Infinity if it isn't missing or already counts.
 */
export function doubtfulUntil({ realm, rivals, tailnet, missingSince }: RealmWorld): number {
  const isMissing = tailnet.kind === "running" && tailnet.current && tailnet.nodes.length === 0 &&
    tailnet.trustedElsewhere === undefined && rivals.length === 0 && isVerified(realm);
  return isMissing && missingSince !== undefined ? missingSince + settleMs : -Infinity;
}

/** Returns the observation if no node can be trusted until a person acts. */
const refused = (reason: RealmErrorReason, message: string): Observation => {
  const said = saidOf(reason, message);
  return { state: "Error", reachable: said, verified: said, node: null };
};

const saidOf = (reason: RealmErrorReason, message: string): Said => ({ status: "False", reason, message });

/** Returns the observation if the tailnet can't be queried: a verified node stays so for the same identity and pin. */
function unasked(realm: RealmFacts, state: ConnectionState, unknown: Said): Observation {
  const { node, conditions } = realm.status;
  const before = conditionOf({ conditions }, "IdentityVerified");
  const isSame = node !== undefined && node.stableID === realm.trustedNode && isNamed(node.name, realm.spec.identity);
  if (before?.status === "True" && isSame) {
    const { status, reason, message } = before;
    return { state, reachable: unknown, verified: { status, reason, message } };
  }
  const verified = before?.status === "True"
    ? {
      ...unknown,
      message:
        `${unknown.message} The node verified before does not match the present identity and pin, so nothing is ` +
        "opened for it.",
    }
    : unknown;
  return { state, reachable: unknown, verified, node: null };
}

const idsOf = (nodes: readonly NodeFacts[]): string => nodes.map(({ stableID }) => stableID).join(", ");

const trust = ({ name }: RealmFacts, stableID: string, flag = " --overwrite"): string =>
  `kubectl annotate${flag} realm ${name} keystone.io/trusted-node=${stableID}`;

function duplicateMessage({ name, spec }: RealmFacts, rivals: readonly string[]): string {
  const all = [name, ...rivals].sort();
  return `Realms ${all.slice(0, -1).join(", ")} and ${
    all.at(-1)
  } have the same identity, ${spec.identity}, so the node ` +
    "is trusted for none of them. Delete all but one, or give each its own spec.identity.";
}

function replacedMessage(
  realm: RealmFacts,
  nodes: readonly NodeFacts[],
  trustedElsewhere: string | undefined,
): string {
  const [trusted, ids] = [realm.trustedNode!, idsOf(nodes)];
  const where = trustedElsewhere === undefined
    ? `${trusted} is no longer on the tailnet`
    : `${trusted} is now named ${trustedElsewhere}`;
  return `Another node (${ids}) has taken the name ${realm.spec.identity} from ${trusted}; nothing is opened for it. ` +
    `${where}. To trust the new node: ${trust(realm, nodes[0]!.stableID)}`;
}

function reachability({ realm, ping, now }: RealmWorld, node: NodeFacts): [ConnectionState, Said] {
  const { dnsName } = node;
  if (node.self) return ["Connected", { status: "True", reason: "Self", message: "This is the operator's own node." }];
  if (isExpired(node, now)) return ["Error", saidOf("KeyExpired", expiredMessage(node))];
  if (!node.online) {
    return ["Disconnected", {
      status: "False",
      reason: "Offline",
      message: `${dnsName} is offline; grants stay in force.`,
    }];
  }
  // The result of a previous process applies until this one has its own.
  return (isAnswering(ping, node.stableID) ?? !isShownSilent(realm, node))
    ? ["Connected", { status: "True", reason: "Online", message: `${dnsName} is online.` }]
    : ["Connected", {
      status: "False",
      reason: "NoAnswer",
      message: `${dnsName} is online according to the control server, but doesn't answer pings; grants stay in force.`,
    }];
}

const isShownSilent = ({ status: { node, conditions } }: RealmFacts, { stableID }: NodeFacts): boolean =>
  node?.stableID === stableID && conditionOf({ conditions }, "Reachable")?.reason === "NoAnswer";

/** Formats an instant from the control server as Kubernetes does. */
export const wholeSeconds = (instant: string): string => rfc3339(Date.parse(instant));
