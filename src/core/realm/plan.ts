/** What a Realm's status says: who answers to its name on the tailnet, and whether that is the one who did before. */
import type { ConnectionState, RealmNode, RealmStatus } from "../../api/mod.ts";
import { foldConditions, type Verdict } from "../conditions.ts";
import { rfc3339 } from "../instants.ts";
import type { EventFact, RealmFacts } from "../facts.ts";

/** A node of the tailnet, as far as a Realm cares. */
export interface NodeFacts {
  stableID: string;
  dnsName: string;
  addresses: readonly string[];
  online: boolean;
  /** Whether its key has expired. */
  expired: boolean;
  /** Whether it is this node itself. */
  self: boolean;
  os?: string;
  ownerLogin?: string;
  /** RFC 3339. */
  keyExpiry?: string;
}

/** The tailnet, as far as one Realm cares. */
export type TailnetFacts =
  | { kind: "none" }
  | { kind: "unavailable"; reason: string; message: string }
  /** `nodes`: those that answer to the realm's identity. */
  | { kind: "running"; nodes: readonly NodeFacts[]; controlServer?: string };

export interface RealmWorld {
  realm: RealmFacts;
  tailnet: TailnetFacts;
  local: boolean;
  /** How often lastSeen is renewed while Connected, in milliseconds. */
  lastSeenEveryMs: number;
  /** Epoch milliseconds. */
  now: number;
}

export interface RealmPlan {
  status: RealmStatus;
  /** StableID to pin: the first node that answers to the name is the one to trust from then on. */
  pin?: string;
  events: EventFact[];
  wakeAt?: number;
}

interface Seen {
  state: ConnectionState;
  reachable: Omit<Verdict, "type">;
  verified: Omit<Verdict, "type">;
  /** undefined: keep the one that is known. */
  node?: RealmNode | null;
  pin?: string;
}

