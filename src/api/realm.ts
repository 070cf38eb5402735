/** The Realm: a cluster at home or in a small organization, identified by its node on the tailnet. */
import { z } from "zod";
import { conditions, instant, nameRule, naming, noWordRule, rules } from "./meta.ts";
import type { KindDefinition } from "./definition.ts";

export const trustLevels = ["internal", "partner", "public"] as const;
export type TrustLevel = (typeof trustLevels)[number];

export const connectionStates = ["Unknown", "Connecting", "Connected", "Disconnected", "Error"] as const;
export type ConnectionState = (typeof connectionStates)[number];

/** Maximum length of `spec.people`. */
const maxPeople = 64;

export const realmSpec = z.object({
  identity: z.string().max(253).describe(
    "Full MagicDNS name of the realm's node, such as bob-home.tailnet-name.ts.net. Case and a trailing dot are ignored. " +
      "`tailscale status --json` on that node shows it as Self.DNSName.",
  ).meta(rules(naming(
    `self.matches('^([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?[.]){1,}[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?[.]?$')`,
    "self",
    "must be a full MagicDNS name, such as bob-home.tailnet-name.ts.net",
  ))),
  connectionType: z.enum(["tailscale", "headscale"]).default("tailscale").describe(
    "Kind of the tailnet's control server. Informational: both kinds work alike. The condition ConnectionTypeMatches " +
      "reports a mismatch.",
  ),
  trustLevel: z.enum(trustLevels).default("public").describe(
    "Limit on what grants to this realm may contain: internal (your own cluster), partner (people you know), public " +
      "(anybody). It also sets the Pod Security level of the guest namespace: by default baseline for internal, " +
      "restricted for the others.",
  ),
  subjects: z.array(
    z.object({
      kind: z.enum(["User", "Group"]).describe("User or Group, as authenticated by the API server."),
      name: z.string().min(1).max(253).describe("Name of the user or group."),
    }).meta(rules(naming(
      "!self.name.startsWith('system:')",
      "self.name",
      "is reserved for Kubernetes; name users or groups of the realm",
    ))),
  ).max(32).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "Users and groups that act for the realm. They have access to its guest namespace while a grant is in force. " +
      "Default: the group keystone:realm:<name>.",
  ),
  people: z.array(
    z.object({
      login: z.string().max(253).exactOptional().describe(
        "Login name in the tailnet, exactly as `tailscale whois` shows it. Matches their nodes without tags.",
      ).meta(rules(
        naming(
          "self.matches('^[^[:space:][:cntrl:]]+$')",
          "self",
          "must be a login name of the tailnet, without spaces, such as bob@example.com",
        ),
        naming(
          "self != 'tagged-devices'",
          "self",
          "is the login name of all tagged nodes; use tag to name one of their tags",
        ),
      )),
      tag: z.string().max(64).exactOptional().describe("Tag of nodes in the tailnet, such as tag:bob-ci.").meta(rules(
        naming("self.matches('^tag:[A-Za-z][-A-Za-z0-9]*$')", "self", "must be a tag, such as tag:bob-ci"),
      )),
      stableID: z.string().max(64).exactOptional().describe(
        "StableID of one node, beside its login. Required for a node of another tailnet, with which this cluster's node " +
          "is shared: logins of other tailnets are not unique.",
      ).meta(rules(
        naming("self.matches('^[A-Za-z0-9_-]+$')", "self", "must be the StableID of a node, such as nABC1CNTRL"),
      )),
    }).meta(rules({
      rule: "has(self.login) != has(self.tag) && (has(self.login) || !has(self.stableID))",
      message: "must have either login or tag; stableID is allowed beside login only",
    })),
  ).max(maxPeople).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "People and nodes of the tailnet that act for the realm when they connect to this cluster's tailnet server, beside " +
      "the realm's own node. Several realms may name the same person. In the Realm of this cluster: its own people, who " +
      "see everything on the page.",
  ),
}).describe("Description of the realm. Written by cluster admins.");

/** Capability with which a tailnet's policy marks a node as acting for a realm. */
export const realmCapability = "keystone.io/cap/realm";
/** Capability with which a tailnet's policy marks a node as one of this cluster's own people. */
export const viewerCapability = "keystone.io/cap/viewer";
/** Recorded arguments of a capability; keeps the status small, whatever the policy says. */
export const maxCapabilities = 16;
export const maxCapabilityLength = 1024;

const realmNode = z.object({
  stableID: z.string().max(64).describe(
    "Tailscale's StableID of the node. The annotation keystone.io/trusted-node pins it.",
  ),
  name: z.string().max(253).exactOptional().describe("The node's MagicDNS name as the tailnet reports it."),
  addresses: z.array(z.string().max(45)).max(16).meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "The node's tailnet addresses, IPv4 first. NetworkPolicies open only these for the node.",
  ),
  os: z.string().max(64).exactOptional().describe("Operating system of the node."),
  owner: z.string().max(253).exactOptional().describe("Login name of the node's owner in the tailnet."),
  keyExpiry: instant.exactOptional().describe("Expiry of the node's key; absent if the key doesn't expire."),
  path: z.enum(["direct", "relay"]).exactOptional().describe(
    "Path of the node's last answer to a ping; absent while it is unknown or the node is offline.",
  ),
  latencyMs: z.int().min(1).exactOptional().describe(
    "Round-trip time of that ping in milliseconds, rounded up to 1, 2, 5, 10, 20, 50 and so on. Small variations don't " +
      "change it.",
  ),
  realmCapability: z.array(z.string().max(maxCapabilityLength)).max(maxCapabilities).exactOptional().meta({
    "x-kubernetes-list-type": "atomic",
  }).describe(
    `Arguments, each as JSON, of the capability ${realmCapability} that the tailnet's policy grants the node towards ` +
      "this cluster's node. Empty if the capability has no arguments, absent if it isn't granted.",
  ),
});

