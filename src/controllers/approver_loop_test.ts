import assert from "node:assert/strict";
import { ApiError, isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { approverName } from "../core/names.ts";
import { createQueues } from "../engine/run_loops.ts";
import { systemClock } from "../../lib/clock/mod.ts";
import { approverLoop } from "./approver_loop.ts";
import type { Context } from "./context.ts";
import { executorOf } from "./kinds.ts";
import { createStores } from "./stores.ts";

/**
 * Reconciles a realm whose subjects are still bound; the API server responds to the write with a 409 and this
 * message.
 */
async function answered(message: string): Promise<void> {
  const stores = createStores();
  const metadata = { name: approverName("bob-home"), uid: "u1", resourceVersion: "1" };
  const group = { kind: "Group", name: "keystone:realm:bob-home", apiGroup: "rbac.authorization.k8s.io" };
  stores.clusterBindings.observe({
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: metadata.name },
    subjects: [group],
  });
  const refused = new ApiError(message, { code: 409, reason: "", method: "PATCH", path: "" });
  const rest = { performRequest: () => Promise.reject(refused) } as unknown as RestClient;
  const context = {
    stores,
    local: () => ({ kind: "known", name: "alice-home" }),
    skewMs: () => 0,
  } as unknown as Context;
  context.executor = executorOf(rest, context);
  const queue = createQueues([approverLoop], systemClock)["approvers"]!;
  await approverLoop.reconcile("bob-home", { context, queue, signal: new AbortController().signal });
}

Deno.test("approver: API server refuses to remove a right: retried", async () => {
  await assert.rejects(answered("the object has been modified"), (error) => isApiError(error, 409));
});

Deno.test("approver: the right was removed with its Realm: no error", async () => {
  await answered("uid mismatch: the provided object specified uid u1, and no existing object was found");
});
