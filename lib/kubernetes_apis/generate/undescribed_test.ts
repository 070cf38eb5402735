import assert from "node:assert/strict";
import { docComment } from "./doc_comment.ts";
import { documentOf, kubernetesGroups, typeOfSchema } from "./groups.ts";
import type { Document, Schema } from "./openapi.ts";
import { described, missing } from "./undescribed.ts";

Deno.test("object in a list or map without a description: described by its path", () => {
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

Deno.test("field without a description, or with only a link: has the one in the table", () => {
  const metadata: Schema = { type: "string", description: "More info: https://git.k8s.io/x.md#metadata" };
  const { properties } = described("Lease", {
    type: "object",
    properties: { metadata, spec: { type: "object", properties: { metadata } } },
  });
  assert.equal(properties!.metadata!.description, missing.Lease!.metadata);
  assert.equal(properties!.spec!.properties!.metadata!.description, metadata.description);
});

Deno.test("fields in the table: exist and have no description", async () => {
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
