/** Builds a kind's CustomResourceDefinition (apiextensions.k8s.io/v1, structural) from its zod schemas, without I/O. */
import { z } from "zod";
import { apiVersionName, type CelRule, group, revisionAnnotation, schemaRevision } from "./meta.ts";

/** A column of `kubectl get`. */
export interface PrinterColumn {
  name: string;
  type: "string" | "integer" | "date";
  jsonPath: string;
  description?: string;
  /** 0 (default): always shown; 1: with `-o wide`. */
  priority?: number;
}

/** Complete definition of a custom resource. */
export interface KindDefinition {
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  description: string;
  spec: z.ZodType;
  status: z.ZodType;
  /** CEL rules on the whole object. */
  rules: CelRule[];
  columns: PrinterColumn[];
}

type Schema = Record<string, unknown>;

/**
 * Returns the OpenAPI v3 schema of a zod type in the form that a CRD permits: structural (KEP-1979), so without `anyOf`
 * or `$ref`. CEL rules, list types and int-or-string are carried over from `.meta(…)`.
 *
 * @throws Error with the path of anything that a structural schema can't express
 */
export function structuralSchema(type: z.ZodType): Schema {
  const schema = z.toJSONSchema(type, {
    target: "openapi-3.0",
    io: "input",
    reused: "inline",
    cycles: "throw",
    unrepresentable: "throw",
  });
  return structural(schema as Schema, "");
}

const scalars = new Set([
  "type",
  "description",
  "format",
  "nullable",
  "enum",
  "default",
  "required",
  "minimum",
  "maximum",
  "maxLength",
  "minLength",
  "maxItems",
  "minItems",
  "maxProperties",
  "x-kubernetes-validations",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-int-or-string",
]);

function structural(schema: Schema, path: string): Schema {
  const out: Schema = {};
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  for (const [key, value] of Object.entries(schema)) {
    // x-kubernetes-int-or-string replaces zod's union.
    if (intOrString && (key === "anyOf" || key === "type")) continue;
    // zod adds the bounds of safe integers, which are of no use to a reader.
    if ((key === "minimum" || key === "maximum") && Math.abs(value as number) === Number.MAX_SAFE_INTEGER) continue;
    // Objects are closed by pruning.
    if (key === "additionalProperties" && value === false) continue;
    if (key === "propertyNames") continue;
    if (key === "properties") {
      out[key] = Object.fromEntries(
        Object.entries(value as Record<string, Schema>).map((
          [name, property],
        ) => [name, structural(property, `${path}.${name}`)]),
      );
    } else if (key === "items" || key === "additionalProperties") {
      out[key] = structural(value as Schema, `${path}[]`);
    } else if (scalars.has(key)) {
      out[key] = value;
    } else {
      throw new Error(`${path || "."}: a structural schema can't contain ${key}; express it in another way`);
    }
  }
  return out;
}

/** Builds the CustomResourceDefinition of a kind, with its keys in reading order. */
export function crdFrom(definition: KindDefinition): Schema {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${definition.plural}.${group}`,
      annotations: { [revisionAnnotation]: String(schemaRevision) },
      labels: { "app.kubernetes.io/name": "keystone", "app.kubernetes.io/component": "crd" },
    },
    spec: {
      group,
      scope: "Cluster",
      names: {
        kind: definition.kind,
        listKind: `${definition.kind}List`,
        plural: definition.plural,
        singular: definition.singular,
        ...(definition.shortNames.length > 0 ? { shortNames: definition.shortNames } : {}),
        categories: ["keystone"],
      },
      versions: [{
        name: apiVersionName,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: definition.columns,
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: definition.description,
            required: ["spec"],
            "x-kubernetes-validations": definition.rules,
            properties: {
              apiVersion: { type: "string" },
              kind: { type: "string" },
              metadata: { type: "object" },
              spec: structuralSchema(definition.spec),
              status: structuralSchema(definition.status),
            },
          },
        },
      }],
    },
  };
}
