import assert from "node:assert/strict";
import type { NetworkPolicySpec } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import {
  type MadeCluster,
  madeNode,
  madePod,
  madeReachFacts,
  madeService,
  madeSlice,
} from "../../../tests/fixtures/made_reach_facts.ts";
import { judgeReach } from "./reach_answer.ts";
import { ReachError } from "./reach_facts.ts";

const policy = (name: string, spec: Partial<NetworkPolicySpec>, namespace = "guest-a") => ({
  namespace,
  name,
  spec: { podSelector: {}, policyTypes: ["Ingress" as const, "Egress" as const], ...spec },
});
const kubeDns = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
  podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
};
/** Policies as in a guest namespace, with a grant of some addresses. */
const guestPolicies = [
  policy("default-deny", {}),
  policy("guest-internal", { ingress: [{ from: [{ podSelector: {} }] }], egress: [{ to: [{ podSelector: {} }] }] }),
  policy("dns", {
    policyTypes: ["Egress"],
    egress: [{ to: [kubeDns], ports: [{ port: 53 }, { port: 53, protocol: "UDP" }] }],
  }),
  policy("grant", {
    policyTypes: ["Egress"],
    egress: [{
      to: [{ ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.64/26"] } }],
      ports: [{ port: 443, endPort: 445 }],
    }],
  }),
];

const web = madePod("web", { ip: "10.1.0.1" });
const redis = madePod("redis", { ip: "10.1.0.2", ports: [{ name: "redis", containerPort: 6379 }] });
const endpoint = (name: string, ip: string, more = {}) => ({
  addresses: [ip],
  conditions: { ready: true },
  targetRef: { kind: "Pod", name, namespace: "guest-a" },
  nodeName: "n1",
  ...more,
});
const cluster: MadeCluster = {
  nodes: [madeNode("n1", "10.9.0.1"), madeNode("n2", "10.9.0.2")],
  pods: [
    web,
    redis,
    madePod("kube-system/dns", { ip: "10.1.0.53", labels: { "k8s-app": "kube-dns" } }),
    madePod("other/db", { ip: "10.1.0.9" }),
    madePod("early"),
  ],
  services: [
    madeService("redis", {
      clusterIP: "10.96.0.7",
      selector: { app: "redis" },
      ports: [{ port: 80, targetPort: "redis" }],
    }),
    madeService("kube-system/kube-dns", {
      clusterIP: "10.96.0.10",
      ports: [{ name: "dns", port: 53, protocol: "UDP" }, { name: "dns-tcp", port: 53, protocol: "TCP" }],
    }),
    madeService("other/db", { clusterIP: "10.96.0.9", type: "NodePort", ports: [{ port: 5432, nodePort: 30432 }] }),
  ],
  slices: [
    madeSlice("redis", [{ port: 6379 }], [endpoint("redis", "10.1.0.2")]),
    madeSlice("kube-system/kube-dns", [{ name: "dns", port: 53, protocol: "UDP" }, { name: "dns-tcp", port: 53 }], [
      { addresses: ["10.1.0.53"], conditions: { ready: true } },
    ]),
    madeSlice("other/db", [{ port: 5432 }], [{ addresses: ["10.1.0.9"], nodeName: "n1" }]),
  ],
  policies: guestPolicies,
  realms: { "bob-home": ["100.64.0.2"] },
  names: { "db.example.org": ["203.0.113.7"], "near.example.org": ["203.0.113.70"] },
};

const ask = (destination: string, more: MadeCluster = {}, source = "web") =>
  judgeReach(madeReachFacts({ ...cluster, ...more }), { namespace: "guest-a", source, destination }).answer;
const withService = (...more: Parameters<typeof madeService>[]) => ({
  services: [...cluster.services!, ...more.map((each) => madeService(...each))],
});

const internal = ["guest-a/guest-internal"];
const addresses: [string, boolean | null, RegExp, string[]?][] = [
  ["10.1.0.2:6379", true, /pod guest-a\/redis/, internal],
  ["pod/redis:6379", true, /guest-internal/, internal],
  [
    "10.96.0.7:80",
    true,
    /Service guest-a\/redis \(10\.96\.0\.7:80\) → pod guest-a\/redis, 10\.1\.0\.2:6379\/TCP/,
    internal,
  ],
  ["10.96.0.7", true, /6379/, internal],
  ["10.96.0.7:81", false, /has no port 81\/TCP: it has 80\/TCP/, []],
  ["10.96.0.7:80/udp", false, /has no port 80\/UDP/],
  ["10.96.0.10:53/udp", true, /kube-dns/, ["guest-a/dns"]],
  ["10.96.0.10:53", true, /kube-dns/, ["guest-a/dns"]],
  ["10.96.0.10", true, /and 1 more/, ["guest-a/dns"]],
  ["10.1.0.53:53/udp", true, /dns/],
  ["10.1.0.53:54/udp", false, /egress is not allowed/],
  ["10.96.0.9:5432", false, /pod other\/db.*egress is not allowed/],
  ["10.9.0.1:30432", false, /Service other\/db \(10\.9\.0\.1:30432\) → pod other\/db/],
  ["10.9.0.1:22", false, /node n1/],
  ["10.9.0.2:22", false, /node n2/],
  ["10.1.0.1:80", true, /the pod itself/, []],
  ["127.0.0.1:80", true, /the pod itself/, []],
  ["203.0.113.7:443", true, /^web can reach 203\.0\.113\.7:443: egress is allowed by grant\.$/, ["guest-a/grant"]],
  ["203.0.113.70:443", false, /egress is not allowed/],
  ["[2001:db8::1]:443", false, /web has no IPv6 address/, []],
];
for (const [destination, allowed, message, by] of addresses) {
  Deno.test(`web → ${destination}: ${allowed}`, () => {
    const answer = ask(destination);
    assert.equal(answer.allowed, allowed, answer.message);
    assert.match(answer.message, message);
    if (by) assert.deepEqual(answer.by, by);
  });
}

const named: [string, boolean | null, RegExp][] = [
  ["redis:80", true, /Service guest-a\/redis/],
  ["redis:redis", false, /has no port named redis/],
  ["redis.guest-a:80", true, /Service guest-a\/redis/],
  ["redis.guest-a.svc:80", true, /Service guest-a\/redis/],
  ["redis.guest-a.svc.cluster.local:80", true, /Service guest-a\/redis/],
  ["redis.guest-a.svc.cluster.local.:80", true, /Service guest-a\/redis/],
  ["redis.guest-a.:80", false, /redis\.guest-a does not resolve/],
  ["pod/redis:redis", true, /10\.1\.0\.2:6379\/TCP/],
  ["pod/redis:http", false, /declares no port named http/],
  ["10.1.0.2:redis", true, /10\.1\.0\.2:6379\/TCP/],
  ["203.0.113.7:http", null, /only ports of Services and pods have names/],
  ["kube-dns.kube-system:dns", true, /10\.1\.0\.53:53\/UDP/],
  ["service/redis:80", true, /Service guest-a\/redis/],
  ["svc/other/db:5432", false, /egress is not allowed/],
  ["10-1-0-2.guest-a.pod.cluster.local:6379", true, /pod guest-a\/redis/],
  ["bob-home:22", false, /Realm bob-home → 100\.64\.0\.2/],
  ["realm/bob-home:22", false, /Realm bob-home/],
  ["cache:80", false, /neither a Service cache in guest-a nor a Realm cache/],
  ["db.example.org:443", true, /db\.example\.org → 203\.0\.113\.7.*resolved by this machine/],
  ["near.example.org:443", false, /203\.0\.113\.70/],
  ["nothing.example.org:443", false, /does not resolve/],
  ["db.example.silent:443", null, /can't be resolved/],
  ["redis.guest-a.svc.other.domain:80", null, /--cluster-domain/],
  ["localhost:80", true, /the pod itself/],
  ["node/n2:22", false, /node n2/],
  ["pod/early:80", false, /not running/],
  ["pod/nobody:80", false, /does not exist/],
  ["pod/redis:6380", true, /declares port 6380\/TCP/],
];
for (const [destination, allowed, message] of named) {
  Deno.test(`web → ${destination}: ${allowed}`, () => {
    const answer = ask(destination);
    assert.equal(answer.allowed, allowed, answer.message);
    assert.match(answer.message, message);
  });
}

Deno.test("a range of ports or addresses: the allowed part is named", () => {
  assert.match(ask("203.0.113.7:440-450").message, /only a part is allowed: ports 443-445/);
  assert.equal(ask("203.0.113.7:443-445").allowed, true);
  assert.match(
    ask("203.0.113.0/24:443").message,
    /only a part is allowed: 203\.0\.113\.0\/26, 203\.0\.113\.128\/25\.$/,
  );
  assert.match(ask("203.0.113.128/25:443").message, /can reach .*: all of it: egress is allowed by grant/);
  assert.match(ask("203.0.112.0/23:443-446").message, /203\.0\.113\.0\/26 at ports 443-445/);
  assert.match(ask("198.51.100.0/24:443").message, /egress is not allowed/);
  assert.match(ask("10.0.0.0/8:80").message, /Pods, Services and nodes in 10\.0\.0\.0\/8 are judged one by one/);
});

Deno.test("a Realm with the name of a Service: the Service is taken, and both can be named", () => {
  const realms = { redis: ["100.64.0.9"] };
  assert.match(ask("redis:80", { realms }).message, /There is also a Realm of that name: realm\/redis/);
  assert.equal(ask("redis:80", { realms }).allowed, true);
  assert.equal(ask("realm/redis:80", { realms }).allowed, false);
});

Deno.test("endpoints that aren't ready: not reachable, and the reason is named", () => {
  const unready = endpoint("redis", "10.1.0.2", { conditions: { ready: false } });
  const slices = (...endpoints: (typeof unready)[]) => ({ slices: [madeSlice("redis", [{ port: 6379 }], endpoints)] });
  assert.match(ask("10.96.0.7:80", slices(unready)).message, /no ready endpoint for port 80\/TCP: redis is not ready/);
  assert.match(ask("10.96.0.7:80", slices()).message, /no ready endpoint.*pod redis is Running/);
  const leaving = endpoint("redis", "10.1.0.2", { conditions: { ready: false, serving: true, terminating: true } });
  assert.equal(ask("10.96.0.7:80", slices(leaving)).allowed, true);
  const typo = {
    ...withService(["lost", {
      clusterIP: "10.96.0.8",
      selector: { app: "redis" },
      ports: [{ port: 1, targetPort: "http" }],
    }]),
  };
  assert.match(ask("10.96.0.8:1", typo).message, /pod redis declares no port named http/);
  const nobody = withService(["lost", { clusterIP: "10.96.0.8", selector: { app: "x" }, ports: [{ port: 1 }] }]);
  assert.match(ask("10.96.0.8:1", nobody).message, /no pod matches its selector/);
});

Deno.test("a headless Service: its pods are reached at their own port", () => {
  const headless = withService(["redis", {
    clusterIP: "None",
    selector: { app: "redis" },
    ports: [{ port: 80, targetPort: 6379 }],
  }]);
  const services = { services: headless.services.slice(1) };
  assert.equal(ask("redis:6379", services).allowed, true);
  assert.equal(ask("redis:80", services).allowed, false);
  assert.match(
    ask("redis:80", services).message,
    /headless Service guest-a\/redis, where port 80 isn't translated: they serve 6379/,
  );
  assert.deepEqual(ask("redis", services).flows.map(({ port }) => port), [6379]);
});

Deno.test("a Service that is a name: its target decides, and loops end", () => {
  const alias = (externalName: string) => withService(["alias", { type: "ExternalName", externalName }]);
  assert.equal(ask("alias:443", alias("db.example.org")).allowed, true);
  assert.match(
    ask("alias:80", alias("redis.guest-a.svc.cluster.local")).message,
    /is the name redis.*Service guest-a\/redis/,
  );
  assert.match(ask("alias:80", alias("alias.guest-a.svc.cluster.local")).message, /leads back to itself/);
  assert.match(ask("alias:80", alias("10.1.0.2")).message, /an IP address, which DNS doesn't serve/);
  // Not by the pod's search path.
  assert.equal(ask("alias:80", alias("redis.guest-a")).allowed, false);
});

Deno.test("no policy opens DNS: names don't lead anywhere, addresses do", () => {
  const policies = guestPolicies.filter(({ name }) => name !== "dns");
  assert.match(ask("redis:80", { policies }).message, /name can't be looked up at Service kube-system\/kube-dns/);
  assert.equal(ask("redis:80", { policies }).allowed, false);
  assert.equal(ask("10.96.0.7:80", { policies }).allowed, true);
  assert.equal(ask("service/redis:80", { policies }).allowed, true);
});

Deno.test("a guest, who may read only their own namespace", () => {
  const guest = { only: "guest-a" };
  for (
    const destination of [
      "redis:80",
      "10.96.0.7:80",
      "10.1.0.2:6379",
      "pod/redis:6379",
      "203.0.113.7:443",
      "db.example.org:443",
    ]
  ) {
    assert.equal(ask(destination, guest).allowed, true, ask(destination, guest).message);
  }
  for (
    const destination of ["10.96.0.9:5432", "203.0.113.70:443", "pod/other/db:5432", "10.1.0.53:54/udp", "10.9.0.1:22"]
  ) {
    assert.equal(ask(destination, guest).allowed, false, ask(destination, guest).message);
  }
  const unknown: [string, RegExp][] = [
    ["10.96.0.10:53/udp", /allowed by dns if .* a pod or Service of another namespace, which you may not read/],
    ["pod/kube-system/dns:53/udp", /allowed by dns if/],
    ["kube-dns.kube-system:53/udp", /may be a Service of namespace kube-system/],
    ["bob-home:22", /no Service bob-home in guest-a, and Realm bob-home can't be read/],
    ["service/other/db:5432", /can't be read/],
  ];
  for (const [destination, message] of unknown) {
    const answer = ask(destination, guest);
    assert.equal(answer.allowed, null, answer.message);
    assert.match(answer.message, message);
    assert.equal(answer.flows.at(-1)!.allowed, null);
  }
});

Deno.test("policies of the target's namespace that can't be read: not judged, unless the egress is denied", () => {
  const open = { policies: [], only: "guest-a" };
  const answer = ask("pod/other/db:5432", open);
  assert.equal(answer.allowed, null);
  assert.match(answer.message, /the network policies of other decide too/);
});

Deno.test("a node port of another node: judged by that node's address", () => {
  const opened = policy("grant-node", {
    policyTypes: ["Egress"],
    egress: [{ to: [{ ipBlock: { cidr: "10.9.0.2/32" } }] }],
  });
  assert.equal(ask("10.9.0.2:30432").allowed, false);
  assert.equal(ask("10.9.0.2:30432", { policies: [...guestPolicies, opened] }).allowed, true);
  const fromPods = policy("deny", {
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ ipBlock: { cidr: "10.1.0.0/16" } }] }],
  }, "other");
  assert.equal(ask("10.9.0.2:30432", { policies: [...guestPolicies, opened, fromPods] }).allowed, null);
});

Deno.test("a node port at an address that no node reports: not judged if it matters", () => {
  const services = [
    ...cluster.services!,
    madeService("redis-too", { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] }),
  ];
  const slices = [...cluster.slices!, madeSlice("redis-too", [{ port: 6379 }], [endpoint("redis", "10.1.0.2")])];
  const answer = ask("192.168.1.2:30080", { services, slices });
  assert.equal(answer.allowed, null);
  assert.match(
    answer.message,
    /if 192\.168\.1\.2 is an address that a node doesn't report, it leads to Service guest-a\/redis-too/,
  );
  assert.equal(ask("192.168.1.2:30432").allowed, false);
  assert.equal(ask("192.168.1.2:30081", { services, slices }).allowed, false);
});

Deno.test("internalTrafficPolicy Local: only endpoints on the pod's node count", () => {
  const services = [
    madeService("redis", { clusterIP: "10.96.0.7", internalTrafficPolicy: "Local", ports: [{ port: 80 }] }),
  ];
  const on = (nodeName: string) => ({
    services,
    slices: [madeSlice("redis", [{ port: 6379 }], [endpoint("redis", "10.1.0.2", { nodeName })])],
  });
  assert.equal(ask("10.96.0.7:80", on("n1")).allowed, true);
  assert.match(ask("10.96.0.7:80", on("n2")).message, /internalTrafficPolicy Local, and no ready endpoint on node n1/);
});

Deno.test("a load balancer's address: translated by the node, except in mode Proxy", () => {
  const balanced = (ipMode: string, loadBalancerSourceRanges: string[] = []) =>
    withService(["lb", {
      type: "LoadBalancer",
      clusterIP: "10.96.0.8",
      loadBalancerSourceRanges,
      ports: [{ port: 443 }],
    }, {
      loadBalancer: { ingress: [{ ip: "198.51.100.1", ipMode }] },
    }]);
  const slices = [madeSlice("lb", [{ port: 6379 }], [endpoint("redis", "10.1.0.2")])];
  assert.equal(ask("198.51.100.1:443", { ...balanced("VIP"), slices }).allowed, true);
  assert.equal(ask("198.51.100.1:443", { ...balanced("Proxy"), slices }).allowed, false);
  assert.match(
    ask("198.51.100.1:443", { ...balanced("VIP", ["192.0.2.0/24"]), slices }).message,
    /loadBalancerSourceRanges/,
  );
});

Deno.test("an endpoint outside the cluster: its address is judged", () => {
  const abroad = withService(["abroad", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] }]);
  const at = (ip: string, port: number) => ({
    ...abroad,
    slices: [madeSlice("abroad", [{ port }], [{ addresses: [ip] }])],
  });
  assert.equal(ask("10.96.0.8:80", at("203.0.113.7", 443)).allowed, true);
  assert.equal(ask("10.96.0.8:80", at("203.0.113.7", 80)).allowed, false);
});

