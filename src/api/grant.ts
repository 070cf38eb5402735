/** The Grant: a contract by which a grantee uses part of the grantor's cluster for a limited time. */
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

/** The phases, and `Ending`: on notice, or its pods are being evicted. */
export const grantStates = ["Pending", "Active", "Ending", "Revoked", "Expired"] as const;
export type GrantState = (typeof grantStates)[number];

// Keys that a ResourceQuota enforces. The API server accepts other keys and ignores them, and a promise that nothing
// enforces is worse than an error. See pkg/quota/v1/evaluator/core in Kubernetes.
// A key that a ResourceQuota rejects would prevent the realm's whole quota from being written.
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
/** CEL condition: no ResourceQuota enforces or accepts key k, because of its form or the length of its two parts. */
const isForeign =
  `k.indexOf('/') > 253 || k.size() - k.indexOf('/') > 64 || k.contains('kubernetes.io/') || !k.matches('${keyPattern}')`;
/** Form of a non-negative quantity. Exponents are bounded: the API server would take hours to parse 1e999999999. */
const quantityForm = "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$";
/** CEL condition: a ResourceQuota accepts only whole numbers for key k, and its value isn't one. */
const isBroken =
  `(k.contains('/') || k.matches('^(${countKeys})$')) && string(self[k]).matches('${quantityForm}') && ` +
  "!quantity(string(self[k])).isInteger()";

/** CEL condition: key k is for dynamic resource allocation, which guests can't use (ADR 0020). */
const isClaimed = "k.contains('.deviceclass.') || k.startsWith('count/resourceclaim')";

const maxHardKeys = 64;
/** One week: the longest notice and drain. */
const maxLadderSeconds = 604_800;
const volumePolicies = ["Retain", "Delete"] as const;
const maxDestinations = 256;
export const maxExceptions = 64;

/** Reductions of one grant that may be on notice at once; further ones share the last notice. */
export const maxReductions = 8;

const octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
/**
 * Exact for IPv4; for IPv6 only the form, because CEL has no IP functions before Kubernetes 1.31 (the operator checks).
 */
const cidrForm = `^(${octet}([.]${octet}){3}(/(3[0-2]|[12]?[0-9]))?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*` +
  "(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$";

/** Ranges that qualify the destinations of a grant. */
const qualifyingRanges = z.array(
  z.string().max(43).meta(rules(naming(
    `self.matches('${cidrForm}')`,
    "self",
    "must be a CIDR or an IP address, such as 192.168.1.0/24",
  ))),
).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" });

/** A granted or contributed quantity. */
export const quantity = z.union([z.string().max(32), z.int()]).meta({
  "x-kubernetes-int-or-string": true,
  maxLength: 32,
  ...rules(
    naming(
      `string(self).matches('${quantityForm}') && quantity(string(self)).compareTo(quantity('1E')) <= 0`,
      "string(self)",
      "must be a quantity between 0 and 1E, such as 500m, 2 or 4Gi",
    ),
    naming(
      "type(self) != int || self <= 9007199254740991",
      "string(self)",
      "is too large for an exact JSON number; write it in quotes",
    ),
  ),
});

/**
 * Rules on a map of granted or contributed quantities: only keys that a ResourceQuota enforces, only whole counts, and
 * no resource under two names.
 *
 * @param field the map's name in messages
 * @param path the map's path for `kubectl explain`
 */
export const hardRules = (field: string, path: string): CelRule[] => [
  {
    rule: `!self.exists(k, ${isClaimed})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isClaimed})[0] + ` +
      "' cannot be granted, because guests may not claim devices of a DeviceClass; use requests.<vendor>/<device> for ' + " +
      "'devices that nodes offer as extended resources'",
    message: `${field}: contains a key of a DeviceClass or of ResourceClaims, which cannot be granted`,
  },
  {
    rule: `!self.exists(k, ${isForeign})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isForeign})[0] + ` +
      "' is not enforced by any ResourceQuota; use cpu, memory, ephemeral-storage (with or without requests. or limits.), " +
      "requests.storage, pods, services.loadbalancers, count/<resource>.<group>, requests.<vendor>/<device> or " +
      "<class>.storageclass.storage.k8s.io/requests.storage'",
    message: `${field}: contains a key that no ResourceQuota enforces; see kubectl explain ${path}`,
  },
  {
    rule: `!self.exists(k, ${isBroken})`,
    messageExpression: `'${field}: ' + self.filter(k, ${isBroken}).map(k, k + ' is ' + string(self[k]))[0] + ` +
      "'; it must be a whole number, such as 3'",
  },
  {
    rule: "!['cpu', 'memory', 'ephemeral-storage'].exists(k, k in self && ('requests.' + k) in self)",
    messageExpression:
      `'${field}: ' + ['cpu', 'memory', 'ephemeral-storage'].filter(k, k in self && ('requests.' + k) in self)` +
      ".map(k, k + ' and requests.' + k)[0] + ' are the same resource; set only one of them'",
  },
];

