/** The Grant: a contract that lets a grantee use part of the grantor's cluster, here and until then. */
import { z } from "zod";
import {
  type CelRule,
  conditions,
  instant,
  nameRule,
  naming,
  realmName,
  rules,
  shownQuantities,
  validInstant,
} from "./meta.ts";
import type { KindDefinition } from "./definition.ts";

export const phases = ["Pending", "Active", "Revoked", "Expired"] as const;
export type Phase = (typeof phases)[number];

// What a ResourceQuota really enforces. The API server accepts other keys and ignores them, and a grant that promises
// what nothing enforces is worse than an error. See pkg/quota/v1/evaluator/core in Kubernetes.
// What it refuses, on the other hand, would keep the whole quota of the realm from being written.
const dnsLabel = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const dns = `${dnsLabel}([.]${dnsLabel})*`;
const computeKeys = "(requests\\\\.|limits\\\\.)?(cpu|memory|ephemeral-storage)";
const countKeys =
  "(pods|services|services\\\\.nodeports|services\\\\.loadbalancers|persistentvolumeclaims|secrets|configmaps|replicationcontrollers)" +
  `|count/[a-z]+(\\\\.${dns})?|${dns}\\\\.storageclass\\\\.storage\\\\.k8s\\\\.io/persistentvolumeclaims|${dns}\\\\.deviceclass\\\\.resource\\\\.k8s\\\\.io/devices`;
const otherKeys =
  `requests\\\\.storage|requests\\\\.hugepages-[0-9]+[KMG]i|requests\\\\.${dns}/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?` +
  `|${dns}\\\\.storageclass\\\\.storage\\\\.k8s\\\\.io/requests\\\\.storage`;
const keyPattern = `^(${computeKeys}|${countKeys}|${otherKeys})$`;
/** CEL that is true of a key k that no ResourceQuota enforces or takes, by its form or by the length of its two parts. */
const isForeign =
  `k.indexOf('/') > 253 || k.size() - k.indexOf('/') > 64 || k.contains('kubernetes.io/') || !k.matches('${keyPattern}')`;
/** The form of a quantity that isn't negative. Exponents are bounded: to read 1e999999999 the API server takes hours. */
const quantityForm = "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$";
/** CEL that is true of a key k that a ResourceQuota takes with whole numbers only, and whose value isn't one. */
const isBroken =
  `(k.contains('/') || k.matches('^(${countKeys})$')) && string(self[k]).matches('${quantityForm}') && ` +
  "!quantity(string(self[k])).isInteger()";

/** CEL that is true of a key k for dynamic resource allocation. Guests can claim nothing of it, and pods may name no claim (ADR 0020). */
const isClaimed = "k.contains('.deviceclass.') || k.startsWith('count/resourceclaim')";

const maxHardKeys = 64;
/** A week. */
const maxLadderSeconds = 604_800;
const volumePolicies = ["Retain", "Delete"] as const;
const maxDestinations = 256;
export const maxExceptions = 64;

/** How many cuts of one grant may be on notice at once; what is cut beyond that shares the last notice. */
export const maxReductions = 8;

const octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
/** IPv4 exactly; of IPv6 the form, because CEL has no addresses before Kubernetes 1.31: the rest is the operator's. */
const cidrForm = `^(${octet}([.]${octet}){3}(/(3[0-2]|[12]?[0-9]))?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*` +
  "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$";

/** Ranges that qualify the destinations of a grant. */
const qualifyingRanges = z.array(
  z.string().max(43).meta(rules(naming(
    `self.matches('${cidrForm}')`,
    "self",
    "is not a CIDR or an IP address; write for example 192.168.1.0/24",
  ))),
).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" });

/** A quantity that is granted or contributed. */
export const quantity = z.union([z.string().max(32), z.int()]).meta({
  "x-kubernetes-int-or-string": true,
  maxLength: 32,
  ...rules(
    naming(
      `string(self).matches('${quantityForm}') && quantity(string(self)).compareTo(quantity('1E')) <= 0`,
      "string(self)",
      "is not a quantity between 0 and 1E; write for example 500m, 2, 4Gi",
    ),
    naming(
      "type(self) != int || self <= 9007199254740991",
      "string(self)",
      "is too large for a number: programs would read another; write it in quotes",
    ),
  ),
});

