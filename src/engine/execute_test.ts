import assert from "node:assert/strict";
import { ApiError, type KubernetesObject, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Effect, Kind } from "../core/effects.ts";
import { ApiExecutor, type KindRow } from "./execute.ts";

const grants = { group: "keystone.io", version: "v1alpha1", kind: "Grant", plural: "grants", namespaced: false };
const realms = { ...grants, kind: "Realm", plural: "realms" };
const of = { kind: "Grant", name: "one", uid: "u1" } as const;

/** An executor that records everything: requests, responses handed to its cache, events and pings. */
function begun(refusal?: ApiError) {
  const requests: { method: string; path: string; query: string; body: unknown }[] = [];
  const observed: unknown[] = [];
  const events: string[] = [];
  const pings: string[] = [];
  const cache = { observe: (object: KubernetesObject) => void observed.push(object.metadata), forget: () => {} };
  const rest = {
    performRequest: ({ method, path, querystring, bodyJson: body }: RequestOptions) => {
      requests.push({ method, path, query: `${querystring ?? ""}`, body });
      return refusal ? Promise.reject(refusal) : Promise.resolve({ metadata: { name: "answer" } });
    },
  } as unknown as RestClient;
  const kinds = {
    Grant: { resource: grants, cache: () => cache },
    Realm: { resource: realms, cache: () => cache },
  } as unknown as Record<Kind, KindRow>;
  const executor = new ApiExecutor({
    rest,
    fieldManager: "operator",
    finalizer: "example.com/held",
    kinds,
    events: { event: ({ reason }) => void events.push(reason) },
    ping: ({ realm }) => void pings.push(realm),
  });
  const execute = (effect: Effect) => executor.execute(effect, new AbortController().signal);
  return { requests, observed, events, pings, execute };
}

const event = { type: "Normal", reason: "Enforced", action: "Enforce", note: "It is." } as const;
const about = { apiVersion: "keystone.io/v1alpha1", ...of };
const apiVersion = "keystone.io/v1alpha1";

Deno.test("execute: status is applied: by UID, response goes into the cache, events follow", async () => {
  const { requests, observed, events, execute } = begun();
  await execute({ status: { phase: "Active" }, of, events: [{ event, about }] });
  assert.deepEqual(requests, [{
    method: "PATCH",
    path: "/apis/keystone.io/v1alpha1/grants/one/status",
    query: "fieldManager=operator&force=true",
    body: { apiVersion, kind: "Grant", metadata: { name: "one", uid: "u1" }, status: { phase: "Active" } },
  }]);
  assert.deepEqual([observed, events], [[{ name: "answer" }], ["Enforced"]]);
});

Deno.test("execute: write fails: records no events", async () => {
  const refusal = new ApiError("no", { code: 403, reason: "Forbidden", method: "PATCH", path: "" });
  const { observed, events, execute } = begun(refusal);
  await assert.rejects(execute({ status: {}, of, events: [{ event, about }] }), ApiError);
  assert.deepEqual([observed, events], [[], []]);
});

Deno.test("execute: finalizer: added by apply, removed by a patch of the observed version", async () => {
  const { requests, observed, execute } = begun();
  await execute({ finalizer: "add", of });
  assert.deepEqual(requests[0]!.body, {
    apiVersion,
    kind: "Grant",
    metadata: { name: "one", uid: "u1", finalizers: ["example.com/held"] },
  });
  await execute({ finalizer: "remove", of, others: ["another's"], resourceVersion: "7" });
  assert.deepEqual(requests[1]!.body, { metadata: { uid: "u1", resourceVersion: "7", finalizers: ["another's"] } });
  assert.equal(observed.length, 1, "an object without its finalizer isn't put back into the cache");
});

Deno.test("execute: apply isn't forced: other field managers win", async () => {
  const { requests, execute } = begun();
  const metadata = { name: "one", annotations: { a: "b" } };
  await execute({ apply: { apiVersion, kind: "Realm", metadata }, uid: "u1", unforced: true });
  assert.equal(requests[0]!.query, "fieldManager=operator");
  assert.deepEqual((requests[0]!.body as KubernetesObject).metadata, { ...metadata, uid: "u1" });
});

Deno.test("execute: events and pings: separate effects; without peers nothing is sent", async () => {
  const { requests, events, pings, execute } = begun();
  await execute({ event, about });
  await execute({ ping: { realm: "bob-home", stableID: "n1", address: "100.64.0.2" } });
  assert.deepEqual([events, pings, requests], [["Enforced"], ["bob-home"], []]);
  await assert.rejects(
    execute({ send: { realm: "bob-home", body: {} } }),
    /^Error: Can't send a message to bob-home: this operator has no connection to its peers\.$/,
  );
});