export const realmStatus = z.object({
  connectionState: z.enum(connectionStates).exactOptional().describe(
    "Unknown: the tailnet can't be queried. Connecting: tailscaled is starting. Connected: the node is online. " +
      "Disconnected: the node is offline; grants stay in force. Error: an admin has to act, see the conditions.",
  ),
  lastSeen: instant.exactOptional().describe(
    "Last time the node was known to be online. While Connected it is updated every 5 minutes by default.",
  ),
  local: z.boolean().exactOptional().describe("True if this cluster is the realm."),
  node: realmNode.exactOptional().describe("The tailnet node that has the name spec.identity."),
  controlServer: z.string().max(253).exactOptional().describe(
    "The tailnet's control server, as tailscaled reports it.",
  ),
  trustedNode: z.string().max(64).exactOptional().describe(
    "StableID of the last trusted node. Mirrors the annotation keystone.io/trusted-node and keeps its last value after " +
      "the annotation is removed.",
  ),
  trustedBefore: z.array(z.string().max(64)).max(8).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
    .describe(
      "StableIDs of previously trusted nodes. Namespaces created while one of them was trusted still belong to this realm.",
    ),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status describes."),
  conditions: conditions.exactOptional().describe(
    "Reachable: the node is online and answers pings. IdentityVerified: the node with the name spec.identity is the " +
      "pinned node. Ready: both. KeyExpiring: the node's key has expired or expires within 7 days. " +
      "ConnectionTypeMatches: spec.connectionType matches the observed control server.",
  ),
}).describe("Observed state. Written by the operator only.");

export type { RealmSpec, RealmStatus, RealmStatusNode as RealmNode } from "./client/keystone.io@v1alpha1.ts";
export type {
  RealmSpecPeople as RealmPerson,
  RealmSpecSubject as RealmSubject,
} from "./client/keystone.io@v1alpha1.ts";

/** Annotation that pins a realm to one node by its StableID. */
export const trustedNodeAnnotation = "keystone.io/trusted-node";

/** CEL condition: subject s is the group of another realm. */
const isOthersGroup = "s.name.startsWith('keystone:realm:') && s.name.substring(15) != self.metadata.name";

export const realmDefinition: KindDefinition = {
  kind: "Realm",
  plural: "realms",
  singular: "realm",
  shortNames: [],
  description:
    "A Realm is a cluster, yours or somebody else's, identified by its node on the tailnet. Grants name realms as grantor " +
    "and grantee. The operator follows the node's state on the tailnet and reports it in status.",
  spec: realmSpec,
  status: realmStatus,
  rules: [
    nameRule,
    noWordRule,
    {
      // The API server's cost estimate knows no bound for the object's name, so the rule compares it and never joins
      // it. Neither does it know one for the result of `filter`; it does for the result of `map`.
      rule: `!has(self.spec.subjects) || !self.spec.subjects.exists(s, ${isOthersGroup})`,
      messageExpression: `'spec.subjects: ' + self.spec.subjects.map(s, ${isOthersGroup}, s.name)[0] + ` +
        "' is the group of another realm; the only group keystone:realm:… allowed here is keystone:realm:' + self.metadata.name",
      message:
        "spec.subjects: contains the group of another realm; the only group keystone:realm:… allowed here is the realm's own",
    },
  ],
  columns: [
    { name: "Identity", type: "string", jsonPath: ".spec.identity", description: "MagicDNS name of the node" },
    { name: "Trust", type: "string", jsonPath: ".spec.trustLevel", description: "Limit on what grants may contain" },
    { name: "State", type: "string", jsonPath: ".status.connectionState", description: "Connection state of the node" },
    {
      name: "Last-Seen",
      type: "date",
      jsonPath: ".status.lastSeen",
      description: "Last time the node was known to be online",
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    {
      name: "Node",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.stableID",
      description: "StableID of the verified node",
    },
    { name: "Owner", type: "string", priority: 1, jsonPath: ".status.node.owner", description: "Owner of the node" },
    {
      name: "Path",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.path",
      description: "Path to the node: direct or relay",
    },
    {
      name: "Key-Expires",
      type: "string",
      priority: 1,
      jsonPath: ".status.node.keyExpiry",
      description: "Expiry of the node's key",
    },
    {
      name: "Why",
      type: "string",
      priority: 1,
      jsonPath: `.status.conditions[?(@.type=="Ready")].message`,
      description: "Message of the Ready condition",
    },
  ],
};