export const grantSpec = z.object({
  grantorRealm: realmName.describe(
    "Name of the Realm or SuperEntity that lends. A cluster enforces only grants of which it is the grantor, and its " +
      "share of grants from a SuperEntity of which it is a member. Immutable.",
  ),
  granteeRealm: realmName.describe(
    "Name of the Realm or SuperEntity that receives. Its guests work in the namespace guest-<name>. Immutable.",
  ),
  hard: z.record(z.string(), quantity).describe(
    "Granted amounts under the keys of a ResourceQuota, such as cpu, memory, requests.storage and pods; also limits.cpu, " +
      "count/<resource>.<group>, requests.<vendor>/<device>, <class>.storageclass.storage.k8s.io/requests.storage. " +
      "cpu is requests.cpu, and bounds the limits too unless limits.cpu is set; so is memory. Resources that are not " +
      "named are not granted; counts of objects have defaults by trust level. Several grants to one realm add up.",
  ).meta({
    maxProperties: maxHardKeys,
    ...rules(...hardRules("hard", "grant.spec.hard")),
  }),
  networkPolicy: z.object({
    egressAllowed: z.boolean().default(false).describe(
      "false (default): guests reach only each other, the grantee's node and, if the realm's trust level permits it, the cluster's " +
        "DNS. true: also allowedDestinations.",
    ),
    allowedDestinations: z.array(
      z.string().max(270).meta(rules(naming(
        "self.matches('^[A-Za-z0-9._:/\\\\[\\\\]-]+$')",
        "self",
        "is not a valid destination; use a CIDR, an IP address, a realm name or a DNS name, with an optional :port or :first-last and /tcp, /udp or /sctp",
      ))),
    ).max(maxDestinations).default([]).meta({ "x-kubernetes-list-type": "atomic" }).describe(
      "Destinations that guests may connect to if egressAllowed is true. Each is an IP address, a CIDR (203.0.113.0/24), " +
        "the name of a Realm, a DNS name, or internet (all public addresses). A Realm opens its tailnet addresses; a DNS " +
        "name opens the addresses it resolves to, refreshed by TTL. Each may have a :port or :first-last and /tcp, /udp " +
        "or /sctp. IPv6 with a port is written in brackets: [2001:db8::1]:443/tcp. Private ranges (192.168.0.0/16, " +
        "fc00::/7 and others) are opened only by a CIDR or address inside them: 0.0.0.0/0 and ::/0 don't include them. " +
        "Metadata services, the tailnet and the cluster's own addresses stay closed.",
    ),
    within: qualifyingRanges.describe(
      "Private ranges that DNS names in allowedDestinations may also resolve to, such as 192.168.1.0/24 for names in " +
        "your LAN. Each must lie inside one private range. Default: a DNS name opens only public addresses.",
    ),
    except: qualifyingRanges.describe(
      "Ranges excluded from allowedDestinations of this grant; another grant to the same realm may still open them. " +
        "Nodes of realms are not excluded: to close one, remove the realm's name.",
    ),
  }).exactOptional().describe(
    "Network destinations of the guests. Default: only each other, the grantee's node and, if the realm's trust level " +
      "permits it, the cluster's DNS.",
  ),
  validity: z.object({
    validFrom: validInstant.nullable().exactOptional().describe(
      "Start of the grant (RFC 3339), such as 2026-01-01T00:00:00Z. Default: immediately.",
    ),
    validUntil: validInstant.nullable().exactOptional().describe(
      "End of the grant, exclusive (RFC 3339). Default: valid until revoked.",
    ),
  }).nullable().exactOptional().meta(rules(
    {
      rule: "!has(self.validFrom) || !has(self.validUntil) || self.validFrom < self.validUntil",
      message: "validity.validUntil must be after validity.validFrom",
    },
  )).describe("Period in which the grant is valid: from validFrom until, but not including, validUntil."),
  termination: z.object({
    noticeSeconds: z.int().min(0).max(maxLadderSeconds).exactOptional().describe(
      "Length of the notice: the grant is still in force but its usage can't grow. It precedes an expiry and follows a " +
        "revocation, a deletion or a reduction of the terms. Default 300 (60 for public realms). Before an expiry it is at " +
        "most half of the validity. 0: no notice.",
    ),
    drainSeconds: z.int().min(0).max(maxLadderSeconds).exactOptional().describe(
      "Length of the drain: after the end, pods are evicted and PodDisruptionBudgets are respected; then remaining pods " +
        "are deleted. Default 120.",
    ),
    volumes: z.enum(volumePolicies).exactOptional().describe(
      "Treatment of the guests' volumes after the last grant to the realm has ended. Retain (default): they stay in the " +
        "closed namespace. Delete: they are deleted, unless any grant in this namespace has had Retain.",
    ),
  }).exactOptional().describe("Termination of the grant, the same for expiry, revocation and deletion."),
  revocation: z.object({
    reason: z.string().max(1024).exactOptional().describe(
      "Reason, shown to the grantee. Can be added later, but not changed.",
    ),
    immediate: z.boolean().exactOptional().describe(
      "true: the grant ends at once, without a notice or the rest of one. That includes a grant that is being deleted. " +
        "Pods still have termination.drainSeconds. Can be added later, but not taken back.",
    ),
  }).exactOptional().describe(
    "If present, even if empty, ends the grant. Can't be removed; create a new grant instead.",
  ).meta(rules(
    {
      rule: "!has(oldSelf.reason) || oldSelf.reason == '' || (has(self.reason) && self.reason == oldSelf.reason)",
      message: "revocation.reason cannot be changed, because guests have read it; leave it as it is",
    },
    {
      rule: "!has(oldSelf.immediate) || !oldSelf.immediate || (has(self.immediate) && self.immediate)",
      message: "revocation.immediate cannot be taken back; create a new grant",
    },
  )),
}).meta(rules(
  {
    rule: "self.grantorRealm != self.granteeRealm",
    messageExpression: "'grantorRealm and granteeRealm are both ' + self.grantorRealm + '; they must be different'",
    message: "grantorRealm and granteeRealm must be different",
  },
  {
    rule: "self.grantorRealm == oldSelf.grantorRealm",
    messageExpression:
      "'grantorRealm cannot be changed from ' + oldSelf.grantorRealm + ' to ' + self.grantorRealm + '; create a new grant'",
    message: "grantorRealm cannot be changed; create a new grant",
  },
  {
    rule: "self.granteeRealm == oldSelf.granteeRealm",
    messageExpression:
      "'granteeRealm cannot be changed from ' + oldSelf.granteeRealm + ' to ' + self.granteeRealm + '; create a new grant'",
    message: "granteeRealm cannot be changed; create a new grant",
  },
  {
    rule: "!has(oldSelf.revocation) || has(self.revocation)",
    message: "revocation cannot be removed; create a new grant",
  },
)).describe("The terms of the grant. Written by the grantor.");

