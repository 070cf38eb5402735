import assert from "node:assert/strict";
import type { NetworkPolicySpec } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { exceptionsOf, reachOf, selects } from "./reach.ts";

const guest = { ip: "10.1.0.1", namespace: "guest-a", labels: { app: "x" } };
const flow = { from: guest, to: { ip: "192.0.2.1" }, port: 443, protocol: "TCP" as const };
const allowed = (...specs: NetworkPolicySpec[]) =>
  reachOf(specs.map((spec, index) => ({ namespace: "guest-a", name: `p${index}`, spec })), flow);

const cases: [string, NetworkPolicySpec[], boolean, string[]][] = [
  ["no policy: all is allowed", [], true, []],
  ["a policy selects the pod and has no rule: denied", [{ podSelector: {}, policyTypes: ["Egress"] }], false, []],
  ["a policy only for ingress: egress is allowed", [{ podSelector: {}, policyTypes: ["Ingress"] }], true, []],
  [
    "a policy for other pods: allowed",
    [{ podSelector: { matchLabels: { app: "y" } }, policyTypes: ["Egress"] }],
    true,
    [],
  ],
  ["an empty list of peers: matches all", [{ podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [] }] }], true, [
    "p0",
  ]],
  [
    "several policies, one of which allows it: allowed",
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

Deno.test("a missing label: NotIn matches", () => {
  const notIn = { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["x"] }] };
  assert.deepEqual([selects(notIn, {}), selects(notIn, { tier: "x" }), selects(notIn, { tier: "y" })], [
    true,
    false,
    true,
  ]);
});

Deno.test("a named port: it is looked up in the target pod", () => {
  const spec: NetworkPolicySpec = {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [{ ports: [{ port: "web" as unknown as number }] }],
  };
  const to = (port: number) => ({ ...guest, namedPorts: [{ name: "web", port, protocol: "TCP" }] });
  const reach = (port: number) =>
    reachOf([{ namespace: "guest-a", name: "p", spec }], { ...flow, from: { ip: "192.0.2.1" }, to: to(port) }).allowed;
  assert.deepEqual([reach(443), reach(80)], [true, false]);
  const udp = { ...guest, namedPorts: [{ name: "web", port: 443, protocol: "UDP" }] };
  const policies = [{ namespace: "guest-a", name: "p", spec }];
  assert.equal(reachOf(policies, { ...flow, from: { ip: "192.0.2.1" }, to: udp }).allowed, false);
});

const peers: [string, NetworkPolicySpec, boolean][] = [
  ["a policy without types with egress rules: applies to egress", {
    podSelector: {},
    egress: [{ to: [{ ipBlock: { cidr: "198.51.100.0/24" } }] }],
  }, false],
  ["a policy without types and egress rules: does not apply to egress", { podSelector: {} }, true],
  ["an exception of a block: denied", {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [{ to: [{ ipBlock: { cidr: "192.0.2.0/24", except: ["192.0.2.0/28"] } }] }],
  }, false],
  [
    "a pod selector and an address outside the cluster: denied",
    { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ podSelector: {} }] }] },
    false,
  ],
  ["another port: denied", {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [{ ports: [{ port: 80 }, { port: 400, endPort: 442 }, { protocol: "UDP" }] }],
  }, false],
  [
    "a range of ports: allowed",
    { podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ port: 400, endPort: 443 }] }] },
    true,
  ],
  ["a rule with only a protocol: allowed", {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [{ ports: [{ protocol: "TCP" }] }],
  }, true],
];
for (const [that, spec, expected] of peers) {
  Deno.test(that, () => assert.equal(allowed(spec).allowed, expected));
}

Deno.test("a flow without a port: allowed only by rules without ports", () => {
  const { port: _, ...any } = flow;
  const of = (egress: NetworkPolicySpec["egress"]) =>
    reachOf(
      [{ namespace: "guest-a", name: "p", spec: { podSelector: {}, policyTypes: ["Egress"], egress: egress! } }],
      any,
    )
      .allowed;
  assert.deepEqual([of([{}]), of([{ ports: [{ protocol: "TCP" }] }]), of([{ ports: [{ port: 443 }] }])], [
    true,
    true,
    false,
  ]);
});

Deno.test("label selectors match by their operators", () => {
  const of = (operator: string, labels = {}) =>
    selects({ matchExpressions: [{ key: "a", operator, values: ["x"] }] }, labels);
  assert.deepEqual([of("In", { a: "x" }), of("In"), of("Exists", { a: "y" }), of("Exists")], [
    true,
    false,
    true,
    false,
  ]);
  assert.deepEqual([of("DoesNotExist"), of("DoesNotExist", { a: "x" }), of("Near"), selects(undefined)], [
    true,
    false,
    false,
    false,
  ]);
  assert.equal(selects({ matchLabels: { a: "x" } }, { a: "y" }), false);
});

Deno.test("a label named like a property of every object: exists only if it is set", () => {
  const exists = { matchExpressions: [{ key: "constructor", operator: "Exists" }] };
  assert.equal(selects(exists, {}), false);
  assert.equal(selects(exists, { constructor: "x" } as unknown as Record<string, string>), true);
});

Deno.test("an address in a rule's exception: reported with the range and the exception", () => {
  const egress = [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "192.168.0.0/16"] } }] }];
  const policy = {
    namespace: "guest-a",
    name: "grant-web",
    spec: { podSelector: {}, policyTypes: ["Egress" as const], egress },
  };
  const to = (ip: string) => {
    const asked = { ...flow, to: { ip } };
    return exceptionsOf(reachOf([policy], asked), asked).map(({ policy, cidr, except }) => [policy.name, cidr, except]);
  };
  assert.deepEqual(to("192.168.1.10"), [["grant-web", "0.0.0.0/0", "192.168.0.0/16"]]);
  assert.deepEqual(to("192.0.2.1"), []);
  assert.deepEqual(to("fd00::1"), []);
});
