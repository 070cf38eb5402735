/** The Realm: a cluster at home or in a small organisation, known by its node on the tailnet. */
import { z } from "zod";
import { conditions, instant, nameRule, naming, noWordRule, rules } from "./meta.ts";
import type { KindDefinition } from "./definition.ts";

export const trustLevels = ["internal", "partner", "public"] as const;
export type TrustLevel = (typeof trustLevels)[number];

export const connectionStates = ["Unknown", "Connecting", "Connected", "Disconnected", "Error"] as const;
export type ConnectionState = (typeof connectionStates)[number];

export const realmSpec = z.object({
  identity: z.string().max(253).describe(
    "MagicDNS name of the realm's node, such as bob-home.tailnet-name.ts.net. Case and a trailing dot don't matter. " +
      "`tailscale status --json` on that node shows it as Self.DNSName.",
  ).meta(rules(naming(
    `self.matches('^([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?[.]){1,}[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?[.]?$')`,
    "self",
    "is not a MagicDNS name; write it whole, such as bob-home.tailnet-name.ts.net",
  ))),
  connectionType: z.enum(["tailscale", "headscale"]).default("tailscale").describe(
    "Which control server the tailnet has. Both speak the same LocalAPI; what is really seen is shown in status.",
  ),
  trustLevel: z.enum(trustLevels).default("public").describe(
    "Ceiling of what grants to this realm may do: internal (one's own), partner (known people), public (anybody). " +
      "It sets the Pod Security of the guest namespace: baseline for internal, restricted for the others.",
  ),
  subjects: z.array(
    z.object({
      kind: z.enum(["User", "Group"]).describe("User or Group, as the API server authenticates them."),
      name: z.string().min(1).max(253).describe("Name of the user or group."),
    }).meta(rules(naming(
      "!self.name.startsWith('system:')",
      "self.name",
      "belongs to Kubernetes itself; name the users or groups of the realm",
    ))),
  ).max(32).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "Who acts for the realm: they may work in its guest namespace while a grant is in force. Without it: the group " +
      "keystone:realm:<name>.",
  ),
}).describe("What is known about the realm. Written by people.");

/** The capability by which a tailnet's policy says that a node speaks for a realm. */
export const realmCapability = "keystone.io/cap/realm";
/** How much of a capability is recorded: whatever a policy says, a status stays small. */
export const maxCapabilities = 16;
export const maxCapabilityLength = 1024;

const realmNode = z.object({
  stableID: z.string().max(64).describe(
    "Tailscale's stable ID of the node, the one that the annotation keystone.io/trusted-node pins.",
  ),
  name: z.string().max(253).exactOptional().describe("The node's MagicDNS name as the tailnet reports it."),
  addresses: z.array(z.string().max(45)).max(16).meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "The node's tailnet addresses, IPv4 first. Only these enter the guest namespace's network policy.",
  ),
  os: z.string().max(64).exactOptional().describe("Operating system of the node."),
  owner: z.string().max(253).exactOptional().describe("Login of the user who owns the node in the tailnet."),
  keyExpiry: instant.exactOptional().describe("When the node's key expires; absent when it doesn't."),
  path: z.enum(["direct", "relay"]).exactOptional().describe(
    "The way by which the node last answered a ping; absent while it isn't known or the node is offline.",
  ),
  latencyMs: z.int().min(1).exactOptional().describe(
    "Round trip of that ping in milliseconds, rounded up to 1, 2, 5, 10, 20, 50 and so on. Moves only when the round " +
      "trip has clearly changed.",
  ),
  realmCapability: z.array(z.string().max(maxCapabilityLength)).max(maxCapabilities).exactOptional().meta({
    "x-kubernetes-list-type": "atomic",
  }).describe(
    `Arguments, each as JSON, with which the tailnet's policy grants the node the capability ${realmCapability} towards ` +
      "this cluster's node; empty when it grants it without any, absent when it doesn't.",
  ),
});

