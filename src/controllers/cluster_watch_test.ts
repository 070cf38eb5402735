import assert from "node:assert/strict";
import { nodeSource } from "./cluster_watch.ts";

Deno.test("cluster: node's status: every valid address counts, whatever its type", () => {
  const addresses = [
    { type: "InternalIP", address: "192.168.1.5" },
    { type: "ExternalIP", address: "203.0.113.5" },
    { type: "InternalIP", address: "fd00::5" },
    { type: "Hostname", address: "192.168.2.5" },
    { type: "Hostname", address: "node-1" },
    { type: "InternalDNS", address: "node-1.example.com" },
    { type: "example.com/Storage", address: "10.9.0.5" },
  ];
  assert.deepEqual(nodeSource({ metadata: { name: "n1" }, status: { addresses } }).addresses, [
    "192.168.1.5",
    "203.0.113.5",
    "fd00::5",
    "192.168.2.5",
    "10.9.0.5",
  ]);
});

Deno.test("cluster: annotations of network plugins: their ranges of pods count", () => {
  const annotations = {
    "kube-router.io/pod-cidr": "10.1.0.0/24",
    "kube-router.io/pod-cidrs": "10.1.0.0/24, fd00:1::/64",
    "k8s.ovn.org/node-subnets": '{"default":["10.2.0.0/24","fd00:2::/64"],"other":"10.3.0.0/24"}',
  };
  assert.deepEqual(
    nodeSource({ metadata: { name: "n1", annotations }, spec: { podCIDRs: ["10.0.0.0/24"] } }).podCIDRs,
    [
      "10.0.0.0/24",
      "10.1.0.0/24",
      "10.1.0.0/24",
      "fd00:1::/64",
      "10.2.0.0/24",
      "fd00:2::/64",
      "10.3.0.0/24",
    ],
  );
});
