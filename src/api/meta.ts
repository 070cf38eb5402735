/** What every kind of the group shares: its name, versions and the small schemas used in several kinds. */
import { z } from "zod";

export const group = "keystone.io";
export const apiVersionName = "v1alpha1";

/**
 * Revision of the custom resource definitions, written to each as the annotation {@linkcode revisionAnnotation} and
 * raised by one whenever a schema changes in a way that this operator relies on: an operator that finds a lower number
 * in the cluster says so instead of losing fields to pruning.
 */
export const schemaRevision = 5;
export const revisionAnnotation = "keystone.io/schema-revision";

/** A rule of the Common Expression Language that the API server evaluates on every write (KEP-2876). */
export interface CelRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  optionalOldSelf?: boolean;
}

/** Attaches CEL rules to a schema; the CRD generator carries them over. */
export const rules = (...list: CelRule[]): { "x-kubernetes-validations": CelRule[] } => ({
  "x-kubernetes-validations": list,
});

/**
 * A rule on a text whose message begins with that text.
 *
 * @param value CEL of the text
 * @param says what is wrong with it and what to write
 */
export const naming = (rule: string, value: string, says: string): CelRule => ({
  rule,
  messageExpression: `${value} + ' ${says}'`,
  // Instead of a message of more than one line, which the API server drops.
  message: `this value ${says}`,
});

/** Names of Realms, Grants and SuperEntities leave room for `guest-` within the 63 characters of a DNS label. */
export const maxNameLength = 57;

/** The rule on an object's own name; the CRD can only express it at the root of the schema. */
export const nameRule: CelRule = {
  // optionalOldSelf: an object that somehow has a bad name must still accept the removal of its finalizer.
  rule: `oldSelf.hasValue() || (self.metadata.name.size() <= ${maxNameLength} && !self.metadata.name.contains('.'))`,
  optionalOldSelf: true,
  messageExpression:
    `'metadata.name: ' + self.metadata.name + ' must be a DNS label of at most ${maxNameLength} characters, without dots: guest-<name> becomes a namespace'`,
};

/** The rule that keeps a word of allowedDestinations from being the name of a Realm or SuperEntity too. */
export const noWordRule: CelRule = {
  rule: "oldSelf.hasValue() || self.metadata.name != 'internet'",
  optionalOldSelf: true,
  message: "metadata.name: internet is what a Grant calls all public addresses; write another name",
};

/** The name of a Realm or SuperEntity as another object refers to it. */
export const realmName = z.string().max(maxNameLength).meta(
  rules(naming(
    `self.matches('^[a-z0-9]([-a-z0-9]{0,${maxNameLength - 2}}[a-z0-9])?$')`,
    "self",
    `is not the name of a Realm or SuperEntity: write lower-case letters, digits and dashes, at most ${maxNameLength} characters`,
  )),
);

/** An instant, RFC 3339; the API server refuses anything else. */
export const instant = z.string().max(40).meta({ format: "date-time" });

/** An instant that people write, which is read by a rule: the format alone lets lists pass, and zones that aren't. */
export const validInstant = instant.meta(rules({
  rule: "self.getFullYear() > 0",
  message: "write an instant (RFC 3339), such as 2026-01-01T00:00:00Z",
}));

/** A quantity as status shows it, canonical (`1500m`, `1Gi`). */
export const shownQuantities = z.record(z.string(), z.string().max(64));

/** Kubernetes' own condition (KEP-1623). */
export const condition = z.object({
  type: z.string().max(316).describe("What the condition is about, a positive adjective."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that was looked at."),
  lastTransitionTime: instant.describe("When status last changed."),
  reason: z.string().max(1024).describe("One CamelCase word saying why; stable, made for programs."),
  message: z.string().max(32768).describe("A sentence saying why and what to do; made for people."),
});

/** The conditions of an object, one of each type, sorted by type. */
export const conditions = z.array(condition).max(32).meta({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
});

export type { GrantStatusCondition as Condition } from "./client/keystone.io@v1alpha1.ts";
