import assert from "node:assert/strict";
import type { Schema } from "./openapi.ts";
import { declareType } from "./declare_type.ts";

const names = {
  reference: (name: string) => name.slice(name.lastIndexOf(".") + 1),
  jsonValue: () => "JSONValue",
};
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/io.k8s.api.core.v1.${name}` });
const declare = (schema: Schema, apiVersion?: string) => declareType("Thing", schema, names, apiVersion);

const types: [what: string, schema: Schema, type: string][] = [
  ["a reference", ref("Pod"), "Pod"],
  ["a reference wrapped in allOf", { default: {}, description: "x", allOf: [ref("Pod")] } as Schema, "Pod"],
  ["an instant", { type: "string", format: "date-time" }, "string"],
  ["numbers", { type: "integer", format: "int64" }, "number"],
  ["an enum", { type: "string", enum: ["", "A-b"] }, `"" | "A-b"`],
  ["a list of an enum", { type: "array", items: { type: "string", enum: ["A", "B"] } }, `("A" | "B")[]`],
  ["a list of references", { type: "array", items: { allOf: [ref("Pod")] } }, "Pod[]"],
  ["a nullable", { type: "string", nullable: true }, "string | null"],
  ["a list of nullables", { type: "array", items: { type: "string", nullable: true } }, "(string | null)[]"],
  ["a quantity of the core API", { oneOf: [{ type: "string" }, { type: "number" }] }, "string | number"],
  [
    "int-or-string of a custom resource, however it is spelled",
    { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
    "number | string",
  ],
  ["int-or-string without a type", { "x-kubernetes-int-or-string": true }, "number | string"],
  ["a map", { type: "object", additionalProperties: { type: "string" } }, "Record<string, string>"],
  ["a map of anything", { type: "object", additionalProperties: {} }, "Record<string, JSONValue>"],
  ["a map that only says that it is one", { type: "object", additionalProperties: true }, "Record<string, JSONValue>"],
  ["a free-form object", { type: "object" }, "Record<string, JSONValue>"],
  [
    "a free-form object that is kept",
    { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    "Record<string, JSONValue>",
  ],
  ["anything", { description: "JSON" }, "JSONValue"],
  ["anything that is kept", { "x-kubernetes-preserve-unknown-fields": true }, "JSONValue"],
];

for (const [what, schema, type] of types) {
  Deno.test(`declared type: ${what}`, () => {
    const { description: _, ...undescribed } = schema;
    assert.equal(declare(undescribed), `export type Thing = ${type};\n`);
  });
}

Deno.test("interface: fields are optional unless required, described, unusual names are quoted", () => {
  assert.equal(
    declare({
      description: "A thing.",
      type: "object",
      required: ["name"],
      properties: { name: { type: "string" }, "x-y": { description: "Odd.", type: "boolean" } },
    }),
    `/** A thing. */
export interface Thing {
  name: string;
  /** Odd. */
  "x-y"?: boolean;
}
`,
  );
});

Deno.test("interface that keeps unknown fields: they are readable", () => {
  assert.equal(
    declare({ type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { a: { type: "string" } } }),
    "export interface Thing {\n  a?: string;\n  [field: string]: unknown;\n}\n",
  );
});

Deno.test("kind: apiVersion and kind are literal types", () => {
  assert.equal(
    declare({ type: "object", properties: { apiVersion: { type: "string" }, kind: { type: "string" } } }, "a.io/v1"),
    `export interface Thing {
  /** Set on every object from {@linkcode ResourceApi}; optional on objects to write. */
  apiVersion?: "a.io/v1";
  /** As \`apiVersion\`. */
  kind?: "Thing";
}
`,
  );
});

Deno.test("nested objects: interfaces named by their path, those of lists and maps in the singular", () => {
  const object: Schema = { type: "object", properties: { a: { type: "string" } } };
  const text = declare({
    type: "object",
    properties: {
      spec: { type: "object", nullable: true, properties: { policies: { type: "array", items: object } } },
      addresses: { type: "object", additionalProperties: object },
      status: object,
    },
  });
  assert.deepEqual([...text.matchAll(/interface (\w+)/g)].map(([, name]) => name), [
    "ThingSpecPolicy",
    "ThingSpec",
    "ThingAddress",
    "ThingStatus",
    "Thing",
  ]);
  assert.match(text, /spec\?: ThingSpec \| null;/);
  assert.match(text, /policies\?: ThingSpecPolicy\[\];/);
  assert.match(text, /addresses\?: Record<string, ThingAddress>;/);
});

const refused: [what: string, schema: Schema, message: RegExp][] = [
  ["allOf of several", { allOf: [ref("Pod"), ref("Node")] }, /Thing: allOf of 2 schemas/],
  ["an array without items", { type: "array" }, /Thing: an array without items/],
  ["an unknown type", { type: "tuple" as "array" }, /Thing: unknown type "tuple"/],
  ["a reference elsewhere", { $ref: "https://example.com/x" }, /The reference https:\/\/example.com\/x/],
];

for (const [what, schema, message] of refused) {
  Deno.test(`declared type: ${what}: refused`, () => assert.throws(() => declare(schema), { message }));
}
