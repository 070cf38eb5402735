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
