import { docComment } from "./doc_comment.ts";
import type { Schema } from "./openapi.ts";

const refused = "Refused by the API server in a CustomResourceDefinition.";
const forPeople = "For people; the published OpenAPI doesn't have it.";

/** What fields mean that a server's documents say nothing of (or no more than where to read), by type and field. */
export const missing: Record<string, Record<string, string>> = {
  ExternalDocumentation: {
    description: "What is found there.",
    url: "Where it is.",
  },
  JSONSchemaProps: {
    $ref: refused,
    $schema: refused,
    additionalItems: refused,
    additionalProperties: "What the values of a map are like; not together with `properties`.",
    allOf: "Schemas all of which have to hold.",
    anyOf: "Schemas of which at least one has to hold.",
    definitions: refused,
    dependencies: refused,
    description: "What the value is for; `kubectl explain` shows it.",
    enum: "The only values allowed.",
    example: forPeople,
    exclusiveMaximum: "Whether `maximum` itself is too great.",
    exclusiveMinimum: "Whether `minimum` itself is too small.",
    externalDocs: forPeople,
    id: refused,
    items: "What each entry of an array is like: one schema, not several.",
    maxItems: "How many entries an array has at most.",
    maxLength: "How many characters a string has at most.",
    maxProperties: "How many keys an object has at most.",
    maximum: "The greatest number allowed.",
    minItems: "How many entries an array has at least.",
    minLength: "How many characters a string has at least.",
    minProperties: "How many keys an object has at least.",
    minimum: "The smallest number allowed.",
    multipleOf: "What a number has to be divisible by.",
    not: "A schema that must not hold.",
    nullable: "Whether `null` is allowed as well.",
    oneOf: "Schemas of which exactly one has to hold.",
    pattern: "A regular expression (RE2) that matches somewhere in a string, so anchor it.",
    patternProperties: refused,
    properties: "What the fields of an object are like, by name.",
    required: "Which fields have to be there.",
    title: "A heading for people.",
    type: "`object`, `array`, `string`, `integer`, `number` or `boolean`.",
    uniqueItems: "Refused when true; `x-kubernetes-list-type: set` says the same.",
  },
  Lease: { metadata: "Standard object's metadata." },
};

/**
 * The schema of a type, where a field without a description has that of {@linkcode missing}, and an object in a list or
 * map one that says where it is.
 */
export function described(type: string, schema: Schema): Schema {
  const entry = (part: Schema, path: readonly string[]): Schema =>
    withDefault(within(part, path), part.properties && `One of \`${path.join(".")}\` in {@linkcode ${type}}.`);
  const within = (part: Schema, path: readonly string[]): Schema => {
    const { properties, items, additionalProperties } = part;
    const fields = Object.entries(properties ?? {}).map(([field, value]): [string, Schema] => [
      field,
      withDefault(within(value, [...path, field]), path.length === 0 ? missing[type]?.[field] : undefined),
    ]);
    return {
      ...part,
      ...(properties && { properties: Object.fromEntries(fields) }),
      ...(items && { items: entry(items, path) }),
      ...(typeof additionalProperties === "object" && { additionalProperties: entry(additionalProperties, path) }),
    };
  };
  return within(schema, []);
}

function withDefault(schema: Schema, description: string | undefined): Schema {
  return !description || docComment(schema.description) ? schema : { ...schema, description };
}
