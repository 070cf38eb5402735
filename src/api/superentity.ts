/** The SuperEntity: realms that pool what they have, on terms that each of them has approved. */
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

/** Members are Realms: a SuperEntity of SuperEntities would have approvals that nobody in particular gives. */
const memberName = z.string().max(maxNameLength).meta(
  rules(naming(
    `self.matches('^[a-z0-9]([-a-z0-9]{0,${maxNameLength - 2}}[a-z0-9])?$')`,
    "self",
    `is not the name of a Realm: write lower-case letters, digits and dashes, at most ${maxNameLength} characters`,
  )),
);

const contribution = z.record(z.string(), quantity).meta({
  maxProperties: maxContributionKeys,
  ...rules(...hardRules("contribution", "superentity.spec.members.contribution")),
});

const digest = z.string().max(71).meta(rules(naming(
  "self.matches('^sha256:[0-9a-f]{64}$')",
  "self",
  "is not a digest; copy status.digest: sha256: and 64 hexadecimal digits",
)));

/** CEL of a small number as text: of what `string` makes the API server's estimate of costs knows no bound. */
const textOf = (number: string): string =>
  `[${Array.from({ length: maxMembers + 1 }, (_, index) => `'${index}'`).join(",")}][${number}]`;

const quorumRule: CelRule = {
  rule: "!has(self.quorum) || self.quorum <= self.members.size()",
  messageExpression:
    `'quorum is ' + ${textOf("self.quorum")} + ', but there are ' + ${textOf("self.members.size()")} + ` +
    "' members; write at most that many'",
  // Of more than there are numbers in the list.
  message: "quorum is more than there are members; write at most that many",
};

export const superEntitySpec = z.object({
  purpose: z.string().max(1024).exactOptional().describe("What the members have come together for. Part of the terms."),
  members: z.array(z.object({
    realm: memberName.describe("Name of a Realm. Each once."),
    contribution: contribution.exactOptional().describe(
      "What this realm puts into the pool, in the keys of a Grant's spec.hard; without it, nothing. Its own cluster " +
        "never enforces more of all grants from the SuperEntity together.",
    ),
  })).min(1).max(maxMembers).meta({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["realm"],
  }).describe("The realms that pool. Part of the terms: to let one join or leave, all approve anew."),
  quorum: z.int().min(1).max(maxMembers).exactOptional().describe(
    "How many of the members have to approve. Default: all of them. Part of the terms.",
  ),
  approvals: z.array(z.object({
    realm: memberName.describe("The member that approves. Admission asks for the verb approve on that Realm."),
    digest: digest.describe("status.digest of the terms that are approved; void as soon as these change."),
    approvedAt: validInstant.exactOptional().describe(
      "When, as the member says; status.approvals has when it was seen.",
    ),
  })).max(maxMembers).exactOptional().meta({
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["realm"],
  }).describe("The members' consent. Each member writes its own, and takes it back by removing it."),
  graceSeconds: z.int().min(0).max(604_800).default(defaultGraceSeconds).describe(
    "How long an approved member may be lost (disconnected, or its Realm deleted) before the SuperEntity is Incomplete.",
  ),
}).meta(rules(quorumRule)).describe("The terms, and who has approved them.");

const memberStates = ["NotFound", ...connectionStates] as const;
export type MemberState = (typeof memberStates)[number];

export const superEntityStatus = z.object({
  phase: z.enum(entityPhases).exactOptional().describe(
    "Pending: too few have approved these terms. Active: enough have. Incomplete: approved, but a member is lost or " +
      "gives less than it has promised; grants in force stay, new ones wait.",
  ),
  message: z.string().max(32768).exactOptional().describe("The state in one sentence."),
  digest: z.string().max(71).exactOptional().describe(
    "Of the terms and the members' subjects: sha256 of the RFC 8785 JSON of name, purpose, quorum and members. What " +
      "members approve.",
  ),
  approved: z.int().min(0).exactOptional().describe("How many members have approved these terms."),
  needed: z.int().min(0).exactOptional().describe("How many have to."),
  memberCount: z.int().min(0).exactOptional().describe("How many members there are."),
  pooled: shownQuantities.exactOptional().describe("The sum of what the approved members contribute."),
  members: z.array(z.object({
    realm: z.string().max(maxNameLength).describe("Name of the member."),
    state: z.enum(memberStates).describe("connectionState of its Realm; NotFound: there is none."),
    approved: z.boolean().describe("Whether it has approved these terms."),
    trustLevel: z.enum(trustLevels).exactOptional().describe("Trust of its Realm, as last known."),
    subjects: z.array(z.string().max(300)).max(32).exactOptional().meta({ "x-kubernetes-list-type": "atomic" })
      .describe(
        "Who acts for it, as its Realm says or last said. Part of what is approved.",
      ),
    lostSince: instant.exactOptional().describe("Since when it is lost; Incomplete follows graceSeconds later."),
  })).max(maxMembers).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "What is known of each member.",
  ),
  approvals: z.array(z.object({
    realm: z.string().max(maxNameLength).describe("Who approved."),
    digest: z.string().max(71).describe("What."),
    seenAt: instant.describe("When the operator first saw it."),
  })).max(maxMembers).exactOptional().meta({ "x-kubernetes-list-type": "atomic" }).describe(
    "The approvals that count: of these terms, by members.",
  ),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that this status is about."),
  conditions: conditions.exactOptional().describe(
    "Approved: enough members have approved these terms. MembersKnown: each member is a Realm. MembersPresent: no " +
      "approved member is lost beyond the grace. ContributionCovered: this cluster has what it contributes. Ready: all " +
      "of that.",
  ),
}).describe("What the operator sees. Written by the operator only.");

export type { SuperEntitySpec, SuperEntityStatus } from "./client/keystone.io@v1alpha1.ts";
export type { SuperEntitySpecMember as SuperEntityMember } from "./client/keystone.io@v1alpha1.ts";

export const superEntityDefinition: KindDefinition = {
  kind: "SuperEntity",
  plural: "superentities",
  singular: "superentity",
  shortNames: ["se"],
  description:
    "A SuperEntity is several realms that pool part of what they have, on terms that they approve. It can be grantor and " +
    "grantee like a realm: grants from it fit its pool and each member's cluster enforces its share; grants to it let in " +
    "the guests of all members that have approved.",
  spec: superEntitySpec,
  status: superEntityStatus,
  rules: [nameRule, noWordRule],
  columns: [
    { name: "Phase", type: "string", jsonPath: ".status.phase", description: "Pending, Active or Incomplete" },
    { name: "Members", type: "integer", jsonPath: ".status.memberCount", description: "How many realms pool" },
    { name: "Approved", type: "integer", jsonPath: ".status.approved", description: "How many have approved" },
    { name: "Needed", type: "integer", priority: 1, jsonPath: ".status.needed", description: "How many have to" },
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
