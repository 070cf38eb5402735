import { docComment } from "./doc_comment.ts";
import type { Schema } from "./openapi.ts";

const refused = "Refused by the API server in a CustomResourceDefinition.";
const forPeople = "For people only; not in the published OpenAPI.";

/** Descriptions of fields that a server's documents don't describe (or only by a link), by type and field. */
export const missing: Record<string, Record<string, string>> = {
  ExternalDocumentation: {
    description: "Description of the linked document.",
    url: "URL of the linked document.",
  },
  JSONSchemaProps: {
    $ref: refused,
    $schema: refused,
    additionalItems: refused,
    additionalProperties: "Schema of a map's values; not together with `properties`.",
    allOf: "Schemas that must all match.",
    anyOf: "Schemas of which at least one must match.",
    definitions: refused,
    dependencies: refused,
    description: "Purpose of the value, shown by `kubectl explain`.",
    enum: "The only values allowed.",
    example: forPeople,
    exclusiveMaximum: "True if the value must be less than `maximum`.",
    exclusiveMinimum: "True if the value must be greater than `minimum`.",
    externalDocs: forPeople,
    id: refused,
    items: "Schema of an array's items: one schema, not several.",
    maxItems: "Maximum number of an array's items.",
    maxLength: "Maximum number of a string's characters.",
    maxProperties: "Maximum number of an object's keys.",
    maximum: "Maximum of a number.",
    minItems: "Minimum number of an array's items.",
    minLength: "Minimum number of a string's characters.",
    minProperties: "Minimum number of an object's keys.",
    minimum: "Minimum of a number.",
    multipleOf: "Divisor of a number.",
    not: "Schema that must not match.",
    nullable: "True if `null` is allowed.",
    oneOf: "Schemas of which exactly one must match.",
    pattern: "A regular expression (RE2) that matches somewhere in a string, so anchor it.",
    patternProperties: refused,
    properties: "Schemas of an object's fields, by name.",
    required: "Required fields.",
    title: "Title for people.",
    type: "`object`, `array`, `string`, `integer`, `number` or `boolean`.",
    uniqueItems: "Refused when true; `x-kubernetes-list-type: set` has the same effect.",
  },
  Lease: { metadata: "Standard object's metadata." },
};

/**
 * Returns the schema of a type in which a field without a description has that of {@linkcode missing}, and an object
 * in a list or map has its path as description.
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