Deno.test("one of several endpoints is denied: no, with the count", () => {
  const other = madePod("locked", { ip: "10.1.0.3" });
  const lock = policy("lock", { podSelector: { matchLabels: { app: "locked" } }, policyTypes: ["Ingress"] });
  const policies = [...guestPolicies.filter(({ name }) => name === "dns"), lock];
  const slices = [
    ...cluster.slices!.slice(1),
    madeSlice("redis", [{ port: 6379 }], [endpoint("redis", "10.1.0.2"), endpoint("locked", "10.1.0.3")]),
  ];
  const open = policy("open", { policyTypes: ["Egress"], egress: [{}] });
  const answer = ask("10.96.0.7:80", { pods: [...cluster.pods!, other], policies: [...policies, open], slices });
  assert.equal(answer.allowed, false);
  assert.match(answer.message, /pod guest-a\/locked.*ingress is not allowed by lock.*1 of 2 flows are allowed/);
  assert.deepEqual(answer.by, ["guest-a/lock"]);
});

Deno.test("workloads and labels as sources", () => {
  const workloads = [
    {
      kind: "Deployment",
      metadata: { name: "front", uid: "d" },
      spec: { template: { metadata: { labels: { app: "front" } } } },
    },
    { kind: "ReplicaSet", metadata: { name: "front-1", uid: "r", ownerReferences: [{ uid: "d" }] } },
    { kind: "CronJob", metadata: { name: "nightly", uid: "c" }, spec: { jobTemplate: { spec: { template: {} } } } },
  ];
  const pods = [
    ...cluster.pods!,
    madePod("front-1-a", { ip: "10.1.0.4", owner: "r" }),
    madePod("front-1-b", { ip: "10.1.0.5", owner: "r" }),
  ];
  const of = (source: string) => ask("10.1.0.2:6379", { workloads, pods }, source);
  assert.deepEqual(of("deployment/front").flows.map(({ from }) => from), ["guest-a/front-1-a", "guest-a/front-1-b"]);
  assert.match(of("deploy/front").message, /^deploy\/front \(2 pods\) can reach/);
  assert.match(of("cronjob/nightly").message, /^cronjob\/nightly can reach/);
  assert.match(of("app=front,tier=x").message, /^a pod with app=front,tier=x can reach/);
  assert.match(of("early").message, /early has no address yet/);
  assert.equal(ask("deployment/front:80", { workloads, pods }).flows.length, 2);
  for (
    const [source, reason] of [["nobody", "missing"], ["ds/x", "missing"], ["service/redis", "usage"], [
      "a=b,c",
      "usage",
    ]] as const
  ) {
    assert.throws(() => of(source), (error) => error instanceof ReachError && error.reason === reason);
  }
});

