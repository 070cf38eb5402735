/**
 * Our evaluator of NetworkPolicies agrees with cyclonus, an independent one, on random policies and flows of all kinds.
 * The command finds the pods behind Services, names and addresses on a real API server, as far as who asks may read them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { reachOf } from "../../src/core/reach/reach.ts";
import type { ReachAnswer } from "../../src/core/reach/reach_answer.ts";
import { installed } from "../fixtures/in_force.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import { eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { flowText, judgeFlows, type TrafficFlow, type TrafficPeer } from "../fixtures/traffic.ts";
import { startLab } from "../lab/lab.ts";
import { deploymentOf, restrictedSpec } from "../lab/lab_workloads.ts";

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

const NAMESPACE = "guest-bob-home";
const resources = { limits: { cpu: "10m", memory: "8Mi" } };
const image = "example.com/none:1";

const servedPod = (name: string, namespace = NAMESPACE, labels: Record<string, string> = { app: name }) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace, labels },
  spec: restrictedSpec({ image, resources, ports: [{ name: "redis", containerPort: 6379 }] }),
});

const servedBy = (name: string, namespace: string, spec: Record<string, unknown>) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace },
  spec,
});

Deno.test("can-reach", {
  // The test makes pods ready that no node runs, and issues a kubeconfig.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base");
  await using operator = await startOperator(lab, {
    realm: "alice-home",
    tailnet: tailnetOf(
      { name: "alice-home", stableID: "n-alice", addresses: ["100.64.0.1"], online: true },
      { name: "bob-home", stableID: "n-bob", addresses: ["100.64.0.2"], online: true },
      { name: "redis", stableID: "n-redis", addresses: ["100.64.0.3"], online: true },
    ),
  });
  assert.ok(operator);
  await cluster.createRealm("bob-home", { trustLevel: "internal" });
  await cluster.createRealm("redis");
  const hard = { cpu: "2", memory: "4Gi", services: "5" };
  await cluster.create({ name: "alice-to-bob", to: "bob-home", hard, destinations: ["203.0.113.0/24:443"] });
  await cluster.grantIn("Active", "alice-to-bob");
  await lab.kubectl(["wait", "serviceaccount/default", "-n", NAMESPACE, "--for=create", "--timeout=20s"]);
  const apply = async (...objects: unknown[]) => {
    const { code, said } = await cluster.apply(...objects);
    assert.equal(code, 0, said);
  };
  await apply(
    servedPod("web"),
    servedPod("redis"),
    servedPod("coredns-1", "kube-system", { "k8s-app": "kube-dns" }),
    deploymentOf({ name: "front", namespace: NAMESPACE }, restrictedSpec({ image, resources })),
    servedBy("redis", NAMESPACE, { selector: { app: "redis" }, ports: [{ port: 80, targetPort: "redis" }] }),
    servedBy("pods", NAMESPACE, {
      clusterIP: "None",
      selector: { app: "redis" },
      ports: [{ port: 80, targetPort: 6379 }],
    }),
    servedBy("lost", NAMESPACE, { selector: { app: "redis" }, ports: [{ port: 80, targetPort: "http" }] }),
    servedBy("kube-dns", "kube-system", {
      selector: { "k8s-app": "kube-dns" },
      ports: [{ name: "dns", port: 53, protocol: "UDP" }, { name: "dns-tcp", port: 53 }],
    }),
  );
  const core = new CoreV1Api(cluster.rest);
  // Without its range of pods the operator opens no destination.
  await core.nodes.create({ metadata: { name: "n1" }, spec: { podCIDR: "10.1.0.0/24", podCIDRs: ["10.1.0.0/24"] } });
  await core.nodes.patch("n1", { status: { addresses: [{ type: "InternalIP", address: "10.9.0.1" }] } }, {
    type: "merge",
    subresource: "status",
  });
  /** Binds a pod to the node, as the scheduler would: endpoints are only pods of nodes that exist. */
  const bind = (namespace: string, name: string) =>
    cluster.rest.performRequest({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
      bodyJson: { metadata: { name }, target: { apiVersion: "v1", kind: "Node", name: "n1" } },
    });
  await Promise.all([bind(NAMESPACE, "web"), bind(NAMESPACE, "redis"), bind("kube-system", "coredns-1")]);
  /** Writes the status of a pod as its node would. */
  const ready = async (namespace: string, name: string, podIP: string, status = "True") => {
    const conditions = [{ type: "Ready", status, lastTransitionTime: "2026-01-01T00:00:00Z" }];
    await core.namespace(namespace).pods.patch(name, {
      status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions },
    }, { type: "merge", subresource: "status" });
  };
  await ready(NAMESPACE, "web", "10.1.0.1");
  await ready(NAMESPACE, "redis", "10.1.0.2");
  await ready("kube-system", "coredns-1", "10.1.0.53");
  const addressOf = async (namespace: string, name: string) =>
    (await core.namespace(namespace).services.get(name)).spec!.clusterIP!;
  const redis = await addressOf(NAMESPACE, "redis");
  const dns = await addressOf("kube-system", "kube-dns");

  const ask = async (kubeconfig: string, destination: string, source = "web") => {
    const said = await keystone(kubeconfig, ["can-reach", source, destination, "-n", NAMESPACE, "-o", "json"]);
    assert.notEqual(said.out, "", said.err);
    const answer = said.json() as ReachAnswer;
    assert.equal(said.code, answer.allowed === true ? 0 : 1);
    return answer;
  };
  const bob = `${await Deno.makeTempDir()}/bob.kubeconfig`;
  assert.equal((await keystone(lab.kubeconfig, ["kubeconfig", "bob-home", "--for", "10m", "--out", bob])).code, 0);

  await eventually("the endpoints are known", async () => {
    const answers = await Promise.all([`${redis}:80`, `${dns}:53/udp`].map((each) => ask(lab.kubeconfig, each)));
    return answers.every(({ allowed }) => allowed === true) || answers.map(({ message }) => message).join(" ");
  });

  const everybody: [string, boolean, RegExp][] = [
    ["pod/redis:6379", true, /guest-internal/],
    ["10.1.0.2:6379", true, /guest-internal/],
    [`${redis}:80`, true, /Service guest-bob-home\/redis .* → pod guest-bob-home\/redis, 10\.1\.0\.2:6379/],
    [`${redis}:81`, false, /has no port 81\/TCP/],
    ["redis:80", true, /Service guest-bob-home\/redis/],
    [`redis.${NAMESPACE}:80`, true, /Service guest-bob-home\/redis/],
    [`redis.${NAMESPACE}.svc.cluster.local:80`, true, /Service guest-bob-home\/redis/],
    ["service/redis", true, /6379/],
    ["pods:6379", true, /headless Service guest-bob-home\/pods/],
    ["lost:80", false, /pod redis declares no port named http/],
    ["203.0.113.7:443", true, /grant-alice-to-bob/],
    ["203.0.113.0/24:443", true, /grant-alice-to-bob/],
    ["203.0.112.0/23:443", false, /only a part is allowed: 203\.0\.113\.0\/24/],
    ["198.51.100.7:443", false, /egress is not allowed/],
  ];
  for (const [who, kubeconfig] of [["an administrator", lab.kubeconfig], ["a guest", bob]] as const) {
    await step(t, `${who}: Services, names and addresses lead to the pods behind them`, async () => {
      for (const [destination, allowed, message] of everybody) {
        const answer = await ask(kubeconfig, destination);
        assert.equal(answer.allowed, allowed, answer.message);
        assert.match(answer.message, message);
      }
      const { flows } = await ask(kubeconfig, "redis:80");
      assert.deepEqual(flows.map(({ from, to, port, allowed, by }) => [from, to, port, allowed, by]), [
        [`${NAMESPACE}/web`, `pod ${NAMESPACE}/redis (10.1.0.2)`, 6379, true, [`${NAMESPACE}/guest-internal`]],
      ]);
      assert.equal((await ask(kubeconfig, "redis:80", "deployment/front")).allowed, true);
    });
  }

  await step(t, "what only an administrator may read: not judged for a guest", async () => {
    const there = servedPod("db", "default");
    await apply(there);
    await ready("default", "db", "10.1.0.9");
    const cases: [string, boolean, boolean | null][] = [
      [`${dns}:53/udp`, true, null],
      ["kube-dns.kube-system:53/udp", true, null],
      ["bob-home:22", true, null],
      ["pod/default/db:5432", false, false],
      ["10.1.0.9:5432", false, false],
    ];
    for (const [destination, admin, guest] of cases) {
      const answers = [await ask(lab.kubeconfig, destination), await ask(bob, destination)];
      assert.deepEqual(answers.map(({ allowed }) => allowed), [admin, guest], `${destination}: ${answers[1]!.message}`);
    }
  });

  await step(t, "a Realm with the name of a Service: both can be named", async () => {
    assert.match((await ask(lab.kubeconfig, "redis:80")).message, /There is also a Realm of that name: realm\/redis/);
    assert.equal((await ask(lab.kubeconfig, "realm/redis:80")).allowed, false);
  });

  await step(t, "the pod behind a Service becomes unready: not reachable, and its name is reported", async () => {
    await ready(NAMESPACE, "redis", "10.1.0.2", "False");
    const answer = await eventually("the endpoint isn't ready", async () => {
      const answer = await ask(bob, "redis:80");
      return answer.allowed ? answer.message : answer;
    });
    assert.match(answer.message, /has no ready endpoint for port 80\/TCP: redis is not ready/);
    assert.equal((await ask(bob, "pod/redis:6379")).allowed, true);
  });

  await step(t, "text output: a word, the sentence, and the flows if they differ", async () => {
    const said = (destination: string, kubeconfig = lab.kubeconfig) =>
      keystone(kubeconfig, ["can-reach", "web", destination, "-n", NAMESPACE]);
    assert.match((await said("203.0.113.7:443")).out, /^yes {2}web can reach 203\.0\.113\.7:443: egress is allowed by/);
    assert.match((await said("198.51.100.7:443")).out, /^no {2}web can't reach .*allowedDestinations/);
    assert.match((await said(`${dns}:53/udp`, bob)).out, /^not judged {2}It is not known whether web can reach/);
    assert.equal((await said("internet")).code, 2);
  });
});
