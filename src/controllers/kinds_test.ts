import assert from "node:assert/strict";
import { ApiError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Effect } from "../core/effects.ts";
import type { Context } from "./context.ts";
import { executorOf } from "./kinds.ts";
import { createStores } from "./stores.ts";

/** Applies one effect with a partial context. */
const perform = (rest: RestClient, context: Partial<Context>, effect: Effect): Promise<void> =>
  executorOf(rest, context as Context).execute(effect, new AbortController().signal);

const binding = {
  metadata: {
    name: "keystone-guest",
    namespace: "guest-bob-home",
    uid: "u1",
    resourceVersion: "1",
    labels: { "app.kubernetes.io/managed-by": "keystone" },
  },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keystone-guest" },
};

for (const [code, isGone] of [[404, true], [409, false], [500, false]] as const) {
  Deno.test(`deletion answered with ${code}: ${isGone ? "done" : "retried, because the object may still exist"}`, async () => {
    const rest = {
      performRequest: () => Promise.reject(new ApiError("no", { code, reason: "", method: "DELETE", path: "" })),
    } as unknown as RestClient;
    const stores = createStores();
    stores.bindings.observe(binding);
    const object = { kind: "RoleBinding", namespace: "guest-bob-home", name: "keystone-guest", uid: "u1" } as const;
    const done = perform(rest, { stores }, { delete: object });
    if (isGone) await done;
    else await assert.rejects(done, ApiError);
    assert.equal(stores.bindings.get("guest-bob-home/keystone-guest") === undefined, isGone);
  });
}

Deno.test("deleting all claims: one that can't be deleted doesn't hold up the others", async () => {
  const deleted: string[] = [];
  const rest = {
    performRequest: ({ method, path }: RequestOptions) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (method === "GET") {
        const items = ["fat", "other"].map((name) => ({ metadata: { name, namespace: "guest-bob-home", uid: name } }));
        return Promise.resolve({ metadata: { resourceVersion: "1" }, items });
      }
      if (name === "fat") {
        return Promise.reject(new ApiError("request is too large", { code: 500, reason: "", method, path }));
      }
      deleted.push(name);
      return Promise.resolve();
    },
  } as unknown as RestClient;
  const deleteAll = { kind: "PersistentVolumeClaim", namespace: "guest-bob-home" } as const;
  await assert.rejects(perform(rest, {}, { deleteAll }), /request is too large/);
  assert.deepEqual(deleted, ["other"]);
});

for (const write of ["delete", "evict"] as const) {
  Deno.test(`${write} of a pod without room for its deletion timestamp: room is made first`, async () => {
    let isFat = true;
    const asked: string[] = [];
    const rest = {
      performRequest: ({ method, path, bodyJson }: RequestOptions) => {
        asked.push(`${method} ${path.slice(path.indexOf("pods/"))}`);
        if (method === "PATCH") {
          assert.deepEqual(Object.keys(bodyJson as object), ["metadata", "status"]);
          isFat = false;
        } else if (isFat) {
          return Promise.reject(
            new ApiError("etcdserver: request is too large", { code: 500, reason: "InternalError", method, path }),
          );
        }
        return Promise.resolve();
      },
    } as unknown as RestClient;
    const ended: string[] = [];
    const pods = { ending: (_: string, uid: string) => ended.push(uid) };
    const target = { kind: "Pod", namespace: "guest-bob-home", name: "fat", uid: "u1" } as const;
    await perform(
      rest,
      { pods: pods as unknown as Context["pods"] },
      write === "delete" ? { delete: target, graceSeconds: 30 } : { evict: target, graceSeconds: 30 },
    );
    const end = write === "delete" ? "DELETE pods/fat" : "POST pods/fat/eviction";
    assert.deepEqual([asked, ended], [[end, "PATCH pods/fat/status", end], ["u1"]]);
  });
}