/**
 * The rules on a map of what is granted or contributed: keys that a ResourceQuota enforces, whole counts, each thing once.
 *
 * @param field how the messages name the map
 * @param path where `kubectl explain` tells of it
 */
export const hardRules = (field: string, path: string): CelRule[] => [
  {
    rule: `!self.exists(k, ${isClaimed})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isClaimed})[0] + ` +
      "' cannot be granted: guests have no right to claim devices of a DeviceClass; write requests.<vendor>/<device> for ' + " +
      "'devices that nodes offer as extended resources'",
    message: `${field}: there is a key of a DeviceClass or of ResourceClaims, which cannot be granted`,
  },
  {
    rule: `!self.exists(k, ${isForeign})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isForeign})[0] + ` +
      "' is not enforced by any ResourceQuota; write cpu, memory, ephemeral-storage (with or without requests. or limits.), " +
      "requests.storage, pods, services.loadbalancers, count/<resource>.<group>, requests.<vendor>/<device> or " +
      "<class>.storageclass.storage.k8s.io/requests.storage'",
    message: `${field}: there is a key that no ResourceQuota enforces; kubectl explain ${path} shows which one does`,
  },
  {
    rule: `!self.exists(k, ${isBroken})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isBroken}).map(k, k + ' is ' + string(self[k]))[0] + ` +
      "'; write a whole number, such as 3'",
  },
  {
    rule: "!['cpu', 'memory', 'ephemeral-storage'].exists(k, k in self && ('requests.' + k) in self)",
    messageExpression:
      `'${field}: ' + ['cpu', 'memory', 'ephemeral-storage'].filter(k, k in self && ('requests.' + k) in self)` +
      ".map(k, k + ' and requests.' + k)[0] + ' are one thing; write one of the two'",
  },
];

