/** Plans a Realm's status, pin, ping and events. */
import {
  maxCapabilities,
  maxCapabilityLength,
  type RealmNode,
  type RealmStatus,
  trustedNodeAnnotation,
} from "../../api/mod.ts";
import { conditionOf, type DesiredCondition, foldConditions } from "../conditions.ts";
import { type Effect, type EffectStage, type Plan, stagesOf } from "../effects.ts";
import type { EventFact, RealmFacts } from "../facts.ts";
import { earliest, rfc3339 } from "../instants.ts";
import { sameJson } from "../same_json.ts";
import { connectionTypeCondition } from "./control_server.ts";
import { keyCondition, keyWakeAt } from "./key.ts";
import { pathShown, pingDueAt } from "./path.ts";
import { trustShown } from "./pin.ts";
import { doubtfulUntil, type Observation, observationOf, wholeSeconds } from "./observation.ts";
import type { NodeFacts, RealmWorld } from "./realm_world.ts";

export interface RealmPlan extends Plan {
  status: RealmStatus;
  /** StableID to pin: the first node with the name is trusted from then on. */
  pin?: string;
  /** The node and address to ping now. */
  ping?: { stableID: string; address: string };
  events: EventFact[];
}

/** Plans one realm. While tailscaled is unreachable the known node stays, so enforcement doesn't change. */
export function planRealm(world: RealmWorld): RealmPlan {
  const plan = decide(world);
  return { ...plan, stages: stagesFor(world, plan) };
}

type Decision = Omit<RealmPlan, "stages">;

/**
 * Builds the stages: the pin is written before the addresses, so that every address in a policy belongs to a pinned
 * node.
 */
function stagesFor(
  { realm, written = realm.status }: RealmWorld,
  { ping, pin, status, events }: Decision,
): EffectStage[] {
  const { name, uid } = realm;
  const of = { kind: "Realm", name, uid } as const;
  const about = { apiVersion: "keystone.io/v1alpha1", ...of };
  // Not forced and with a separate field manager: a person who sets the annotation at the same moment wins.
  const pinned = (pin: string): Effect => ({
    apply: { ...head, metadata: { name, annotations: { [trustedNodeAnnotation]: pin } } },
    uid,
    unforced: true,
  });
  const asked: Effect[] = ping ? [{ ping: { realm: name, ...ping } }] : [];
  return [
    ...stagesOf("open", [pin === undefined ? asked : [...asked, pinned(pin)]]),
    ...stagesOf("report", [
      sameJson(status, written) ? [] : [{ status, of, events: events.map((event) => ({ event, about })) }],
    ]),
  ];
}

const head = { apiVersion: "keystone.io/v1alpha1", kind: "Realm" } as const;

function decide(world: RealmWorld): Decision {
  const { realm, tailnet, now } = world;
  const holdUntil = doubtfulUntil(world);
  if (now < holdUntil) return { status: realm.status, events: [], wakeAt: holdUntil };
  const seen = observationOf(world);
  const before = realm.status;
  const node = shownNode(world, seen);
  const lastSeen = lastSeenOf(world, seen);
  const controlServer = tailnet.kind === "running" ? tailnet.controlServer : before.controlServer;
  const ready: Omit<DesiredCondition, "type"> = seen.verified.status !== "True" ? seen.verified : seen.reachable;
  const key = keyNode(seen, node);
  const ping = pingOf(world, seen);
  const status: RealmStatus = {
    connectionState: seen.state,
    ...(lastSeen.at === undefined ? {} : { lastSeen: lastSeen.at }),
    local: world.local,
    ...(node ? { node } : {}),
    ...trustShown(before, seen.pin ?? realm.trustedNode),
    ...(controlServer === undefined ? {} : { controlServer }),
    observedGeneration: realm.generation,
    conditions: foldConditions(
      before.conditions,
      [
        { type: "Reachable", ...seen.reachable },
        { type: "IdentityVerified", ...seen.verified },
        key ? keyCondition(key, now) : keyUnknown,
        connectionTypeCondition(realm.spec, controlServer),
        { type: "Ready", ...ready },
      ],
      realm.generation,
      now,
    ),
  };
  const wakeAt = earliest(lastSeen.wakeAt, ping.wakeAt, key && keyWakeAt(key, now));
  return {
    status,
    ...(seen.pin === undefined ? {} : { pin: seen.pin }),
    ...(ping.ping ? { ping: ping.ping } : {}),
    events: eventsOf(realm, status),
    ...(wakeAt === undefined ? {} : { wakeAt }),
  };
}

const keyUnknown: DesiredCondition = {
  type: "KeyExpiring",
  status: "Unknown",
  reason: "NodeUnknown",
  message: "The realm's node is not known.",
};

/** Returns the node for the status; the known one stays while the tailnet can't be queried. */
function shownNode({ realm, ping }: RealmWorld, { node, state }: Observation): RealmNode | undefined {
  const before = realm.status.node;
  if (node === null) return undefined;
  if (node === undefined) return before;
  const known: Pick<RealmNode, "stableID" | "path" | "latencyMs" | "realmCapability"> =
    before?.stableID === node.stableID ? before : { stableID: node.stableID };
  const reached = state === "Connected" && !node.self;
  return {
    stableID: node.stableID,
    name: node.dnsName,
    addresses: [...node.addresses],
    ...(node.os ? { os: node.os } : {}),
    ...(node.ownerLogin ? { owner: node.ownerLogin } : {}),
    ...(node.keyExpiry ? { keyExpiry: wholeSeconds(node.keyExpiry) } : {}),
    ...(reached ? pathShown(ping, known) : {}),
    ...capabilityShown(node, known),
  };
}

