import assert from "node:assert/strict";
import type { NetworkPolicySpec } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { reachOf, selects } from "./reach.ts";

const guest = { ip: "10.1.0.1", namespace: "guest-a", labels: { app: "x" } };
const flow = { from: guest, to: { ip: "192.0.2.1" }, port: 443, protocol: "TCP" as const };
const allowed = (...specs: NetworkPolicySpec[]) =>
  reachOf(specs.map((spec, index) => ({ namespace: "guest-a", name: `p${index}`, spec })), flow);

const cases: [string, NetworkPolicySpec[], boolean, string[]][] = [
  ["no policy allows all", [], true, []],
  ["one that selects and has no rule denies", [{ podSelector: {}, policyTypes: ["Egress"] }], false, []],
  ["one for ingress says nothing of egress", [{ podSelector: {}, policyTypes: ["Ingress"] }], true, []],
  [
    "one for other pods says nothing",
    [{ podSelector: { matchLabels: { app: "y" } }, policyTypes: ["Egress"] }],
    true,
    [],
  ],
  ["an empty list of peers is all", [{ podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [] }] }], true, ["p0"]],
  [
    "any of them is enough",
    [{ podSelector: {}, policyTypes: ["Egress"] }, {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "192.0.2.0/24" } }], ports: [{ port: 443 }] }],
    }],
    true,
    ["p1"],
  ],
];
for (const [that, specs, expected, by] of cases) {
  Deno.test(that, () => {
    const reach = allowed(...specs);
    assert.equal(reach.allowed, expected);
    assert.deepEqual(reach.egress.by.map(({ name }) => name), by);
  });
}

Deno.test("a label that is missing is not in any list", () => {
  const notIn = { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["x"] }] };
  assert.deepEqual([selects(notIn, {}), selects(notIn, { tier: "x" }), selects(notIn, { tier: "y" })], [
    true,
    false,
    true,
  ]);
});

Deno.test("a port by its name is one of the pod that is connected to", () => {
  const spec: NetworkPolicySpec = {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [{ ports: [{ port: "web" as unknown as number }] }],
  };
  const to = (port: number) => ({ ...guest, namedPorts: [{ name: "web", port, protocol: "TCP" }] });
  const reach = (port: number) =>
    reachOf([{ namespace: "guest-a", name: "p", spec }], { ...flow, from: { ip: "192.0.2.1" }, to: to(port) }).allowed;
  assert.deepEqual([reach(443), reach(80)], [true, false]);
});
