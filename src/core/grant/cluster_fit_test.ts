import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { type ClusterRoom, fitCondition } from "./cluster_fit.ts";

const room = (there: Record<string, string>, others: Partial<ClusterRoom> = {}): ClusterRoom => ({
  there: new Map(Object.entries(there).map(([key, amount]) => [key, parseQuantity(amount)])),
  storageClasses: ["fast"],
  overbooked: new Set(),
  ...others,
});
const nodes = { "requests.cpu": "8", "requests.memory": "16Gi", pods: "110" };

const cases: [string, Record<string, string>, ClusterRoom, string, RegExp][] = [
  ["what the nodes have: fits", { "requests.cpu": "8", memory: "16Gi" }, room(nodes), "True Fits", /^The nodes have/],
  [
    "1000 cpu: exceeds, with both amounts",
    { cpu: "1000" },
    room(nodes),
    "False ExceedsCapacity",
    /1k requests\.cpu \(the nodes have 8\)\. Pods beyond that stay Pending: add nodes, or lower spec\.hard\.$/,
  ],
  [
    "no nodes: unknown, even if other grants promise the same",
    { cpu: "1", memory: "1Gi" },
    room({}, { overbooked: new Set(["requests.cpu"]) }),
    "Unknown NoNodes",
    /^The cluster has no node that takes guests' pods, so the amounts can't be compared\. Pods stay Pending/,
  ],
  [
    "no nodes, and terms without what nodes offer: fits",
    { "requests.storage": "1Gi", services: "5", "requests.cpu": "0" },
    room({}),
    "True Fits",
    /./,
  ],
  [
    "no nodes, and a storage class that doesn't exist: names the class",
    { cpu: "1", "slow.storageclass.storage.k8s.io/requests.storage": "1Gi" },
    room({}),
    "False NoStorageClass",
    /^There is no StorageClass slow/,
  ],
  [
    "a node without memory: no node has any",
    { cpu: "1", memory: "1Gi" },
    room({ "requests.cpu": "1" }),
    "False ExceedsCapacity",
    /1Gi requests\.memory \(no node has any\)/,
  ],
  [
    "a GPU that no node has",
    { "requests.nvidia.com/gpu": "1" },
    room(nodes),
    "False ExceedsCapacity",
    /1 requests\.nvidia\.com\/gpu \(no node has any\)/,
  ],
  [
    "a GPU that a node has",
    { "requests.nvidia.com/gpu": "1" },
    room({ ...nodes, "requests.nvidia.com/gpu": "2" }),
    "True Fits",
    /./,
  ],
  [
    "limits beyond the nodes: may exceed them",
    { "requests.cpu": "1", "limits.cpu": "1000" },
    room(nodes),
    "True Fits",
    /./,
  ],
  [
    "counts and storage: not the nodes'",
    { services: "1000", "requests.storage": "1Pi" },
    room(nodes),
    "True Fits",
    /./,
  ],
  ["zero of what no node has: fits", { "requests.nvidia.com/gpu": "0" }, room(nodes), "True Fits", /./],
  [
    "a storage class that doesn't exist",
    { "slow.storageclass.storage.k8s.io/requests.storage": "1Gi" },
    room(nodes),
    "False NoStorageClass",
    /^There is no StorageClass slow; its volumes stay Pending\. Create it/,
  ],
  [
    "storage classes can't be read: not judged",
    { "slow.storageclass.storage.k8s.io/requests.storage": "1Gi" },
    { there: room(nodes).there, overbooked: new Set() },
    "True Fits",
    /./,
  ],
  [
    "promised more than once: names the keys, no totals",
    { cpu: "4", memory: "1Gi" },
    room(nodes, { overbooked: new Set(["requests.cpu", "pods"]) }),
    "False Overbooked",
    /^All grants together promise more requests\.cpu than the nodes have/,
  ],
];

for (const [title, hard, of, expected, says] of cases) {
  Deno.test(`FitsCluster: ${title}`, () => {
    const { status, reason, message } = fitCondition(hard, of);
    assert.equal(`${status} ${reason}`, expected);
    assert.match(message, says);
  });
}
