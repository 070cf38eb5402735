import assert from "node:assert/strict";
import { constantName } from "./clients.ts";

const names: [kind: string, plural: string, name: string][] = [
  ["Pod", "pods", "pods"],
  ["ResourceQuota", "resourcequotas", "resourceQuotas"],
  ["NetworkPolicy", "networkpolicies", "networkPolicies"],
  ["ServiceCIDR", "servicecidrs", "serviceCIDRs"],
  ["Ingress", "ingresses", "ingresses"],
  ["Endpoints", "endpoints", "endpoints"],
];

for (const [kind, plural, name] of names) {
  Deno.test(`resource of ${kind}: ${name}`, () => {
    assert.equal(constantName({ kind, place: { plural, namespaced: true } }), name);
  });
}
