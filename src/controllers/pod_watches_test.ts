import assert from "node:assert/strict";
import type { Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { createPodStore } from "./pod_watches.ts";

const pod = (name: string, spec: unknown, metadata: Record<string, unknown> = {}): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "guest-bob", uid: `uid-${name}`, resourceVersion: "1", ...metadata },
    spec,
  }) as Pod;

const asking = (amount: unknown) => ({
  containers: [{ name: "c", resources: { requests: { "example.com/foo": amount } } }],
});

Deno.test("pods: any quantity that the API server stores: read, saturated", () => {
  const store = createPodStore();
  for (const [index, text] of ["1e1002", "9".repeat(100_000), "1e2147483647", "1e4294967299"].entries()) {
    store.put(pod(`p${index}`, asking(text)));
  }
  assert.deepEqual(store.unreadable, []);
  assert.equal(store.get("guest-bob/p0")!.usage.get("requests.example.com/foo")!.toString(), "10e63");
  assert.equal(store.get("guest-bob/p3")!.usage.get("requests.example.com/foo")!.toString(), "1e3");
});

Deno.test("pods: unreadable: counts as a pod with unknown fields, and is reported", () => {
  const store = createPodStore();
  store.put(pod("odd", asking({ nested: true })));
  store.put(pod("leaving", asking([]), { deletionTimestamp: "2026-01-01T00:00:00Z" }));
  store.put(pod("fine", asking("1")));
  const [odd, leaving, fine] = ["odd", "leaving", "fine"].map((name) => store.get(`guest-bob/${name}`)!);
  assert.deepEqual([odd!.unreadable, odd!.uid, odd!.terminating, odd!.finished], [true, "uid-odd", false, false]);
  assert.deepEqual([leaving!.unreadable, leaving!.terminating], [true, true]);
  assert.equal(fine!.unreadable, undefined);
  assert.deepEqual(store.unreadable.map(({ name }) => name), ["odd", "leaving"]);
});

Deno.test("pods: missing and empty fields: no value", () => {
  const store = createPodStore();
  const specs = [
    undefined,
    null,
    {},
    { containers: null },
    { containers: [null, {}] },
    { containers: [{ resources: null }, { resources: { requests: null } }], initContainers: null, overhead: null },
    { resources: { requests: { constructor: "1", toString: "2", __proto__: "3" } } },
  ];
  for (const [index, spec] of specs.entries()) store.put(pod(`p${index}`, spec));
  store.put({ metadata: { name: "bare", namespace: "guest-bob" } } as Pod);
  assert.deepEqual(store.unreadable, []);
  assert.equal(store.size, specs.length + 1);
});
