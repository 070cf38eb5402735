/** The fields of the custom resources' specs, as crds/ defines them: a field that is added there is here by itself. */
import { load } from "js-yaml";
import { root } from "../fixtures/test_operator.ts";

/** The part of a structural schema that is read here. */
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

/** Where a field is below an object: names of properties and of keys, and places in lists. */
export type Path = readonly (string | number)[];

export interface Field {
  path: Path;
  /** The path as people write it: `spec.hard[requests.cpu]`, `spec.members[0].realm`. */
  name: string;
  schema: FieldSchema;
  /** What the object that is mutated has there. */
  base: unknown;
}

/** The schema of a kind's spec. */
export async function specSchema(plural: string): Promise<FieldSchema> {
  const crd = load(await Deno.readTextFile(`${root}crds/${plural}.yaml`)) as {
    spec: { versions: { schema: { openAPIV3Schema: FieldSchema } }[] };
  };
  return crd.spec.versions[0]!.schema.openAPIV3Schema.properties!.spec!;
}

/** A field and all below it. Of maps and lists, those entries that the object has. */
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

/** The object with another value in one place, whose parents are made if need be; undefined takes the place away. */
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
