/** The calls of the generated clients as they leave: a stand-in for the transport answers with what it was asked. */
import assert from "node:assert/strict";
import type { RequestOptions, RestClient } from "../kubernetes/mod.ts";
import { CoreV1Api, type Namespace, type ResourceQuota } from "./core@v1.ts";
import { KeystoneV1alpha1Api } from "./keystone.io@v1alpha1.ts";
import { NetworkingV1Api } from "./networking.k8s.io@v1.ts";

function recorder(answer: unknown = { metadata: {}, items: [] }): { rest: RestClient; sent: RequestOptions[] } {
  const sent: RequestOptions[] = [];
  const rest: RestClient = {
    performRequest: (options) => {
      sent.push(options);
      return Promise.resolve(structuredClone(answer) as never);
    },
    performStream: (options) => {
      sent.push(options);
      return Promise.resolve(new ReadableStream({ start: (controller) => controller.close() }));
    },
  };
  return { rest, sent };
}

const namespace: Namespace = { metadata: { name: "n" } };
const quota: ResourceQuota = { metadata: { name: "q" }, spec: { hard: { pods: 1 } } };
const by = { fieldManager: "test" };

const calls: [what: string, call: (rest: RestClient) => Promise<unknown>, request: string][] = [
  ["get", (rest) => new CoreV1Api(rest).getNamespace("n"), "GET /api/v1/namespaces/n"],
  ["list", (rest) => new CoreV1Api(rest).getNamespaceList(), "GET /api/v1/namespaces"],
  ["create", (rest) => new CoreV1Api(rest).createNamespace(namespace), "POST /api/v1/namespaces"],
  ["replace", (rest) => new CoreV1Api(rest).replaceNamespace(namespace), "PUT /api/v1/namespaces/n"],
  [
    "apply",
    (rest) => new CoreV1Api(rest).applyNamespace(namespace, by),
    "PATCH /api/v1/namespaces/n?fieldManager=test",
  ],
  ["delete", (rest) => new CoreV1Api(rest).deleteNamespace("n"), "DELETE /api/v1/namespaces/n"],
  [
    "patch",
    (rest) => new CoreV1Api(rest).patchNamespace("n", {}, { type: "merge" }),
    "PATCH /api/v1/namespaces/n",
  ],
  [
    "apply of the status",
    (rest) => new KeystoneV1alpha1Api(rest).applyGrantStatus({ metadata: { name: "g" }, status: {} }, by),
    "PATCH /apis/keystone.io/v1alpha1/grants/g/status?fieldManager=test",
  ],
  [
    "patch of the status",
    (rest) => new KeystoneV1alpha1Api(rest).patchRealmStatus("r", {}, { type: "merge" }),
    "PATCH /apis/keystone.io/v1alpha1/realms/r/status",
  ],
  [
    "list in a namespace",
    (rest) => new CoreV1Api(rest).namespace("x").getResourceQuotaList({ limit: 2 }),
    "GET /api/v1/namespaces/x/resourcequotas?limit=2",
  ],
  [
    "list of all namespaces",
    (rest) => new NetworkingV1Api(rest).getNetworkPolicyListForAllNamespaces(),
    "GET /apis/networking.k8s.io/v1/networkpolicies",
  ],
  [
    "create in a namespace",
    (rest) => new CoreV1Api(rest).namespace("x").createResourceQuota(quota),
    "POST /api/v1/namespaces/x/resourcequotas",
  ],
];

for (const [what, call, request] of calls) {
  Deno.test(`generated clients: ${what}`, async () => {
    const { rest, sent } = recorder();
    await call(rest);
    assert.deepEqual(
      sent.map(({ method, path, querystring }) => `${method} ${path}${querystring ? `?${querystring}` : ""}`),
      [request],
    );
  });
}

Deno.test("generated clients: a watch asks for bookmarks from the version on", async () => {
  const { rest, sent } = recorder();
  for await (const _ of new CoreV1Api(rest).namespace("x").watchResourceQuotaList({ resourceVersion: "7" }));
  assert.equal(sent[0]?.path, "/api/v1/namespaces/x/resourcequotas");
  assert.equal(sent[0]?.querystring?.get("resourceVersion"), "7");
  assert.equal(sent[0]?.querystring?.get("allowWatchBookmarks"), "true");
});

Deno.test("generated clients: a field that the types don't know survives reading and writing", async () => {
  const stored = { metadata: { name: "q", later: { added: 1 } }, spec: { hard: { pods: "1" }, alsoLater: ["x"] } };
  const { rest, sent } = recorder(stored);
  const api = new CoreV1Api(rest).namespace("x");
  await api.replaceResourceQuota(await api.getResourceQuota("q"));
  assert.deepEqual(sent[1]?.bodyJson, { apiVersion: "v1", kind: "ResourceQuota", ...stored });
});