export const realmStatus = z.object({
  connectionState: z.enum(connectionStates).exactOptional().describe(
    "Unknown: there is no tailnet to ask. Connecting: tailscaled is starting. Connected: the node is online. " +
      "Disconnected: it is not; grants stay as they are. Error: a person has to act, see the conditions.",
  ),
  lastSeen: instant.exactOptional().describe(
    "Last moment the node was known to be online. While Connected it is renewed every 5 minutes only.",
  ),
  local: z.boolean().exactOptional().describe("True for the realm that this cluster is."),
  node: realmNode.exactOptional().describe("The node of the tailnet that answers to spec.identity."),
  controlServer: z.string().max(253).exactOptional().describe(
    "Control server of the tailnet as tailscaled reports it.",
  ),
  trustedNode: z.string().max(64).exactOptional().describe(
    "StableID of the node that was last trusted: mirrors the annotation keystone.io/trusted-node, and keeps it while " +
      "nobody is trusted.",
  ),
  trustedBefore: z.array(z.string().max(64)).max(8).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
    .describe(
      "StableIDs of nodes that were trusted until a person trusted another. What was made for them is the realm's still.",
    ),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status is about."),
  conditions: conditions.exactOptional().describe(
    "Reachable: the tailnet says that the node is online, and it answers pings. IdentityVerified: the node that answers to " +
      "the name is the one that is pinned. Ready: both. KeyExpiring: the node's key expires within 7 days, or has. " +
      "ConnectionTypeMatches: spec.connectionType is the kind of control server that is seen.",
  ),
}).describe("What the operator sees. Written by the operator only.");

export type { RealmSpec, RealmStatus, RealmStatusNode as RealmNode } from "./client/keystone.io@v1alpha1.ts";
export type { RealmSpecSubject as RealmSubject } from "./client/keystone.io@v1alpha1.ts";

/** Annotation that pins a realm to one node by its StableID. */
export const trustedNodeAnnotation = "keystone.io/trusted-node";

/** CEL that is true of a subject s that is the group of another realm. */
const isOthersGroup = "s.name.startsWith('keystone:realm:') && s.name.substring(15) != self.metadata.name";

export const realmDefinition: KindDefinition = {
  kind: "Realm",
  plural: "realms",
  singular: "realm",
  shortNames: [],
  description:
    "A Realm is a cluster, yours or somebody else's, known by its node on the tailnet. Grants name realms as grantor and " +
    "grantee. The operator watches over the tailnet whether the node is there and shows it in status.",
  spec: realmSpec,
  status: realmStatus,
  rules: [
    nameRule,
    noWordRule,
    {
      // The name has no bound that the API server's estimate of costs knows of, so it is compared and never joined; and
      // of what `filter` leaves it knows no bound either, of what `map` makes it does.
      rule: `!has(self.spec.subjects) || !self.spec.subjects.exists(s, ${isOthersGroup})`,
      messageExpression: `'spec.subjects: ' + self.spec.subjects.map(s, ${isOthersGroup}, s.name)[0] + ` +
        "' is the group of another realm; of the groups keystone:realm:… only keystone:realm:' + self.metadata.name + ' acts for this one'",
      message:
        "spec.subjects: there is the group of another realm; of the groups keystone:realm:… only its own acts for it",
    },
  ],
  columns: [
    { name: "Identity", type: "string", jsonPath: ".spec.identity", description: "MagicDNS name of the node" },
    { name: "Trust", type: "string", jsonPath: ".spec.trustLevel", description: "Ceiling of what grants may do" },
    { name: "State", type: "string", jsonPath: ".status.connectionState", description: "Whether the node is online" },
    {
      name: "Last-Seen",
      type: "date",
      jsonPath: ".status.lastSeen",
      description: "When it was last known to be online",
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    {
      name: "Node",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.stableID",
      description: "The verified node's StableID",
    },
    { name: "Owner", type: "string", priority: 1, jsonPath: ".status.node.owner", description: "Who owns the node" },
    {
      name: "Path",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.path",
      description: "The way by which the node answers",
    },
    {
      name: "Key-Expires",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.keyExpiry",
      description: "When the node has to log in again",
    },
    {
      name: "Why",
      type: "string",
      priority: 1,
      jsonPath: `.status.conditions[?(@.type=="Ready")].message`,
      description: "The Ready condition in words",
    },
  ],
};
