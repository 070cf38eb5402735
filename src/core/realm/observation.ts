/** Whom the tailnet shows under a realm's name, and whether that is the one who is trusted. */
import type { ConnectionState } from "../../api/mod.ts";
import { conditionOf, type DesiredCondition } from "../conditions.ts";
import type { RealmFacts } from "../facts.ts";
import { rfc3339 } from "../instants.ts";
import { isNamed, isVerified } from "./identity.ts";
import { expiredMessage, isExpired } from "./key.ts";
import { isAnswering } from "./path.ts";
import type { NodeFacts, RealmWorld } from "./realm_world.ts";

type Said = Omit<DesiredCondition, "type">;

/** What one look at the tailnet says. */
export interface Observation {
  state: ConnectionState;
  reachable: Said;
  verified: Said;
  /** The realm's node; null: nobody is; undefined: nobody can be asked, and what was known may be so still. */
  node?: NodeFacts | null;
  /** StableID to pin. */
  pin?: string;
}

/** Looks: ordered checks, of which the first that applies says it all. */
export function observationOf(world: RealmWorld): Observation {
  const { realm, rivals, conflict, tailnet } = world;
  const { identity } = realm.spec;
  if (conflict !== undefined) return refused("NameConflict", conflict);
  if (rivals.length > 0) return refused("DuplicateIdentity", duplicateMessage(realm, rivals));
  if (tailnet.kind === "none") {
    return unasked(realm, "Unknown", {
      status: "Unknown",
      reason: "NoTailnet",
      message: "The operator runs without a tailnet; set TS_SOCKET to the socket of a tailscaled to watch this realm.",
    });
  }
  if (tailnet.kind === "unavailable") {
    const { reason, message } = tailnet;
    return unasked(realm, reason === "Starting" ? "Connecting" : "Unknown", {
      status: "Unknown",
      reason,
      message: `${message}; grants stay as they are.`,
    });
  }
  const { nodes, trustedElsewhere } = tailnet;
  if (nodes.length === 0 && trustedElsewhere === undefined && !tailnet.current) {
    return unasked(realm, "Unknown", {
      status: "Unknown",
      reason: "ControlServerUnreachable",
      message: `tailscaled shows no node named ${identity}, but is not connected to its control server, which would ` +
        "know; grants stay as they are.",
    });
  }
  if (nodes.length === 0) {
    return refused(
      "NodeNotFound",
      trustedElsewhere === undefined
        ? `No node of the tailnet is named ${identity}; compare with \`tailscale status\`, or let that node join.`
        : `No node of the tailnet is named ${identity}: the trusted one, ${realm.trustedNode}, is named ` +
          `${trustedElsewhere} now. Name it as before, or set spec.identity to that.`,
    );
  }
  if (realm.trustedNode === undefined && nodes.length > 1) {
    return refused(
      "SeveralNodes",
      `Several nodes are named ${identity} (${idsOf(nodes)}); choose one: ${trust(realm, "ID", "")}`,
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
      message: `The node ${node.stableID} answers to ${identity}.`,
    },
    node,
    ...(realm.trustedNode === undefined ? { pin: node.stableID } : {}),
  };
}

/** How long a node that is nowhere on the tailnet has to be missing to be taken for gone: one look may be too early. */
const settleMs = 500;

/** Until when it is too early to say anything of a realm whose node was there; -Infinity: it isn't. */
export function doubtfulUntil({ realm, rivals, tailnet, missingSince }: RealmWorld): number {
  const isMissing = tailnet.kind === "running" && tailnet.current && tailnet.nodes.length === 0 &&
    tailnet.trustedElsewhere === undefined && rivals.length === 0 && isVerified(realm);
  return isMissing && missingSince !== undefined ? missingSince + settleMs : -Infinity;
}

/** Nobody is trusted with the realm as it is: a person has to act. */
const refused = (reason: string, message: string): Observation => {
  const said: Said = { status: "False", reason, message };
  return { state: "Error", reachable: said, verified: said, node: null };
};

/** Who the node is stays known while nobody can be asked, as long as it is asked for the same identity and the same pin. */
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
      message: `${unknown.message} The node that was verified is not of the present identity and pin, so nothing is ` +
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
  } have one identity, ${spec.identity}, so none of them ` +
    "is trusted with its node. Delete all but one, or give each its own spec.identity.";
}

function replacedMessage(
  realm: RealmFacts,
  nodes: readonly NodeFacts[],
  trustedElsewhere: string | undefined,
): string {
  const [trusted, ids] = [realm.trustedNode!, idsOf(nodes)];
  const where = trustedElsewhere === undefined
    ? `${trusted} is not on the tailnet any more`
    : `${trusted} is named ${trustedElsewhere} now`;
  return `Another node (${ids}) has taken the name ${realm.spec.identity} from ${trusted}; nothing is opened for it. ` +
    `${where}. If the other is right: ${trust(realm, nodes[0]!.stableID)}`;
}

function reachability({ realm, ping, now }: RealmWorld, node: NodeFacts): [ConnectionState, Said] {
  const { dnsName } = node;
  if (node.self) return ["Connected", { status: "True", reason: "Self", message: "This is the operator's own node." }];
  if (isExpired(node, now)) return ["Error", { status: "False", reason: "KeyExpired", message: expiredMessage(node) }];
  if (!node.online) {
    return ["Disconnected", {
      status: "False",
      reason: "Offline",
      message: `${dnsName} is offline; grants stay as they are.`,
    }];
  }
  // What a process before this one has found stands until this one knows.
  return (isAnswering(ping, node.stableID) ?? !isShownSilent(realm, node))
    ? ["Connected", { status: "True", reason: "Online", message: `${dnsName} is online.` }]
    : ["Connected", {
      status: "False",
      reason: "NoAnswer",
      message: `${dnsName} is online, says the control server, but doesn't answer pings; grants stay as they are.`,
    }];
}

const isShownSilent = ({ status: { node, conditions } }: RealmFacts, { stableID }: NodeFacts): boolean =>
  node?.stableID === stableID && conditionOf({ conditions }, "Reachable")?.reason === "NoAnswer";

/** An instant as the control server gives it, in the form that Kubernetes writes. */
export const wholeSeconds = (instant: string): string => rfc3339(Date.parse(instant));
