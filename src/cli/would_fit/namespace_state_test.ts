import assert from "node:assert/strict";
import { type LiveObject, podOfTemplate } from "./namespace_state.ts";

const spec = (image: string, requests: Record<string, string>, more: Record<string, string> = {}) => ({
  containers: [{ name: "a", image, resources: { requests: { ...requests, ...more } } }],
});
const pod = (name: string, creationTimestamp: string, ofPod: object): LiveObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, creationTimestamp },
  spec: ofPod,
});
const found = (template: object, ...pods: LiveObject[]) =>
  podOfTemplate(template, template, { pods } as unknown as Parameters<typeof podOfTemplate>[2])?.metadata?.name;

Deno.test("a live pod of the template: the newest, with amounts from defaults", () => {
  const template = { spec: spec("one:1", { cpu: "1" }) };
  const pods = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"].map((at, index) =>
    pod(`main-${index}`, at, spec("one:1", { cpu: "1" }, { memory: "1Gi" }))
  );
  assert.equal(found(template, ...pods), "main-1");
});

Deno.test("a live pod of an earlier template, which nothing replaced: is none of the template", () => {
  const old = pod("main-0", "2026-01-01T00:00:00Z", spec("one:1", { cpu: "1" }));
  assert.equal(found({ spec: spec("one:1", { cpu: "1", "example.com/gpu": "1" }) }, old), undefined);
  assert.equal(found({ spec: spec("one:1", { cpu: "2" }) }, old), undefined);
  assert.equal(found({ spec: spec("one:2", { cpu: "1" }) }, old), undefined);
  const two = { spec: { ...spec("one:1", { cpu: "1" }), initContainers: [{ name: "i", image: "one:1" }] } };
  assert.equal(found(two, old), undefined);
});