const resolvedDestination = z.object({
  destination: z.string().max(270).describe("The entry of spec.networkPolicy.allowedDestinations."),
  addresses: z.array(z.string().max(50)).max(64).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "CIDRs that the NetworkPolicy opens for it.",
  ),
  ports: z.string().max(32).exactOptional().describe("Ports and protocol, such as 443/TCP; absent: all."),
  error: z.string().max(1024).exactOptional().describe(
    "Reason that the destination opens nothing; other destinations are not affected.",
  ),
  narrowed: z.string().max(1024).exactOptional().describe("Reason that the destination opens less than it names."),
});

export const grantStatus = z.object({
  phase: z.enum(phases).exactOptional().describe(
    "Pending: not in force, see message. Active: enforced. Revoked and Expired: ended permanently.",
    // The cost estimate of the root rule needs a bound, even for an enum.
  ).meta({ maxLength: 16 }),
  state: z.enum(grantStates).exactOptional().describe(
    "The phase, or Ending: the grant is on notice until effectiveUntil, or its pods are being evicted after that.",
  ),
  message: z.string().max(32768).exactOptional().describe("Summary of the grant's state."),
  guestNamespace: z.string().max(63).exactOptional().describe("Namespace of the grantee's guests."),
  hard: shownQuantities.exactOptional().describe(
    "Enforced amounts, in canonical quantities. For a grant from a SuperEntity: this cluster's share.",
  ),
  sharedFrom: z.string().max(57).exactOptional().describe(
    "SuperEntity from whose pool this cluster's share (hard) is taken.",
  ),
  actualUsage: shownQuantities.exactOptional().describe(
    "Part of the guest namespace's usage that is attributed to this grant. Usage is attributed first to the grants that " +
      "last longest.",
  ),
  effectiveUntil: instant.exactOptional().describe(
    "Actual or expected end of the grant: of its validity, or earlier after a revocation or deletion. Fixed once the " +
      "grant is revoked, unless revocation.immediate ends it at once.",
  ),
  reductions: z.array(z.object({
    until: instant.describe("End of this notice, when the reduction takes effect."),
    hard: shownQuantities.describe("Amounts in force until then, where they exceed the present terms."),
    allowedDestinations: z.array(z.string().max(270)).max(maxDestinations).exactOptional().meta({
      "x-kubernetes-list-type": "atomic",
    }).describe("Destinations removed from the terms; they close then."),
    except: z.array(z.string().max(43)).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
      .describe("The networkPolicy.except of those destinations; it applies until then."),
  })).max(maxReductions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "Reductions on notice, the earliest end first: hard was lowered or destinations were removed while the grant was " +
      "Active. Each reduction has its own notice.",
  ),
  resolvedDestinations: z.array(resolvedDestination).max(maxDestinations).exactOptional().meta({
    "x-kubernetes-list-type": "atomic",
  }).describe("Addresses that each allowed destination opens."),
  except: z.array(z.string().max(43)).max(maxExceptions).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
    .describe("The networkPolicy.except in force."),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status describes."),
  conditions: conditions.exactOptional().describe(
    "GranteeKnown: the grantee is an existing Realm or an approved SuperEntity. QuotaApplied: admission enforces the " +
      "granted amounts. " +
      "NetworkApplied: the NetworkPolicies are in force. NetworkNarrowed: a destination opens less than it names " +
      "(absent otherwise). WritesClosed: guests can read and delete but not write (absent otherwise). AccessApplied: the " +
      "realm's subjects have access to the guest namespace. Draining: the grant or a part of it is on notice, or its pods " +
      "are being evicted. Overcommitted: usage exceeds the granted amounts. FitsCluster: the nodes have what this grant and " +
      "all others promise. Ready: the grant is in force and fully enforced.",
  ),
}).describe("Observed state. Written by the operator only.");

