/** The SuperEntity: realms that pool resources on terms that their members approve. */
import { z } from "zod";
import {
  type CelRule,
  conditions,
  instant,
  maxNameLength,
  nameRule,
  naming,
  noWordRule,
  rules,
  shownQuantities,
  validInstant,
} from "./meta.ts";
import { hardRules, quantity } from "./grant.ts";
import { connectionStates, trustLevels } from "./realm.ts";
import type { KindDefinition } from "./definition.ts";

export const defaultGraceSeconds = 600;
export const entityPhases = ["Pending", "Active", "Incomplete"] as const;
export type EntityPhase = (typeof entityPhases)[number];

const maxMembers = 64;
const maxContributionKeys = 32;

/** Members are Realms. For a SuperEntity as member nobody in particular would give the approval. */
const memberName = z.string().max(maxNameLength).meta(
  rules(naming(
    `self.matches('^[a-z0-9]([-a-z0-9]{0,${maxNameLength - 2}}[a-z0-9])?$')`,
    "self",
    `is not a valid Realm name; use lowercase letters, digits and dashes, at most ${maxNameLength} characters`,
  )),
);

const contribution = z.record(z.string(), quantity).meta({
  maxProperties: maxContributionKeys,
  ...rules(...hardRules("contribution", "superentity.spec.members.contribution")),
});

const digest = z.string().max(71).meta(rules(naming(
  "self.matches('^sha256:[0-9a-f]{64}$')",
  "self",
  "must be sha256: and 64 hexadecimal digits; copy it from status.digest",
)));

/** CEL expression of a small number as text. The API server's cost estimate has no bound for the result of `string`. */
const textOf = (number: string): string =>
  `[${Array.from({ length: maxMembers + 1 }, (_, index) => `'${index}'`).join(",")}][${number}]`;

const quorumRule: CelRule = {
  rule: "!has(self.quorum) || self.quorum <= self.members.size()",
  messageExpression: `'quorum is ' + ${textOf("self.quorum")} + '; it must be at most the number of members, ' + ` +
    textOf("self.members.size()"),
  // For numbers beyond the list in textOf.
  message: "quorum must be at most the number of members",
};

export const superEntitySpec = z.object({
  purpose: z.string().max(1024).exactOptional().describe("Purpose of the SuperEntity. Part of the terms."),
  members: z.array(z.object({
    realm: memberName.describe("Name of a Realm. Unique in the list."),
    contribution: contribution.exactOptional().describe(
      "Amounts that this realm puts into the pool, under the keys of a Grant's spec.hard. Default: nothing. All grants " +
        "from the SuperEntity together never get more than this of the realm's own cluster.",
    ),
  })).min(1).max(maxMembers).meta({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["realm"],
  }).describe("Member realms. Part of the terms: after a change, the members have to approve again."),
  quorum: z.int().min(1).max(maxMembers).exactOptional().describe(
    "Number of members that have to approve. Default: all. Part of the terms.",
  ),
  approvals: z.array(z.object({
    realm: memberName.describe("The approving member. Writing it requires the verb approve on that Realm."),
    digest: digest.describe("status.digest of the approved terms. The approval is void as soon as the digest changes."),
    approvedAt: validInstant.exactOptional().describe(
      "Time of the approval, as stated by the member. status.approvals has the time when the operator first saw it.",
    ),
  })).max(maxMembers).exactOptional().meta({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["realm"],
  }).describe("Approvals of the members. Each member writes its own, and withdraws it by removing it."),
  graceSeconds: z.int().min(0).max(604_800).default(defaultGraceSeconds).describe(
    "Time that an approved member may be lost (disconnected, or its Realm deleted) before the SuperEntity is Incomplete.",
  ),
}).meta(rules(quorumRule)).describe("The terms, and the members' approvals.");

const memberStates = ["NotFound", ...connectionStates] as const;
export type MemberState = (typeof memberStates)[number];

export const superEntityStatus = z.object({
  phase: z.enum(entityPhases).exactOptional().describe(
    "Pending: fewer than quorum members have approved the present terms. Active: enough have. Incomplete: approved, but " +
      "a member is lost or has less than it contributes; grants in force stay, new ones wait.",
  ),
  message: z.string().max(32768).exactOptional().describe("Summary of the SuperEntity's state in one sentence."),
  digest: z.string().max(71).exactOptional().describe(
    "Digest that members approve, of the terms and the members' subjects: sha256 of the RFC 8785 JSON of name, purpose, " +
      "quorum and members.",
  ),
  approved: z.int().min(0).exactOptional().describe("Number of members that have approved the present terms."),
  needed: z.int().min(0).exactOptional().describe("Number of approvals needed."),
  memberCount: z.int().min(0).exactOptional().describe("Number of members."),
  pooled: shownQuantities.exactOptional().describe("Sum of the approved members' contributions."),
  members: z.array(z.object({
    realm: z.string().max(maxNameLength).describe("Name of the member."),
    state: z.enum(memberStates).describe("connectionState of its Realm; NotFound: the Realm doesn't exist."),
    approved: z.boolean().describe("True if it has approved the present terms."),
    trustLevel: z.enum(trustLevels).exactOptional().describe("Last known trustLevel of its Realm."),
    subjects: z.array(z.string().max(300)).max(32).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
      .describe(
        "Last known subjects of its Realm. Part of the digest.",
      ),
    lostSince: instant.exactOptional().describe(
      "Time since which the member is lost. graceSeconds later the SuperEntity is Incomplete.",
    ),
  })).max(maxMembers).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "Observed state of each member.",
  ),
  approvals: z.array(z.object({
    realm: z.string().max(maxNameLength).describe("The approving member."),
    digest: z.string().max(71).describe("The approved digest."),
    seenAt: instant.describe("Time when the operator first saw the approval."),
  })).max(maxMembers).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "Valid approvals: of the present terms, by members.",
  ),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status describes."),
  conditions: conditions.exactOptional().describe(
    "Approved: enough members have approved the present terms. MembersKnown: every member's Realm exists. " +
      "MembersPresent: no approved member is lost for longer than graceSeconds. ContributionCovered: this cluster has the " +
      "resources that it contributes. Ready: all of these.",
  ),
}).describe("Observed state. Written by the operator only.");

export type { SuperEntitySpec, SuperEntityStatus } from "./client/keystone.io@v1alpha1.ts";
export type { SuperEntitySpecMember as SuperEntityMember } from "./client/keystone.io@v1alpha1.ts";

export const superEntityDefinition: KindDefinition = {
  kind: "SuperEntity",
  plural: "superentities",
  singular: "superentity",
  shortNames: ["se"],
  description:
    "A SuperEntity is a group of realms that pool part of their resources, on terms that they approve. It can be grantor " +
    "or grantee like a realm. Grants from it are limited to its pool, and each member's cluster enforces its own share. " +
    "Grants to it give access to the subjects of all members that have approved.",
  spec: superEntitySpec,
  status: superEntityStatus,
  rules: [nameRule, noWordRule],
  columns: [
    { name: "Phase", type: "string", jsonPath: ".status.phase", description: "Pending, Active or Incomplete" },
    { name: "Members", type: "integer", jsonPath: ".status.memberCount", description: "Number of members" },
    { name: "Approved", type: "integer", jsonPath: ".status.approved", description: "Number of approvals" },
    { name: "Needed", type: "integer", priority: 1, jsonPath: ".status.needed", description: "Approvals needed" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    {
      name: "Message",
      type: "string",
      priority: 1,
      jsonPath: ".status.message",
      description: "Summary of the SuperEntity's state",
    },
  ],
};