export const grantSpec = z.object({
  grantorRealm: realmName.describe(
    "Name of the Realm or SuperEntity that gives. A cluster enforces only grants whose grantor it is itself, and its " +
      "share of those from a SuperEntity that it is a member of. Can't be changed.",
  ),
  granteeRealm: realmName.describe(
    "Name of the Realm or SuperEntity that receives; its guests work in the namespace guest-<name>. Can't be changed.",
  ),
  hard: z.record(z.string(), quantity).describe(
    "What is granted, in the keys of a ResourceQuota: requests.cpu, limits.memory, requests.storage, pods, " +
      "count/<resource>.<group>, requests.<vendor>/<device>, <class>.storageclass.storage.k8s.io/requests.storage. " +
      "Several grants to one realm add up.",
  ).meta({
    maxProperties: maxHardKeys,
    ...rules(...hardRules("hard", "grant.spec.hard")),
  }),
  networkPolicy: z.object({
    egressAllowed: z.boolean().default(false).describe(
      "false: guests reach each other and the grantee's own node, nothing else. true: allowedDestinations as well.",
    ),
    allowedDestinations: z.array(
      z.string().max(270).meta(rules(naming(
        "self.matches('^[A-Za-z0-9._:/\\\\[\\\\]-]+$')",
        "self",
        "is not a destination; write a CIDR, an IP address, a realm name or a DNS name, with an optional :port or :first-last and /tcp, /udp or /sctp",
      ))),
    ).max(maxDestinations).default([]).meta({ "x-kubernetes-list-type": "atomic" }).describe(
      "Where guests may connect to when egressAllowed is true: internet (all public addresses), a CIDR " +
        "(203.0.113.0/24), an IP address, the name of a Realm (its tailnet addresses), or a DNS name (what it resolves " +
        "to, by its TTL), each with an optional :port or :first-last and /tcp, /udp or /sctp. IPv6 with a port is " +
        "written in brackets: [2001:db8::1]:443/tcp. A private range (192.168.0.0/16, fc00::/7 and the like) is opened " +
        "only by a CIDR or an address that lies in it: 0.0.0.0/0 and ::/0 never include it. Metadata services, the " +
        "tailnet and the cluster's own addresses stay closed.",
    ),
    within: qualifyingRanges.describe(
      "Private ranges in which DNS names of allowedDestinations are opened too, such as 192.168.1.0/24 for a name of " +
        "your LAN. Each has to be a part of one private range. Without it a name opens the public addresses that it " +
        "resolves to.",
    ),
    except: qualifyingRanges.describe(
      "Ranges that are taken out of all that allowedDestinations opens, but for the nodes of realms: those are closed " +
        "by removing the realm's name. Only of this grant: another one to the same realm may open them.",
    ),
  }).exactOptional().describe(
    "Where guests may connect to. Without it: nowhere but each other and the grantee's node.",
  ),
  validity: z.object({
    validFrom: validInstant.nullable().exactOptional().describe(
      "From this instant on; without it, at once. RFC 3339, such as 2026-01-01T00:00:00Z.",
    ),
    validUntil: validInstant.nullable().exactOptional().describe(
      "Up to, not including, this instant; without it, until revoked. RFC 3339.",
    ),
  }).nullable().exactOptional().meta(rules(
    {
      rule: "!has(self.validFrom) || !has(self.validUntil) || self.validFrom < self.validUntil",
      message: "validity.validUntil must be after validity.validFrom",
    },
  )).describe("From when until when the grant holds, [validFrom, validUntil)."),
  termination: z.object({
    noticeSeconds: z.int().min(0).max(maxLadderSeconds).exactOptional().describe(
      "How long before its end, or after a revocation, a deletion or a cut of its terms, the grant still holds while " +
        "nothing new may grow. Default 300 (60 for public realms); before an expiry at most the last half of the " +
        "validity. 0: the end comes at once.",
    ),
    drainSeconds: z.int().min(0).max(maxLadderSeconds).exactOptional().describe(
      "How long after the end PodDisruptionBudgets are respected while pods are evicted; then pods are deleted. " +
        "Default 120.",
    ),
    volumes: z.enum(volumePolicies).exactOptional().describe(
      "What becomes of the guests' volumes after the last grant to the realm has ended. Retain (default): they stay, in " +
        "the closed namespace. Delete: they are deleted, unless any grant of this namespace has said Retain.",
    ),
  }).exactOptional().describe("How the grant ends: by expiry, by revocation and by deletion alike."),
  revocation: z.object({
    reason: z.string().max(1024).exactOptional().describe("Why, for the grantee to read."),
  }).exactOptional().describe("Its presence ends the grant. It can't be taken back; make a new grant instead."),
}).meta(rules(
  {
    rule: "self.grantorRealm != self.granteeRealm",
    messageExpression:
      "'grantorRealm and granteeRealm are both ' + self.grantorRealm + '; a realm needs no grant from itself'",
    message: "grantorRealm and granteeRealm are the same; a realm needs no grant from itself",
  },
  {
    rule: "self.grantorRealm == oldSelf.grantorRealm",
    messageExpression:
      "'grantorRealm can not be changed from ' + oldSelf.grantorRealm + ' to ' + self.grantorRealm + '; make a new grant'",
    message: "grantorRealm can not be changed; make a new grant",
  },
  {
    rule: "self.granteeRealm == oldSelf.granteeRealm",
    messageExpression:
      "'granteeRealm can not be changed from ' + oldSelf.granteeRealm + ' to ' + self.granteeRealm + '; make a new grant'",
    message: "granteeRealm can not be changed; make a new grant",
  },
  {
    rule: "!has(oldSelf.revocation) || has(self.revocation)",
    message: "revocation can not be taken back; make a new grant",
  },
)).describe("The terms of the grant. Written by the grantor.");

const resolvedDestination = z.object({
  destination: z.string().max(270).describe("The entry of spec.networkPolicy.allowedDestinations."),
  addresses: z.array(z.string().max(50)).max(64).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "The CIDRs that it stands for in the NetworkPolicy.",
  ),
  ports: z.string().max(32).exactOptional().describe("Port or ports and protocol, such as 443/TCP; absent: all."),
  error: z.string().max(1024).exactOptional().describe(
    "Why it opens nothing; the other destinations are not affected.",
  ),
  narrowed: z.string().max(1024).exactOptional().describe("Why it opens less than it says."),
});

