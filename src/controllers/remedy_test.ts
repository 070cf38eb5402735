import assert from "node:assert/strict";
import { ApiError } from "../../lib/kubernetes/mod.ts";
import { isGone, isLeaving } from "../engine/gone.ts";
import { withRemedy } from "./remedy.ts";

const notFound = (message: string, details?: { name?: string; group?: string }) =>
  new ApiError(message, {
    code: 404,
    reason: "NotFound",
    method: "PATCH",
    path: "/apis/keystone.io/v1alpha1/grants/alice-to-bob/status",
    ...(details ? { details } : {}),
  });
const gone = notFound('grants.keystone.io "alice-to-bob" not found', { name: "alice-to-bob", group: "keystone.io" });
const unheardOf = notFound("the server could not find the requested resource", { group: "keystone.io" });

Deno.test("remedy: Grant was deleted: not taken for a missing custom resource definition", () => {
  assert.equal(withRemedy(gone), gone.message);
  assert.match(withRemedy(unheardOf), /Install the custom resource definitions/);
  assert.match(withRemedy(notFound("404 page not found")), /Install the custom resource definitions/);
});

Deno.test("remedy: custom resources older than the operator, as in a rollback: update them", () => {
  const said = "failed to create typed patch object (/bob-web; …): .status.except: field not declared in schema";
  const error = new ApiError(said, { code: 500, reason: "InternalError", method: "PATCH", path: "/apis/keystone.io" });
  assert.match(withRemedy(error), /Update the custom resource definitions/);
});

Deno.test("isGone: only for the object that was reconciled", () => {
  assert.equal(isGone(gone, "alice-to-bob"), true);
  assert.equal(isGone(gone, "bob-home"), false);
  assert.equal(isGone(unheardOf, "alice-to-bob"), false);
  assert.equal(isGone(notFound("404 page not found"), "alice-to-bob"), false);
  assert.equal(isGone(new Error("not found"), "alice-to-bob"), false);
});

Deno.test("isLeaving: only for a terminating namespace, not for other 403s", () => {
  const forbidden = (reason: string) =>
    new ApiError("forbidden", {
      code: 403,
      reason: "Forbidden",
      method: "POST",
      path: "/apis/events.k8s.io/v1/namespaces/guest-bob/events",
      details: { causes: [{ reason, message: "", field: "metadata.namespace" }] },
    });
  assert.equal(isLeaving(forbidden("NamespaceTerminating")), true);
  assert.equal(isLeaving(forbidden("FieldValueInvalid")), false);
  assert.equal(isLeaving(new Error("forbidden")), false);
});