/** Returns the capability's arguments up to the limits of the status; too long ones are omitted, not truncated. */
function capabilityShown(
  { realmCapability: values }: NodeFacts,
  known: Pick<RealmNode, "realmCapability">,
): Pick<RealmNode, "realmCapability"> {
  if (values === null) return {};
  if (values === undefined) return known.realmCapability ? { realmCapability: known.realmCapability } : {};
  const texts = values.map((value) => JSON.stringify(value)).filter((text) => text.length <= maxCapabilityLength);
  return { realmCapability: texts.slice(0, maxCapabilities) };
}

/** Returns the node whose key is checked; without an observed node the one in the status, against the clock alone. */
function keyNode({ node }: Observation, shown: RealmNode | undefined): NodeFacts | undefined {
  if (node) return node;
  if (!shown) return undefined;
  const { stableID, name = stableID, addresses, keyExpiry } = shown;
  const facts = { stableID, dnsName: name, addresses, online: false, expired: false, self: false };
  return { ...facts, ...(keyExpiry ? { keyExpiry } : {}) };
}

/** Plans the ping of a node that is online according to the control server. */
function pingOf(
  { ping, now }: RealmWorld,
  { state, node }: Observation,
): { ping?: { stableID: string; address: string }; wakeAt?: number } {
  const address = node?.addresses[0];
  if (state !== "Connected" || !node || node.self || address === undefined) return {};
  const dueAt = pingDueAt(ping, node.stableID, address);
  return now < dueAt ? { wakeAt: dueAt } : { ping: { stableID: node.stableID, address } };
}

/** Returns lastSeen: it changes on transitions and, while Connected, only at long intervals, to save writes. */
function lastSeenOf(
  { realm, lastSeenEveryMs, now }: RealmWorld,
  { reachable, node }: Observation,
): { at?: string; wakeAt?: number } {
  const { connectionState, lastSeen, conditions } = realm.status;
  const was = connectionState === "Connected" &&
    conditionOf({ conditions }, "Reachable")?.status === "True";
  const seenAt = lastSeen === undefined ? -Infinity : Date.parse(lastSeen);
  if (reachable.status === "True") {
    if (was && now - seenAt < lastSeenEveryMs) return { at: lastSeen!, wakeAt: seenAt + lastSeenEveryMs };
    return { at: rfc3339(now), wakeAt: now + lastSeenEveryMs };
  }
  const reported = node?.online === false && node.lastSeen ? wholeSeconds(node.lastSeen) : undefined;
  // A node that doesn't answer counts as not seen, whatever the control server reports.
  if (!was || reachable.reason === "NoAnswer") return lastSeen ?? reported ? { at: (lastSeen ?? reported)! } : {};
  if (reported === undefined) return { at: rfc3339(now) };
  return { at: Date.parse(reported) > seenAt ? reported : lastSeen! };
}

function eventsOf(realm: RealmFacts, status: RealmStatus): EventFact[] {
  const news = [...readyEventsOf(realm, status), ...trustEventsOf(realm, status)];
  const reported = new Set(news.map(({ reason }) => reason));
  return [...news, ...warningsOf(realm, status).filter(({ reason }) => !reported.has(reason))];
}

/** Returns an event if the state or the reason of Ready changes. */
function readyEventsOf({ status: before }: RealmFacts, status: RealmStatus): EventFact[] {
  const ready = conditionOf(status, "Ready")!;
  const { connectionState: state } = status;
  if (before.connectionState === state && conditionOf(before, "Ready")?.reason === ready.reason) return [];
  const isError = state === "Error";
  const reason = isError || (state === "Connected" && ready.status !== "True") ? ready.reason : state!;
  return [{ type: isError ? "Warning" : "Normal", reason, action: "Observe", note: ready.message }];
}

/** Returns an event if a person trusts another node. */
function trustEventsOf({ name, status: before }: RealmFacts, { trustedNode }: RealmStatus): EventFact[] {
  if (before.trustedNode === undefined || before.trustedNode === trustedNode) return [];
  const note = `Realm ${name} now trusts node ${trustedNode} instead of ${before.trustedNode}.`;
  return [{ type: "Warning", reason: "TrustedNodeChanged", action: "Observe", note }];
}

/** Returns events for conditions that a person should resolve in time. */
function warningsOf({ status: before }: RealmFacts, status: RealmStatus): EventFact[] {
  return [["KeyExpiring", "True"], ["ConnectionTypeMatches", "False"]].flatMap(([type, bad]) => {
    const [old, now] = [conditionOf(before, type!), conditionOf(status, type!)!];
    if (now.status !== bad || old?.reason === now.reason) return [];
    return [{ type: "Warning" as const, reason: now.reason, action: "Observe", note: now.message }];
  });
}
