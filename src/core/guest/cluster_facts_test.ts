import assert from "node:assert/strict";
import { parseQuantity } from "../../../lib/quantity/mod.ts";
import { parseSettings } from "../../api/mod.ts";
import { cidr } from "../address.ts";
import { clusterFacts, type ClusterSources, type NodeSource } from "./cluster_facts.ts";

const node = (facts: Partial<NodeSource> = {}): NodeSource => ({
  name: "n1",
  podCIDRs: ["10.42.0.0/24"],
  addresses: ["192.0.2.1"],
  resources: ["cpu", "memory", "pods"],
  ...facts,
});
const unreadable: NodeSource = { name: "odd", unreadable: true, podCIDRs: [], addresses: [], resources: [] };
const factsOf = (nodes: NodeSource[], settings: unknown = {}, more: Partial<ClusterSources> = {}) =>
  clusterFacts({
    nodes,
    services: [],
    api: [],
    classes: [],
    unread: { nodes: false, services: false, api: false, classes: false, pods: false },
    ...more,
  }, parseSettings(settings));

Deno.test("cluster: a node can't be read: ranges stay closed unless the settings name them", () => {
  const { rangesUnknown } = factsOf([node(), unreadable]);
  assert.match(rangesUnknown!, /^Node odd can't be read, so some ranges .* Set clusterRanges\.pods/);
  const pods = ["10.42.0.0/16"];
  assert.match(factsOf([node(), unreadable], { clusterRanges: { pods } }).rangesUnknown!, /clusterRanges\.nodes/);
  assert.equal(
    factsOf([node(), unreadable], { clusterRanges: { pods, nodes: ["192.0.2.0/24"] } }).rangesUnknown,
    undefined,
  );
});

Deno.test("cluster: the quota gets only valid resource names, up to a limit", () => {
  const odd = ["hugepages-2Mi", "example.com/gpu", `example.com/${"x".repeat(63)}`, "a b/c", "Example.com/x", "x/y/z"];
  assert.deepEqual(factsOf([node({ resources: odd })]).extendedKeys, [
    "requests.example.com/gpu",
    "requests.hugepages-2Mi",
  ]);
  const many = Array.from({ length: 50_000 }, (_, index) => `example.com/d${index}`);
  assert.equal(factsOf([node({ resources: many })]).extendedKeys.length, 500);
});

Deno.test("cluster: capacity is the sum over the nodes, however large", () => {
  const all = factsOf([
    node({ allocatable: new Map([["cpu", parseQuantity("1e1002")]]) }),
    node({ name: "n2", allocatable: new Map([["cpu", parseQuantity("2")], ["pods", parseQuantity("110")]]) }),
    unreadable,
  ]);
  assert.equal(all.capacity!.get("requests.cpu")!.compare(parseQuantity("1E")), 1);
  assert.equal(all.capacity!.get("pods")!.toString(), "110");
});

Deno.test("cluster: a pod outside the known ranges: the ranges of pods are unknown", () => {
  const pods = [{ address: "10.42.0.9" }, { address: "192.168.77.9", pod: "default/nas" }];
  const outside = factsOf([node()], {}, { pods });
  assert.match(
    outside.rangesUnknown!,
    /^Pod default\/nas has the address 192\.168\.77\.9, but the known ranges of pods are 10\.42\.0\.0\/24\. Set clusterRanges/,
  );
  const configured = { clusterRanges: { pods: ["10.42.0.0/16", "192.168.77.0/24"] } };
  assert.equal(factsOf([node()], configured, { pods }).rangesUnknown, undefined);
  assert.match(
    factsOf([node()], { clusterRanges: { pods: ["10.42.0.0/16"] } }, { pods }).rangesUnknown!,
    /Pod default/,
  );
  assert.match(
    factsOf([], {}, { pods: [{ address: "fd00::9" }] }).rangesUnknown!,
    /^A pod has .* no range of pods is known/,
  );
  // A pod with the address of its node is as protected as the node.
  assert.equal(factsOf([node()], {}, { pods: [{ address: "192.0.2.1" }, { address: "" }] }).rangesUnknown, undefined);
});

Deno.test("cluster: the network plugin has pools: they are ranges of pods too, and replace missing podCIDRs", () => {
  const pods = [{ address: "192.168.77.9" }];
  const pools = ["192.168.0.0/16", "odd"];
  const facts = factsOf([node()], {}, { pools, pods });
  assert.equal(facts.rangesUnknown, undefined);
  assert.deepEqual(facts.ranges.map(cidr), ["10.42.0.0/24", "192.0.2.1/32", "192.168.0.0/16"]);
  assert.equal(factsOf([node({ podCIDRs: [] })], {}, { pools }).rangesUnknown, undefined);
  const unread = { nodes: false, services: false, api: false, classes: false, pods: true };
  assert.match(factsOf([node()], {}, { unread }).rangesUnknown!, /^The pods can't be listed.*clusterRanges\.pods/);
  assert.equal(factsOf([node()], { clusterRanges: { pods: ["10.42.0.0/16"] } }, { unread }).rangesUnknown, undefined);
});
