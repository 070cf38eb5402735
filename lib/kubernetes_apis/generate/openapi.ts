/** The parts of Kubernetes' OpenAPI v3 documents that are used for generating. */
import { apiPath, type Group } from "./groups.ts";

/** A schema, with the keywords that Kubernetes uses. */
export interface Schema {
  description?: string | undefined;
  type?: string | undefined;
  format?: string | undefined;
  nullable?: boolean | undefined;
  enum?: string[] | undefined;
  required?: string[] | undefined;
  properties?: Record<string, Schema> | undefined;
  additionalProperties?: Schema | boolean | undefined;
  items?: Schema | undefined;
  allOf?: Schema[] | undefined;
  oneOf?: Schema[] | undefined;
  anyOf?: Schema[] | undefined;
  $ref?: string | undefined;
  "x-kubernetes-int-or-string"?: boolean | undefined;
  "x-kubernetes-preserve-unknown-fields"?: boolean | undefined;
}

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

export type Operation = { "x-kubernetes-action"?: string; "x-kubernetes-group-version-kind"?: GroupVersionKind };

/** A document; of each operation only its action and kind. */
export interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const prefix = "#/components/schemas/";

/** Returns the name of the schema that a `$ref` points to. */
export function referred($ref: string): string {
  if (!$ref.startsWith(prefix)) throw new Error(`The reference ${$ref} doesn't begin with ${prefix}.`);
  return $ref.slice(prefix.length);
}

/** Yields all schemas that a schema references, except itself. */
export function* references(schema: Schema): Generator<string> {
  if (schema.$ref) yield referred(schema.$ref);
  const { properties, additionalProperties, items, allOf, oneOf, anyOf } = schema;
  const parts = [...Object.values(properties ?? {}), ...(allOf ?? []), ...(oneOf ?? []), ...(anyOf ?? [])];
  if (items) parts.push(items);
  if (typeof additionalProperties === "object") parts.push(additionalProperties);
  for (const part of parts) yield* references(part);
}

/** Location of a kind in the API. */
export interface SchemaPlace {
  plural: string;
  namespaced: boolean;
}

/** Returns the location of a kind according to the document's paths. */
export function schemaPlaceOf(document: Document, group: Group, kind: string): SchemaPlace {
  const root = `/${apiPath(group)}/`;
  const isList = ([, operations]: [string, Record<string, Operation>]) =>
    operations.get?.["x-kubernetes-action"] === "list" &&
    operations.get["x-kubernetes-group-version-kind"]?.kind === kind && operations.post !== undefined;
  const path = Object.entries(document.paths).find(isList)?.[0];
  if (!path) throw new Error(`The OpenAPI document of ${root} has no collection of ${kind}.`);
  const namespaced = path.startsWith(`${root}namespaces/{namespace}/`);
  return { plural: path.split("/").at(-1)!, namespaced };
}