Deno.test("two families: both are judged, as far as the pod has them", () => {
  const ips = ["10.1.0.2", "fd00::2"];
  const pods = [madePod("web", { ips: ["10.1.0.1", "fd00::1"] }), madePod("redis", { ips }), ...cluster.pods!.slice(2)];
  assert.deepEqual(ask("pod/redis:1", { pods }).flows.map(({ to }) => to), [
    "pod guest-a/redis (10.1.0.2)",
    "pod guest-a/redis (fd00::2)",
  ]);
  assert.equal(ask("[fd00:0::2]:1", { pods }).allowed, true);
  assert.equal(ask("pod/redis:1", { pods: [web, ...pods.slice(1)] }).flows.length, 1);
});

Deno.test("texts that name no destination: an error of usage", () => {
  for (
    const text of ["internet", "not a place", "redis:80-90", "pod/a/b/c:1", "node/x/y", "pod/web:99999", "10.0.0.300"]
  ) {
    assert.throws(() => ask(text), (error) => error instanceof ReachError && error.reason === "usage", text);
  }
});

Deno.test("an endpoint of a Service with several ports, at a port of the pod: not stopped by the other ports", () => {
  const services = [
    ...cluster.services!.slice(1),
    madeService("redis", {
      clusterIP: "10.96.0.7",
      ports: [{ name: "udp", port: 80, protocol: "UDP" }, { name: "tcp", port: 80 }],
    }),
  ];
  const ports = [{ name: "udp", port: 8081, protocol: "UDP" as const }, { name: "tcp", port: 6379 }];
  const slices = [...cluster.slices!.slice(1), madeSlice("redis", ports, [endpoint("redis", "10.1.0.2")])];
  assert.equal(ask("10-1-0-2.redis:6379", { services, slices }).allowed, true);
  assert.match(ask("10-1-0-2.redis:80", { services, slices }).message, /port 80 isn't translated: they serve 6379/);
});

Deno.test("an endpoint by its name within a Service: that endpoint only", () => {
  const slices = [
    ...cluster.slices!.slice(1),
    madeSlice("redis", [{ port: 6379 }], [endpoint("redis", "10.1.0.2", { hostname: "redis-0" })]),
  ];
  assert.equal(ask("redis-0.redis:6379", { slices }).allowed, true);
  assert.equal(ask("redis-1.redis:6379", { slices }).allowed, false);
  assert.equal(ask("10-1-0-2.redis.guest-a:6379", { slices }).allowed, true);
});

Deno.test("the pod's own DNS settings: who answers decides what a name is", () => {
  const pods = (spec: Record<string, unknown>) => ({
    pods: [madePod("web", { ip: "10.1.0.1", spec }), ...cluster.pods!.slice(1)],
  });
  assert.equal(ask("redis:80", pods({ dnsPolicy: "Default" })).allowed, false);
  assert.equal(ask("db.example.org:443", pods({ dnsPolicy: "Default" })).allowed, null);
  const own = (nameserver: string) => pods({ dnsPolicy: "None", dnsConfig: { nameservers: [nameserver] } });
  assert.equal(ask("db.example.org:443", own("192.0.2.53")).allowed, false);
  assert.equal(ask("redis.guest-a.svc.cluster.local:80", own("10.96.0.10")).allowed, true);
  const aliases = pods({ hostAliases: [{ ip: "10.1.0.2", hostnames: ["cache"] }] });
  assert.equal(
    ask("cache:6379", { ...aliases, policies: guestPolicies.filter(({ name }) => name !== "dns") }).allowed,
    true,
  );
  assert.match(ask("web:80").message, /the pod itself/);
});

Deno.test("a pod in its node's network: no policy restricts it, and pods of its node take its traffic", () => {
  const on = (node: string) => ({
    pods: [madePod("web", { ip: "10.9.0.1", spec: { hostNetwork: true } }), madePod("redis", { ip: "10.1.0.2", node })],
  });
  assert.equal(ask("pod/redis:6379", on("n1")).allowed, true);
  assert.equal(ask("pod/redis:6379", on("n2")).allowed, false);
  assert.equal(ask("198.51.100.1:1", on("n1")).allowed, true);
});

Deno.test("only a range of addresses opens a pod: allowed, with a note on network plugins", () => {
  const policies = [
    policy("open", { policyTypes: ["Egress"], egress: [{ to: [{ ipBlock: { cidr: "10.1.0.0/24" } }] }] }),
  ];
  assert.match(ask("pod/other/db:1", { policies }).message, /Only an address range opens pod other\/db/);
  assert.doesNotMatch(ask("pod/redis:1").message, /address range/);
});
