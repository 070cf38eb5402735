import { docComment } from "./doc_comment.ts";
import { referred, type Schema } from "./openapi.ts";

/** References of a declaration to other modules. */
export interface TypeContext {
  /** Returns the TypeScript name of a schema of this or another module, and notes that it must be imported. */
  reference(schemaName: string): string;
  /** Returns the name of a type of lib/kubernetes, and notes that it must be imported. */
  jsonValue(): string;
}

/** The documents have the same text for every kind, which doesn't mention who sets the field. */
const whereSet = "Set on every object from {@linkcode ResourceApi}; optional on objects to write.";

/**
 * Declares a schema of a document: an interface for an object with fields, otherwise a type alias. Nested objects are
 * declared before it as separate interfaces, named by their path (`GrantSpec`, `GrantStatusCondition`).
 *
 * @param apiVersion version of an object kind, whose two type fields become literal types
 */
export function declareType(name: string, schema: Schema, context: TypeContext, apiVersion?: string): string {
  const before: string[] = [];
  const text = schema.properties
    ? declareInterface(name, schema, context, before, apiVersion)
    : `${docComment(schema.description)}export type ${name} = ${typeOf(name, schema, context, before)};\n`;
  return [...before, text].join("\n");
}

function declareInterface(
  name: string,
  schema: Schema,
  context: TypeContext,
  before: string[],
  apiVersion?: string,
): string {
  const fields = Object.entries(schema.properties ?? {}).map(([field, part]) => {
    if (apiVersion && field === "apiVersion") {
      return `  /** ${whereSet} */\n  apiVersion?: ${JSON.stringify(apiVersion)};\n`;
    }
    if (apiVersion && field === "kind") return `  /** As \`apiVersion\`. */\n  kind?: ${JSON.stringify(name)};\n`;
    const optional = schema.required?.includes(field) ? "" : "?";
    const key = /^[A-Za-z_$][\w$]*$/.test(field) ? field : JSON.stringify(field);
    const type = typeOf(name + upperFirst(field), part, context, before);
    return `${docComment(part.description, "  ")}  ${key}${optional}: ${type};\n`;
  });
  if (schema["x-kubernetes-preserve-unknown-fields"]) fields.push("  [field: string]: unknown;\n");
  return `${docComment(schema.description)}export interface ${name} {\n${fields.join("")}}\n`;
}

/** @param name name of the interface, if the schema needs one */
function typeOf(name: string, schema: Schema, context: TypeContext, before: string[]): string {
  const type = typeUnlessNull(name, schema, context, before);
  return schema.nullable ? `${type} | null` : type;
}

function typeUnlessNull(name: string, schema: Schema, context: TypeContext, before: string[]): string {
  if (schema.$ref) return context.reference(referred(schema.$ref));
  // A reference with its own description or default is wrapped, because $ref allows nothing beside it.
  if (schema.allOf) {
    const [wrapped, ...others] = schema.allOf;
    if (!wrapped || others.length > 0) throw new Error(`${name}: allOf of ${schema.allOf.length} schemas, not of one.`);
    return typeOf(name, wrapped, context, before);
  }
  if (schema["x-kubernetes-int-or-string"]) return "number | string";
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return either.map((part, index) => typeOf(`${name}${index}`, part, context, before)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  switch (schema.type) {
    case "string":
    case "boolean":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array": {
      if (!schema.items) throw new Error(`${name}: an array without items.`);
      const item = typeOf(singular(name), schema.items, context, before);
      return item.includes(" ") ? `(${item})[]` : `${item}[]`;
    }
    case "object": {
      if (schema.properties) {
        before.push(declareInterface(name, schema, context, before));
        return name;
      }
      const { additionalProperties } = schema;
      return typeof additionalProperties === "object"
        ? `Record<string, ${typeOf(singular(name), additionalProperties, context, before)}>`
        : `Record<string, ${context.jsonValue()}>`;
    }
    // No type: any value, such as the default in a JSONSchemaProps.
    case undefined:
      return context.jsonValue();
    default:
      throw new Error(`${name}: unknown type ${JSON.stringify(schema.type)}.`);
  }
}

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const singular = (name: string): string =>
  name.endsWith("ies") ? `${name.slice(0, -3)}y` : name.replace(/(?<=ss|x|ch|sh)es$|(?<!s)s$/, "");
