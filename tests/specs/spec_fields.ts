/** The fields of the custom resources' specs, from crds/: new fields are included by themselves. */
import { load } from "js-yaml";
import { root } from "../fixtures/test_operator.ts";

/** The parts of a structural schema that are read here. */
export interface FieldSchema {
  type?: string;
  format?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  properties?: Record<string, FieldSchema>;
  additionalProperties?: FieldSchema;
  items?: FieldSchema;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-validations"?: { rule: string }[];
}

/** The path of a field in an object: names of properties and of keys, and indexes of lists. */
export type Path = readonly (string | number)[];

export interface Field {
  path: Path;
  /** The path in the usual notation: `spec.hard[requests.cpu]`, `spec.members[0].realm`. */
  name: string;
  schema: FieldSchema;
  /** The value in the valid object. */
  base: unknown;
}

/** Returns the schema of a kind's spec. */
export async function specSchema(plural: string): Promise<FieldSchema> {
  const crd = load(await Deno.readTextFile(`${root}crds/${plural}.yaml`)) as {
    spec: { versions: { schema: { openAPIV3Schema: FieldSchema } }[] };
  };
  return crd.spec.versions[0]!.schema.openAPIV3Schema.properties!.spec!;
}

/** Returns a field and all below it; of maps and lists, the entries that the object has. */
export function fieldsOf(schema: FieldSchema, base: unknown, path: Path = ["spec"], name = "spec"): Field[] {
  const below = (inner: FieldSchema, key: string | number, text: string): Field[] =>
    fieldsOf(inner, (base as Record<string | number, unknown> | undefined)?.[key], [...path, key], name + text);
  const parts = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => below(inner, key, `.${key}`));
  const entries = schema.additionalProperties
    ? Object.keys(base ?? {}).flatMap((key) => below(schema.additionalProperties!, key, `[${key}]`))
    : [];
  const items = schema.items && Array.isArray(base) && base.length > 0 ? below(schema.items, 0, "[0]") : [];
  return [{ path, name, schema, base }, ...parts, ...entries, ...items];
}

/**
 * Returns the object with another value at the path, whose parents are created if necessary; undefined removes the
 * field.
 */
export function withValue(object: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const copy: Record<string | number, unknown> | unknown[] = Array.isArray(object)
    ? [...object]
    : { ...object as Record<string, unknown> };
  const inner = withValue((object as Record<string | number, unknown> | undefined)?.[key], rest, value);
  if (inner === undefined && Array.isArray(copy)) copy.splice(key as number, 1);
  else if (inner === undefined) delete (copy as Record<string | number, unknown>)[key];
  else (copy as Record<string | number, unknown>)[key] = inner;
  return copy;
}