export type {
  GrantSpec,
  GrantStatus,
  GrantStatusResolvedDestination as ResolvedDestination,
} from "./client/keystone.io@v1alpha1.ts";

/** Finalizer that keeps a Grant until its enforcement has been removed. */
export const guestFinalizer = "keystone.io/guest";

export const grantDefinition: KindDefinition = {
  kind: "Grant",
  plural: "grants",
  singular: "grant",
  shortNames: ["kgrant"],
  description:
    "A Grant lends part of this cluster to another realm: CPU, memory, storage, devices and network destinations, " +
    "optionally until a date. The operator enforces it in the namespace guest-<granteeRealm> with a ResourceQuota and " +
    "NetworkPolicies, and ends it on time.",
  spec: grantSpec,
  status: grantStatus,
  rules: [
    nameRule,
    {
      rule:
        "!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in ['Expired', 'Revoked']) || " +
        "(self.spec == oldSelf.spec && has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)",
      messageExpression: "'this grant has ended (' + oldSelf.status.phase + '); create a new grant or delete this one'",
    },
  ],
  columns: [
    { name: "Grantor", type: "string", jsonPath: ".spec.grantorRealm", description: "Realm that lends" },
    { name: "Grantee", type: "string", jsonPath: ".spec.granteeRealm", description: "Realm that receives" },
    {
      name: "Phase",
      type: "string",
      // The state, because a grant on notice is Active for programs only.
      jsonPath: ".status.state",
      description: "Pending, Active, Ending (on notice, or pods are being evicted), Revoked or Expired",
    },
    { name: "CPU", type: "string", jsonPath: ".status.hard.requests\\.cpu", description: "Granted requests.cpu" },
    {
      name: "Memory",
      type: "string",
      jsonPath: ".status.hard.requests\\.memory",
      description: "Granted requests.memory",
    },
    {
      name: "Ends",
      type: "string",
      jsonPath: ".status.effectiveUntil",
      description: "Actual or expected end of the grant: of its validity, or earlier if it was revoked or deleted",
    },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    {
      name: "Message",
      type: "string",
      priority: 1,
      jsonPath: ".status.message",
      description: "Summary of the grant's state",
    },
  ],
};