/** Plans one realm. A lost tailscaled changes what is known, never what is enforced: the node stays as it was. */
export function planRealm(world: RealmWorld): RealmPlan {
  const { realm, tailnet, now } = world;
  const seen = look(world);
  const before = realm.status;
  const node = seen.node === undefined ? before.node : seen.node ?? undefined;
  const { lastSeen, wakeAt } = lastSeenOf(world, seen.state);
  const controlServer = tailnet.kind === "running" ? tailnet.controlServer : before.controlServer;
  const ready: Omit<Verdict, "type"> = seen.verified.status !== "True" ? seen.verified : seen.reachable;
  const status: RealmStatus = {
    connectionState: seen.state,
    ...(lastSeen === undefined ? {} : { lastSeen }),
    local: world.local,
    ...(node ? { node } : {}),
    ...(controlServer === undefined ? {} : { controlServer }),
    observedGeneration: realm.generation,
    conditions: foldConditions(
      before.conditions,
      [{ type: "Reachable", ...seen.reachable }, { type: "IdentityVerified", ...seen.verified }, {
        type: "Ready",
        ...ready,
      }],
      realm.generation,
      now,
    ),
  };
  return {
    status,
    ...(seen.pin === undefined ? {} : { pin: seen.pin }),
    events: eventsOf(realm, status, ready),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}

function look({ realm, tailnet }: RealmWorld): Seen {
  const { identity } = realm.spec;
  if (tailnet.kind === "none") {
    const unknown = {
      status: "Unknown" as const,
      reason: "NoTailnet",
      message: "The operator runs without a tailnet; set TS_SOCKET to the socket of a tailscaled to watch this realm.",
    };
    return { state: "Unknown", reachable: unknown, verified: knownBefore(realm, unknown) };
  }
  if (tailnet.kind === "unavailable") {
    const { reason, message } = tailnet;
    const unknown = { status: "Unknown" as const, reason, message: `${message}; grants stay as they are.` };
    return {
      state: reason === "Starting" ? "Connecting" : "Unknown",
      reachable: unknown,
      verified: knownBefore(realm, unknown),
    };
  }
  const { nodes } = tailnet;
  if (nodes.length === 0) {
    const gone = {
      status: "False" as const,
      reason: "NodeNotFound",
      message: `No node of the tailnet is named ${identity}; compare with \`tailscale status\`, or let that node join.`,
    };
    return { state: "Error", reachable: gone, verified: gone, node: null };
  }
  const node = realm.trustedNode === undefined
    ? nodes[0]!
    : nodes.find(({ stableID }) => stableID === realm.trustedNode);
  if (!node || (realm.trustedNode === undefined && nodes.length > 1)) {
    const ids = nodes.map(({ stableID }) => stableID).join(", ");
    const replaced = {
      status: "False" as const,
      reason: node ? "SeveralNodes" : "NodeReplaced",
      message: node
        ? `Several nodes are named ${identity} (${ids}); choose one: kubectl annotate realm ${realm.name} keystone.io/trusted-node=ID`
        : `Another node (${ids}) has taken the name ${identity} from ${realm.trustedNode}; nothing is opened for it. ` +
          `If that is right: kubectl annotate --overwrite realm ${realm.name} keystone.io/trusted-node=${
            nodes[0]!.stableID
          }`,
    };
    return { state: "Error", reachable: replaced, verified: replaced, node: null };
  }
  const verified = {
    status: "True" as const,
    reason: "NodePinned",
    message: `The node ${node.stableID} answers to ${identity}.`,
  };
  const [state, reachable] = reachability(node);
  return {
    state,
    reachable,
    verified,
    node: shownNode(node),
    ...(realm.trustedNode === undefined ? { pin: node.stableID } : {}),
  };
}

/** Who the node is stays known while nobody can be asked. */
function knownBefore(realm: RealmFacts, unknown: Omit<Verdict, "type">): Omit<Verdict, "type"> {
  const before = realm.status.conditions?.find(({ type }) => type === "IdentityVerified");
  return before && before.status !== "Unknown"
    ? { status: before.status, reason: before.reason, message: before.message }
    : unknown;
}

function reachability(node: NodeFacts): [ConnectionState, Omit<Verdict, "type">] {
  if (node.self) return ["Connected", { status: "True", reason: "Self", message: "This is the operator's own node." }];
  if (node.expired) {
    return ["Error", {
      status: "False",
      reason: "KeyExpired",
      message: `The key of ${node.dnsName} has expired${
        node.keyExpiry ? ` at ${node.keyExpiry}` : ""
      }; its owner has to log in again (tailscale up).`,
    }];
  }
  return node.online
    ? ["Connected", { status: "True", reason: "Online", message: `${node.dnsName} is online.` }]
    : ["Disconnected", {
      status: "False",
      reason: "Offline",
      message: `${node.dnsName} is offline; grants stay as they are.`,
    }];
}

const shownNode = (node: NodeFacts): RealmNode => ({
  stableID: node.stableID,
  name: node.dnsName,
  addresses: [...node.addresses],
  ...(node.os ? { os: node.os } : {}),
  ...(node.ownerLogin ? { owner: node.ownerLogin } : {}),
  ...(node.keyExpiry ? { keyExpiry: node.keyExpiry } : {}),
});

/** lastSeen moves on transitions, and while Connected only once in a while: a heartbeat would be a write without news. */
function lastSeenOf(
  { realm, lastSeenEveryMs, now }: RealmWorld,
  state: ConnectionState,
): { lastSeen?: string; wakeAt?: number } {
  const { connectionState, lastSeen } = realm.status;
  const was = connectionState === "Connected";
  const is = state === "Connected";
  if (!was && !is) return lastSeen === undefined ? {} : { lastSeen };
  const seenAt = lastSeen === undefined ? -Infinity : Date.parse(lastSeen);
  if (was && is && now - seenAt < lastSeenEveryMs) return { lastSeen: lastSeen!, wakeAt: seenAt + lastSeenEveryMs };
  return { lastSeen: rfc3339(now), ...(is ? { wakeAt: now + lastSeenEveryMs } : {}) };
}

function eventsOf(realm: RealmFacts, status: RealmStatus, ready: Omit<Verdict, "type">): EventFact[] {
  const before = realm.status.conditions?.find(({ type }) => type === "Ready");
  if (realm.status.connectionState === status.connectionState && before?.reason === ready.reason) return [];
  return [{
    type: status.connectionState === "Error" ? "Warning" : "Normal",
    reason: status.connectionState === "Error" ? ready.reason : status.connectionState!,
    action: "Observe",
    note: ready.message,
  }];
}
