import assert from "node:assert/strict";
import { ApiError, type RequestOptions, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { Context } from "./context.ts";
import { createStores } from "./stores.ts";
import { perform } from "./write.ts";

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
  Deno.test(`a deletion answered with ${code} ${isGone ? "is done" : "is tried again: the object may still be there"}`, async () => {
    const rest = {
      performRequest: () => Promise.reject(new ApiError("no", { code, reason: "", method: "DELETE", path: "" })),
    } as unknown as RestClient;
    const stores = createStores();
    stores.bindings.observe(binding);
    const remove = { kind: "RoleBinding", namespace: "guest-bob-home", name: "keystone-guest", uid: "u1" } as const;
    const done = perform({ rest, stores } as Context, { remove }, new AbortController().signal);
    if (isGone) await done;
    else await assert.rejects(done, ApiError);
    assert.equal(stores.bindings.get("guest-bob-home/keystone-guest") === undefined, isGone);
  });
}

Deno.test("one claim that can't be deleted keeps no other", async () => {
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
  const removeVolumes = { namespace: "guest-bob-home" };
  await assert.rejects(
    perform({ rest } as Context, { removeVolumes }, new AbortController().signal),
    /request is too large/,
  );
  assert.deepEqual(deleted, ["other"]);
});
