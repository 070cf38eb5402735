import assert from "node:assert/strict";
import { requestKind } from "./request_kind.ts";

const cases: [string, string, boolean, string][] = [
  ["GET", "/apis/keystone.io/v1alpha1/grants", false, "list grants"],
  ["GET", "/apis/keystone.io/v1alpha1/grants", true, "watch grants"],
  ["PATCH", "/apis/keystone.io/v1alpha1/grants/alice-to-bob/status", false, "patch grants/status"],
  ["GET", "/api/v1/namespaces/guest-bob-home", false, "get namespaces"],
  ["PUT", "/api/v1/namespaces/guest-bob-home/finalize", false, "update namespaces/finalize"],
  ["POST", "/api/v1/namespaces", false, "create namespaces"],
  ["POST", "/api/v1/namespaces/guest-bob-home/pods/web-1/eviction", false, "create pods/eviction"],
  ["DELETE", "/api/v1/namespaces/guest-bob-home/pods/web-1", false, "delete pods"],
  ["GET", "/apis/networking.k8s.io/v1/namespaces/guest-bob-home/networkpolicies", true, "watch networkpolicies"],
  ["GET", "/version", false, "get other"],
  ["GET", "/metrics", true, "get other"],
];

for (const [method, path, stream, expected] of cases) {
  Deno.test(`${method} ${path}${stream ? " as a stream" : ""}: ${expected}`, () => {
    const { verb, resource } = requestKind({ method, path, stream });
    assert.equal(`${verb} ${resource}`, expected);
  });
}
