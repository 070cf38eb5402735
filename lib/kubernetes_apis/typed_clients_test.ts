/** Requests of the generated clients, with a transport that returns the request. */
import assert from "node:assert/strict";
import type { RequestOptions, RestClient } from "../kubernetes/mod.ts";
import { CoreV1Api } from "./core@v1.ts";
import { NetworkingV1Api } from "./networking.k8s.io@v1.ts";
import { StorageV1Api } from "./storage.k8s.io@v1.ts";

function recorder(answer: unknown = { metadata: {}, items: [] }): { rest: RestClient; sent: RequestOptions[] } {
  const sent: RequestOptions[] = [];
  const rest: RestClient = {
    performRequest: (options) => {
      sent.push(options);
      return Promise.resolve(structuredClone(answer) as never);
    },
    performStream: () => Promise.reject(new Error("not here")),
  };
  return { rest, sent };
}

const calls: [where: string, call: (rest: RestClient) => Promise<unknown>, request: string][] = [
  [
    "a cluster-scoped kind",
    (rest) => new StorageV1Api(rest).storageClasses.get("c"),
    "GET /apis/storage.k8s.io/v1/storageclasses/c",
  ],
  [
    "a kind in a namespace",
    (rest) => new CoreV1Api(rest).namespace("x").resourceQuotas.list(),
    "GET /api/v1/namespaces/x/resourcequotas",
  ],
  [
    "a kind in all namespaces",
    (rest) => new NetworkingV1Api(rest).networkPolicies.list(),
    "GET /apis/networking.k8s.io/v1/networkpolicies",
  ],
];

for (const [where, call, request] of calls) {
  Deno.test(`generated clients: ${where}`, async () => {
    const { rest, sent } = recorder();
    await call(rest);
    assert.deepEqual(sent.map(({ method, path }) => `${method} ${path}`), [request]);
  });
}

Deno.test("generated clients: unknown field: survives reading and writing", async () => {
  const stored = { metadata: { name: "q", later: { added: 1 } }, spec: { hard: { pods: "1" }, alsoLater: ["x"] } };
  const { rest, sent } = recorder(stored);
  const quotas = new CoreV1Api(rest).namespace("x").resourceQuotas;
  await quotas.replace(await quotas.get("q"));
  assert.deepEqual(sent[1]?.bodyJson, { apiVersion: "v1", kind: "ResourceQuota", ...stored });
});
