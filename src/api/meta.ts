/** The API group's name and version, and the schemas that several kinds share. */
import { z } from "zod";

export const group = "keystone.io";
export const apiVersionName = "v1alpha1";

/**
 * Revision of the custom resource definitions, in each of them as the annotation {@linkcode revisionAnnotation}. Raise
 * it by one when a schema changes in a way that the operator relies on: an operator that finds a lower number in the
 * cluster reports it instead of losing fields to pruning.
 */
export const schemaRevision = 6;
export const revisionAnnotation = "keystone.io/schema-revision";

/** A CEL validation rule, which the API server evaluates on every write (KEP-2876). */
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
 * A validation rule whose message begins with the value.
 *
 * @param value CEL expression of the value
 * @param says rest of the message: the problem and the remedy
 */
export const naming = (rule: string, value: string, says: string): CelRule => ({
  rule,
  messageExpression: `${value} + ' ${says}'`,
  // For values of more than one line: the API server drops a messageExpression's result that contains a line break.
  message: `this value ${says}`,
});

/** Longest name of a Realm, Grant or SuperEntity: with `guest-` it fits the 63 characters of a DNS label. */
export const maxNameLength = 57;

/** The rule on an object's own name. A CRD can express it only at the root of the schema. */
export const nameRule: CelRule = {
  // optionalOldSelf: if an object exists with a bad name, its finalizer can still be removed.
  rule: `oldSelf.hasValue() || (self.metadata.name.size() <= ${maxNameLength} && !self.metadata.name.contains('.'))`,
  optionalOldSelf: true,
  messageExpression:
    `'metadata.name: ' + self.metadata.name + ' must be a DNS label of at most ${maxNameLength} characters, without dots, because guest-<name> becomes a namespace'`,
};

/** The rule that reserves a keyword of allowedDestinations: no Realm or SuperEntity may have it as name. */
export const noWordRule: CelRule = {
  rule: "oldSelf.hasValue() || self.metadata.name != 'internet'",
  optionalOldSelf: true,
  message: "metadata.name: internet is reserved for all public addresses in a Grant; choose another name",
};

/** The name of a Realm or SuperEntity as another object refers to it. */
export const realmName = z.string().max(maxNameLength).meta(
  rules(naming(
    `self.matches('^[a-z0-9]([-a-z0-9]{0,${maxNameLength - 2}}[a-z0-9])?$')`,
    "self",
    `is not a valid Realm or SuperEntity name; use lowercase letters, digits and dashes, at most ${maxNameLength} characters`,
  )),
);

/** An instant, RFC 3339; the API server refuses anything else. */
export const instant = z.string().max(40).meta({ format: "date-time" });

/** An instant in a spec, checked by a rule too: the format alone accepts lists and invalid time zones. */
export const validInstant = instant.meta(rules({
  rule: "self.getFullYear() > 0",
  message: "must be an RFC 3339 time, such as 2026-01-01T00:00:00Z",
}));

/** Quantities in a status, in canonical form (`1500m`, `1Gi`). */
export const shownQuantities = z.record(z.string(), z.string().max(64));

/** Kubernetes' own condition (KEP-1623). */
export const condition = z.object({
  type: z.string().max(316).describe("Type of the condition."),
  status: z.enum(["True", "False", "Unknown"]).describe("Status of the condition."),
  observedGeneration: z.int().min(0).exactOptional().describe("The metadata.generation that the condition describes."),
  lastTransitionTime: instant.describe("Time of the last change of status."),
  reason: z.string().max(1024).describe("Machine-readable reason in CamelCase; stable across releases."),
  message: z.string().max(32768).describe("Human-readable explanation, with the remedy if there is one."),
});

/** The conditions of an object, one of each type, sorted by type. */
export const conditions = z.array(condition).max(32).meta({
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
});

export type { GrantStatusCondition as Condition } from "./client/keystone.io@v1alpha1.ts";
