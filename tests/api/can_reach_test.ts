/** Our evaluator of NetworkPolicies agrees with cyclonus, an independent one, on random policies and flows of all kinds. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { reachOf } from "../../src/core/reach/reach.ts";
import { flowText, judgeFlows, type TrafficFlow, type TrafficPeer } from "../fixtures/traffic.ts";

const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 1);
const sets = 40;
const flowsOfEach = 400;

const namespace = fc.constantFrom("guest-a", "guest-b", "kube-system");
const labels = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("x", "y"), { maxKeys: 2 });
const octet = fc.constantFrom(0, 1, 7, 255);
const ip = fc.oneof(
  fc.tuple(octet, octet).map(([c, d]) => `10.1.${c}.${d}`),
  fc.constantFrom("10.2.0.1", "192.0.2.9", "fd00::1", "fd00::1:7", "2001:db8::1"),
);
const cidr = fc.constantFrom("10.1.0.0/16", "10.1.7.0/24", "10.0.0.0/8", "0.0.0.0/0", "192.0.2.9/32", "fd00::/64");
const holes: Readonly<Record<string, string[]>> = {
  "10.1.0.0/16": ["10.1.7.0/24", "10.1.255.0/25"],
  "10.1.7.0/24": ["10.1.7.7/32"],
  "10.0.0.0/8": ["10.1.0.0/16", "10.2.0.1/32"],
  "0.0.0.0/0": ["10.0.0.0/8"],
  "192.0.2.9/32": [],
  "fd00::/64": ["fd00::1:0/112"],
};
const selector = fc.oneof(
  fc.constant({}),
  labels.map((matchLabels) => ({ matchLabels })),
  fc.record({
    key: fc.constantFrom("app", "tier"),
    // Not NotIn: unlike the API server, cyclonus treats a missing label as one of the values.
    operator: fc.constantFrom("In", "Exists", "DoesNotExist"),
    values: fc.subarray(["x", "y"], { minLength: 1 }),
  }).map(({ key, operator, values }) => ({
    matchExpressions: [{ key, operator, ...(operator.endsWith("In") ? { values } : {}) }],
  })),
);
const namespaceSelector = fc.oneof(
  fc.constant({}),
  namespace.map((name) => ({ matchLabels: { "kubernetes.io/metadata.name": name } })),
);
const peer = fc.oneof(
  cidr.chain((block) =>
    fc.subarray(holes[block]!).map((except) => ({
      ipBlock: { cidr: block, ...(except.length > 0 ? { except } : {}) },
    }))
  ),
  selector.map((podSelector) => ({ podSelector })),
  namespaceSelector.map((each) => ({ namespaceSelector: each })),
  fc.tuple(namespaceSelector, selector).map(([each, podSelector]) => ({ namespaceSelector: each, podSelector })),
);
const protocol = fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const);
const port = fc.oneof(
  protocol.map((each) => ({ protocol: each })),
  fc.tuple(protocol, fc.constantFrom(53, 80, 443)).map(([each, number]) => ({ protocol: each, port: number })),
  fc.tuple(protocol, fc.constantFrom(53, 80), fc.constantFrom(80, 443)).map(([each, first, endPort]) => ({
    protocol: each,
    port: first,
    endPort,
  })),
);
const some = <T>(of: fc.Arbitrary<T>) => fc.option(fc.array(of, { minLength: 1, maxLength: 3 }), { nil: undefined });
const defined = (object: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
const policy = fc.record({
  namespace,
  podSelector: selector,
  policyTypes: fc.constantFrom<string[]>(["Ingress"], ["Egress"], ["Ingress", "Egress"]),
  ingress: some(fc.tuple(some(peer), some(port)).map(([from, ports]) => defined({ from, ports }))),
  egress: some(fc.tuple(some(peer), some(port)).map(([to, ports]) => defined({ to, ports }))),
}).map(({ namespace, podSelector, policyTypes, ingress, egress }) => ({
  namespace,
  spec: defined({
    podSelector,
    policyTypes,
    ingress: policyTypes.includes("Ingress") ? ingress : undefined,
    egress: policyTypes.includes("Egress") ? egress : undefined,
  }),
}));
const end: fc.Arbitrary<TrafficPeer> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ ip, namespace, labels }) },
  { weight: 1, arbitrary: ip.map((address) => ({ ip: address })) },
);
const flow: fc.Arbitrary<TrafficFlow> = fc.record({
  from: end,
  to: end,
  port: fc.constantFrom(52, 53, 54, 79, 80, 81, 443, 444),
  protocol,
});

Deno.test("can-reach agrees with cyclonus", async () => {
  const all = fc.sample(fc.array(policy, { minLength: 1, maxLength: 6 }), { numRuns: sets, seed });
  let allowed = 0;
  const wrong: string[] = [];
  for (const [index, made] of all.entries()) {
    const policies = made.map(({ namespace, spec }, at) => ({
      metadata: { name: `p${at}`, namespace },
      spec,
    })) as unknown as NetworkPolicy[];
    const flows = fc.sample(flow, { numRuns: flowsOfEach, seed: seed + index });
    const verdicts = await judgeFlows(policies, flows);
    const placed = policies.map(({ metadata, spec }) => ({
      namespace: metadata!.namespace!,
      name: metadata!.name!,
      spec: spec!,
    }));
    for (const [at, each] of flows.entries()) {
      const ours = reachOf(placed, each).allowed;
      if (ours) allowed++;
      if (ours !== verdicts[at]) wrong.push(`${flowText(each)} is ${ours}: ${JSON.stringify({ each, policies })}`);
    }
  }
  const total = sets * flowsOfEach;
  console.log(`KEYSTONE_SEED=${seed}: ${total} flows, ${allowed} allowed`);
  assert.deepEqual(wrong.slice(0, 3), [], `KEYSTONE_SEED=${seed}: ${wrong.length} of ${total}`);
  assert.ok(allowed > total / 10 && allowed < total * 0.9, `${allowed} of ${total} are allowed`);
});
