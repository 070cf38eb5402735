import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import type { ClusterFacts } from "../../core/facts.ts";
import { capacityFindings } from "./capacity_findings.ts";

const facts = (there?: Record<string, string>): ClusterFacts => ({
  ranges: [],
  extendedKeys: [],
  storageClasses: ["fast"],
  provisioningClasses: ["fast"],
  ...(there
    ? { schedulable: new Map(Object.entries(there).map(([key, amount]) => [key, parseQuantity(amount)])) }
    : {}),
});

const grantOf = (name: string, hard: Record<string, string>, phase = "Active"): Grant =>
  ({ metadata: { name }, spec: { grantorRealm: "a", granteeRealm: "b", hard }, status: { phase } }) as Grant;

Deno.test("doctor: capacity: fits: amounts promised of those there", () => {
  assert.deepEqual(
    capacityFindings(facts({ "requests.cpu": "8" }), [grantOf("a", { cpu: "2" }), grantOf("b", { cpu: "3" })]),
    [
      {
        name: "capacity",
        status: "ok",
        message: "The nodes have what the grants promise together: 5 of 8 requests.cpu.",
        remedy: "",
      },
    ],
  );
});

Deno.test("doctor: capacity: more promised than there: totals, and the largest grants", () => {
  const grants = [
    grantOf("small", { cpu: "2" }),
    grantOf("large", { cpu: "1000" }),
    grantOf("over", { cpu: "500" }, "Expired"),
    grantOf("gpu", { "requests.nvidia.com/gpu": "1" }),
    grantOf("disk", { "slow.storageclass.storage.k8s.io/requests.storage": "1Gi" }),
  ];
  assert.deepEqual(
    capacityFindings(facts({ "requests.cpu": "8" }), grants).map(({ status, message }) => [status, message]),
    [
      ["warn", "2 grants promise 1002 requests.cpu (large 1k, small 2), but the nodes have 8."],
      ["warn", "1 grant promises 1 requests.nvidia.com/gpu (gpu 1), but no node has any."],
      ["warn", "Grants promise storage of the StorageClass slow, which doesn't exist."],
    ],
  );
});

Deno.test("doctor: capacity: no nodes: not compared, and no warning", () => {
  const [found, ...others] = capacityFindings(facts({}), [grantOf("a", { cpu: "2" })]);
  assert.deepEqual([found!.status, others], ["unknown", []]);
  assert.match(found!.message, /no node that takes guests' pods/);
});

Deno.test("doctor: capacity: nodes can't be read: not judged; no grants: nothing to say", () => {
  assert.deepEqual(capacityFindings(facts(), [grantOf("a", { cpu: "2" })]).map(({ status }) => status), ["unknown"]);
  assert.deepEqual(capacityFindings(facts(), []), []);
});
