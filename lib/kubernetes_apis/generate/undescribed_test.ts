import assert from "node:assert/strict";
import { docComment } from "./doc_comment.ts";
import { documentOf, kubernetesGroups, typeOfSchema } from "./groups.ts";
import type { Document, Schema } from "./openapi.ts";
import { described, missing } from "./undescribed.ts";

Deno.test("an object in a list or map without a description says where it is", () => {
  const object: Schema = { type: "object", properties: { a: { type: "string" } } };
  const schema = described("Thing", {
    type: "object",
    properties: {
      status: {
        type: "object",
        properties: {
          parts: { type: "array", items: object },
          others: { type: "object", additionalProperties: { ...object, description: "Its own." } },
          names: { type: "array", items: { type: "string" } },
        },
      },
    },
  });
  const { parts, others, names } = schema.properties!.status!.properties!;
  assert.equal(parts!.items!.description, "One of `status.parts` in {@linkcode Thing}.");
  assert.equal((others!.additionalProperties as Schema).description, "Its own.");
  assert.equal(names!.items!.description, undefined);
});

Deno.test("a field of a type with no description, or only a link, gets the one that is known", () => {
  const metadata: Schema = { type: "string", description: "More info: https://git.k8s.io/x.md#metadata" };
  const { properties } = described("Lease", {
    type: "object",
    properties: { metadata, spec: { type: "object", properties: { metadata } } },
  });
  assert.equal(properties!.metadata!.description, missing.Lease!.metadata);
  assert.equal(properties!.spec!.properties!.metadata!.description, metadata.description);
});

Deno.test("what is said to have no description is there and has none", async () => {
  const undescribed = new Set<string>();
  for (const group of [undefined, ...kubernetesGroups]) {
    const document: Document = JSON.parse(await Deno.readTextFile(documentOf(group)));
    for (const [schemaName, schema] of Object.entries(document.components.schemas)) {
      for (const [field, { description }] of Object.entries(schema.properties ?? {})) {
        if (!docComment(description)) undescribed.add(`${typeOfSchema(kubernetesGroups, schemaName).type}.${field}`);
      }
    }
  }
  const said = Object.entries(missing).flatMap(([type, fields]) =>
    Object.keys(fields).map((field) => `${type}.${field}`)
  );
  assert.deepEqual(said.filter((field) => !undescribed.has(field)), []);
});
