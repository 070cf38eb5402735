import assert from "node:assert/strict";
import { ApiError } from "../../../lib/kubernetes/mod.ts";
import { isRoomWarning, refusalSentence, serverRefusal, storageClassIn } from "./server_refusals.ts";

const refused = (message: string, code = 403, reason = "Forbidden") =>
  serverRefusal(
    new ApiError(message, { code, reason, method: "POST", path: "/api/v1/namespaces/guest-bob-home/pods" }),
  );

Deno.test("refusals: quotas and Keystone's webhook leave the answer to the arithmetic, with the amounts that they name", () => {
  const quota = refused(
    'pods "web" is forbidden: exceeded quota: keystone, requested: limits.cpu=1,fast.storageclass.storage.k8s.io/requests.storage=5Gi, ' +
      "used: limits.cpu=3, limited: limits.cpu=3",
  );
  assert.equal(quota.kind, "room");
  assert.deepEqual(quota.requested, { "limits.cpu": "1", "fast.storageclass.storage.k8s.io/requests.storage": "5Gi" });
  assert.equal(storageClassIn(quota.requested), "fast");
  assert.equal(storageClassIn({ "requests.storage": "5Gi" }), undefined);
  const webhook = refused(
    'admission webhook "workloads.keystone.io" denied the request: Pod web needs 3100m requests.cpu, but guest-bob-home is ' +
      "granted 2 in total: short by 1100m; 4 limits.cpu (2 pods with 2 each), but guest-bob-home is granted 2 in total: short by 2.",
  );
  assert.deepEqual([webhook.kind, webhook.byWebhook], ["room", true]);
  assert.deepEqual(webhook.requested, { "requests.cpu": "3100m", "limits.cpu": "4" });
});

Deno.test("refusals: guards, Pod Security, missing requests and invalid objects are final, whatever text they quote", () => {
  for (
    const message of [
      `pods "web" is forbidden: ValidatingAdmissionPolicy 'keystone-guest-pods' with binding 'x' denied request: spec.x is "exceeded quota: a, requested: b=1, used: "`,
      `pods "web" is forbidden: ValidatingAdmissionPolicy 'keystone-guest-pods' with binding 'x' denied request: admission webhook "workloads.keystone.io" denied the request: no`,
      'pods "web" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
      'pods "web" is forbidden: failed quota: keystone: must specify limits.cpu for: main',
      'pods "web" is forbidden: [maximum cpu usage per Container is 400m, but limit is 500m]',
    ]
  ) assert.equal(refused(message).kind, "final", message);
  assert.equal(refused('Deployment in version "v1" cannot be handled', 400, "BadRequest").kind, "final");
  assert.equal(refused('jobs.batch "a" already exists', 409, "AlreadyExists").kind, "final");
  assert.match(
    refusalSentence("failed quota: a: must specify limits.cpu for: main"),
    /main\. Set these requests and limits/,
  );
});

Deno.test("refusals: rights are known by RBAC's words; failures of the server are no answer", () => {
  const rights =
    'roles.rbac.authorization.k8s.io is forbidden: User "bob" cannot create resource "roles" in API group "x"';
  assert.equal(refused(rights).kind, "rights");
  assert.equal(refused("Internal error occurred: failed calling webhook", 500, "InternalError").kind, "unasked");
  assert.equal(refused("too many requests", 429, "TooManyRequests").kind, "unasked");
  assert.equal(refused("the object has been modified", 409, "Conflict").kind, "unasked");
  assert.equal(refused('admission webhook "x" does not support dry run', 400, "BadRequest").kind, "unasked");
  assert.throws(() => serverRefusal(new TypeError("other")), TypeError);
});

Deno.test("warnings of Keystone's webhook about room are left out; others are kept", () => {
  for (
    const text of [
      "Deployment web needs 2 requests.cpu (2 pods with 1 each), but only 1 of 4 is free in guest-bob-home now: short by 1.",
      "The roll-out of Deployment web will stall: it starts a new pod before it ends an old one.",
      "No pod of Deployment web can start: Container a has 2 limits.cpu.",
      "Grant alice-to-bob is on notice: running pods go on until then, but nothing may grow.",
    ]
  ) assert.ok(isRoomWarning(text), text);
  for (
    const text of [
      'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
      'unknown field "spec.size"',
      "policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+",
    ]
  ) assert.ok(!isRoomWarning(text), text);
});