export const grantStatus = z.object({
  phase: z.enum(phases).exactOptional().describe(
    "Pending: not in force, see message. Active: enforced. Revoked and Expired: ended, for good.",
    // A bound that the cost estimate of the root rule needs, enum or not.
  ).meta({ maxLength: 16 }),
  message: z.string().max(32768).exactOptional().describe("The state of the grant in one sentence."),
  guestNamespace: z.string().max(63).exactOptional().describe("The namespace that the grantee's guests work in."),
  hard: shownQuantities.exactOptional().describe(
    "What is enforced, in canonical quantities. Of a grant from a SuperEntity: this cluster's share.",
  ),
  sharedFrom: z.string().max(57).exactOptional().describe(
    "The SuperEntity of whose pool hard is this cluster's share.",
  ),
  actualUsage: shownQuantities.exactOptional().describe(
    "This grant's share of what is used in the guest namespace. Use fills the grants that last longest first.",
  ),
  effectiveUntil: instant.exactOptional().describe(
    "When the grant ends or ended; written once when it is revoked.",
  ),
  reductions: z.array(z.object({
    until: instant.describe("When what was cut from the terms goes."),
    hard: shownQuantities.describe("What holds until then, where it is more than the terms say now."),
    allowedDestinations: z.array(z.string().max(270)).max(maxDestinations).exactOptional().meta({
      "x-kubernetes-list-type": "atomic",
    }).describe("The destinations that were taken out of the terms and close then."),
    except: z.array(z.string().max(43)).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
      .describe("The networkPolicy.except that those destinations had; it holds until then."),
  })).max(maxReductions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "The notices of cuts, the first to end first: hard was lowered or destinations were removed while the grant was " +
      "Active. Each cut has its own notice.",
  ),
  resolvedDestinations: z.array(resolvedDestination).max(maxDestinations).exactOptional().meta({
    "x-kubernetes-list-type": "atomic",
  }).describe("What each allowed destination stands for."),
  except: z.array(z.string().max(43)).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
    .describe("The networkPolicy.except that is in force."),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status is about."),
  conditions: conditions.exactOptional().describe(
    "GranteeKnown: the grantee is a Realm. QuotaApplied: admission counts against what is granted. NetworkApplied: the " +
      "network policies stand. NetworkNarrowed: a destination opens less than it says; there is none otherwise. " +
      "WritesClosed: guests can read and delete but not write; there is none otherwise. " +
      "AccessApplied: the realm's subjects may work in the guest namespace. Draining: the grant " +
      "or a part of it is on notice, or its pods are being evicted. Overcommitted: more is used than is granted. Ready: " +
      "the grant is in force and all of it is enforced.",
  ),
}).describe("What the operator sees and does. Written by the operator only.");

export type {
  GrantSpec,
  GrantStatus,
  GrantStatusResolvedDestination as ResolvedDestination,
} from "./client/keystone.io@v1alpha1.ts";

/** Keeps a Grant until its enforcement has been taken away. */
export const guestFinalizer = "keystone.io/guest";

export const grantDefinition: KindDefinition = {
  kind: "Grant",
  plural: "grants",
  singular: "grant",
  shortNames: ["kgrant"],
  description:
    "A Grant lends part of this cluster to another realm: so much CPU, memory, storage and devices, these places on the " +
    "network and no others, until this day. The operator enforces it in the namespace guest-<granteeRealm> with a " +
    "ResourceQuota and NetworkPolicies, and ends it on time.",
  spec: grantSpec,
  status: grantStatus,
  rules: [
    nameRule,
    {
      rule:
        "!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in ['Expired', 'Revoked']) || " +
        "(self.spec == oldSelf.spec && has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)",
      messageExpression: "'this grant has ended (' + oldSelf.status.phase + '): make a new grant, or delete this one'",
    },
  ],
  columns: [
    { name: "Grantor", type: "string", jsonPath: ".spec.grantorRealm", description: "Who gives" },
    { name: "Grantee", type: "string", jsonPath: ".spec.granteeRealm", description: "Who receives" },
    { name: "Phase", type: "string", jsonPath: ".status.phase", description: "Pending, Active, Revoked or Expired" },
    { name: "CPU", type: "string", jsonPath: ".status.hard.requests\\.cpu", description: "requests.cpu granted" },
    {
      name: "Memory",
      type: "string",
      jsonPath: ".status.hard.requests\\.memory",
      description: "requests.memory granted",
    },
    { name: "Ends", type: "string", jsonPath: ".spec.validity.validUntil", description: "When it ends" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    {
      name: "Message",
      type: "string",
      priority: 1,
      jsonPath: ".status.message",
      description: "The state in one sentence",
    },
  ],
};
