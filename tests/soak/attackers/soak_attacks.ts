/**
 * The attacks of a hostile guest; each has rounds with random choices. The tests in tests/hostile check each attack's
 * outcome; here all attacks run at the same time.
 */
import type { GuardBody } from "../../../deploy/guards/guard.ts";
import { flood } from "../../hostile/flood.ts";
import { attacks as guardCases, laid, ordinaryOf, pathOf } from "../../hostile/guard_cases.ts";
import { guestPod } from "../../lab/lab_workloads.ts";
import type { SeededRandom } from "../../simulation/random.ts";
import type { Hands } from "./hands.ts";

/** One attack. */
export interface SoakAttack {
  name: string;
  /** Maximum pause after a round; half of that on average. */
  restMs: number;
  /** Runs one round. The API server's responses don't matter. */
  round(hands: Hands, random: SeededRandom): Promise<unknown>;
}

const tiny = { cpu: "1m", memory: "1Mi" };
/** Size of one object: etcd accepts requests of 1.5 MiB, and the API server stores somewhat more than the JSON. */
const fat = 1_400_000;

const podSpec = (): GuardBody & { containers: GuardBody[] } => JSON.parse(guestPod("x", tiny)).spec;

/** Returns a pod that the guards admit, with additions to its container. */
function pod(name: string, container: GuardBody = {}, spec: GuardBody = {}): GuardBody {
  const plain = podSpec();
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: "x" } },
    spec: { ...plain, containers: [laid(plain.containers[0]!, container)], ...spec },
  };
}

const padding = (bytes: number, letter: string): GuardBody => ({ env: [{ name: "FAT", value: letter.repeat(bytes) }] });

/** Returns an ordinary workload whose pods are like those of `pod`. */
function workload(kind: string, name: string, spec: GuardBody = {}, container: GuardBody = {}): GuardBody {
  const ends = kind === "Job" || kind === "CronJob";
  const plain = podSpec();
  const template = {
    metadata: { labels: { app: "x" } },
    spec: {
      ...plain,
      containers: [laid(plain.containers[0]!, container)],
      restartPolicy: ends ? "Never" : "Always",
    },
  };
  const ordinary = ordinaryOf(kind);
  const own = kind === "CronJob" ? { jobTemplate: { spec: { template } } } : { template };
  return { ...ordinary, metadata: { name }, spec: { ...ordinary.spec as GuardBody, ...own, ...spec } };
}

const letterOf = (random: SeededRandom): string => String.fromCharCode(97 + random.below(26));

/** Creates an object and deletes it again, by name or with all of its kind. */
async function comeAndGo(hands: Hands, random: SeededRandom, kind: string, object: GuardBody): Promise<void> {
  const collection = pathOf(kind, hands.namespace);
  await hands.ask("POST", collection, object);
  const { name } = object.metadata as { name: string };
  // One ConfigMap is the operator's, so a deletion of all of them is refused.
  if (random.percent(10)) await hands.ask("DELETE", collection);
  else await hands.ask("DELETE", `${collection}/${name}`);
}

const oddAmounts = ["1e1002", "1e-1002", "0.0000000001", "9223372036854775807", "999999999Ei", "1e18", "-1", "0x1", ""];
const oddNames = ["constructor", "tostring", "valueof", "hasownproperty", "prototype", "null", "undefined", "0"];
const oddKeys = ["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", ".proto", "-"];

/** Attacks of the guards' test table that are refused under all settings of a namespace. */
const refused = guardCases.filter(({ guard, settings }) =>
  guard !== "unknown-keys" && Object.keys(settings).length === 0
);

/** Requests that the guests' role and the guards never admit: a description, method, path and body. */
const outOfReach = (mine: string, others: string): [what: string, method: string, path: string, body?: GuardBody][] => {
  const annotations = { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin" };
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "mine", annotations } };
  const subjects = [{ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "system:authenticated" }];
  const roleRef = { kind: "ClusterRole", apiGroup: "rbac.authorization.k8s.io", name: "cluster-admin" };
  const event = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "flood" },
    involvedObject: { kind: "Pod", namespace: mine, name: "x" },
    message: "x".repeat(900),
  };
  const core = `/api/v1/namespaces/${mine}`;
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${mine}`;
  const network = `/apis/networking.k8s.io/v1/namespaces/${mine}/networkpolicies`;
  return [
    ["makes an account with a cloud identity", "POST", `${core}/serviceaccounts`, account],
    ["makes a token", "POST", `${core}/serviceaccounts/default/token`, {}],
    ["gives everybody access", "POST", `${rbac}/rolebindings`, { metadata: { name: "mine" }, roleRef, subjects }],
    ["floods events", "POST", `${core}/events`, event],
    ["deletes the quota", "DELETE", `${core}/resourcequotas/keystone`],
    ["widens the quota", "PATCH", `${core}/resourcequotas/keystone`, { spec: { hard: { pods: "10000" } } }],
    ["opens the network", "DELETE", `${network}/default-deny`],
    ["writes into the guide", "PATCH", `${core}/configmaps/keystone`, { immutable: true, data: { "grants.yaml": "" } }],
    ["deletes the guide", "DELETE", `${core}/configmaps/keystone`],
    ["deletes all ConfigMaps", "DELETE", `${core}/configmaps`],
    ["makes an endpoint", "POST", `${core}/endpoints`, { metadata: { name: "x" } }],
    ["binds a pod", "POST", `${core}/pods/fat-0/binding`, { target: { kind: "Node", name: "x" } }],
    ["finishes a pod", "PATCH", `${core}/pods/fat-0/status`, { status: { phase: "Succeeded" } }],
    ["reads another's Secrets", "GET", `/api/v1/namespaces/${others}/secrets`],
    ["reads another's pods", "GET", `/api/v1/namespaces/${others}/pods`],
    ["enters another's pod", "POST", `/api/v1/namespaces/${others}/pods/bobs/exec?command=sh&stdout=true`],
    ["reads all pods", "GET", "/api/v1/pods"],
    ["reads the grants", "GET", "/apis/keystone.io/v1alpha1/grants"],
    ["grants itself more", "PATCH", `/apis/keystone.io/v1alpha1/grants/${mine.slice(6)}`, { spec: { hard: {} } }],
    ["reads the operator's accounts", "GET", "/api/v1/namespaces/keystone-system/serviceaccounts"],
    ["takes the Lease", "DELETE", "/apis/coordination.k8s.io/v1/namespaces/keystone-system/leases/keystone-operator"],
    ["deletes a namespace", "DELETE", `/api/v1/namespaces/${others}`],
  ];
};

/**
 * Returns all attacks.
 *
 * @param others the namespace of another guest, which does no harm
 */
export const attacksOn = (others: string): readonly SoakAttack[] => [
  {
    name: "odd quantities",
    restMs: 600,
    async round(hands, random) {
      const amount = random.of(oddAmounts);
      const key = random.of([
        "cpu",
        "memory",
        "ephemeral-storage",
        "example.com/foo",
        "hugepages-odd",
        "example.com/constructor",
      ]);
      const resources = { requests: { ...tiny, [key]: amount }, limits: { ...tiny, [key]: amount } };
      const kind = random.of(["Pod", "Deployment", "Job"]);
      const object = kind === "Pod" ? pod("odd", { resources }) : workload(kind, "odd", {}, { resources });
      await comeAndGo(hands, random, kind, object);
    },
  },
  {
    name: "large pods",
    restMs: 500,
    async round(hands, random) {
      const collection = pathOf("Pod", hands.namespace);
      // Created, finished and deleted: each write stores all of it.
      if (!hands.budget.take(3 * fat)) return void await hands.ask("GET", `${collection}?limit=1`);
      const name = `fat-${random.below(30)}`;
      await hands.ask("DELETE", `${collection}/${name}?gracePeriodSeconds=0`);
      const spec = random.percent(50) ? { terminationGracePeriodSeconds: 3600 } : {};
      await hands.ask("POST", collection, pod(name, padding(fat, letterOf(random)), spec));
    },
  },
  {
    name: "large revisions",
    restMs: 3000,
    async round(hands, random) {
      const kind = random.of(["StatefulSet", "DaemonSet"]);
      const collection = pathOf(kind, hands.namespace);
      const revisionHistoryLimit = random.percent(20) ? 1_000_000 : 10;
      const object = workload(kind, "fat", { revisionHistoryLimit }, padding(900_000, letterOf(random)));
      // This writes the workload, its revision and its status.
      if (!hands.budget.take(4 * 900_000)) return void await hands.ask("GET", collection);
      if (await hands.ask("POST", collection, object) !== 409) return;
      await hands.ask("PATCH", `${collection}/fat`, { spec: object.spec });
    },
  },
  {
    name: "one ConfigMap repeatedly",
    restMs: 100,
    async round(hands, random) {
      const collection = pathOf("ConfigMap", hands.namespace);
      const data = { text: letterOf(random).repeat(1_000_000) };
      if (!hands.budget.take(1_000_000)) return void await hands.ask("GET", `${collection}/junk`);
      const code = await hands.ask("PATCH", `${collection}/junk`, { data });
      if (code === 404) await hands.ask("POST", collection, { ...ordinaryOf("ConfigMap"), metadata: { name: "junk" } });
    },
  },
  {
    name: "a flood from a dozen clients",
    restMs: 6000,
    async round(hands, random) {
      const until = performance.now() + 1000 + random.below(4000);
      const isRoom = (body?: string) => body === undefined || hands.budget.take(body.length);
      const ask = (method: string, path: string, body?: string) =>
        isRoom(body) ? hands.ask(method, path, body) : hands.ask("GET", path);
      await flood(ask, hands.namespace, 12, () => performance.now() < until && !hands.signal.aborted);
    },
  },
  {
    name: "open watches",
    restMs: 2000,
    async round(hands, random) {
      const kinds = ["Pod", "ConfigMap", "Secret", "Deployment", "Service"];
      await Promise.all(Array.from({ length: 30 }, (_, index) => {
        const path = `${pathOf(random.of(kinds), hands.namespace)}?watch=true&allowWatchBookmarks=true`;
        return hands.hold(path, 3000 + random.below(12_000), index % 3 === 0);
      }));
    },
  },
  {
    name: "requests that guards refuse",
    restMs: 150,
    async round(hands, random) {
      const { kind, object, title } = random.of(refused);
      await hands.ask("POST", pathOf(kind, hands.namespace), object, { forbidden: title });
    },
  },
  {
    name: "requests without rights",
    restMs: 200,
    async round(hands, random) {
      const [what, method, path, body] = random.of(outOfReach(hands.namespace, others));
      await hands.ask(method, path, body, { forbidden: what });
    },
  },
  {
    name: "immutable ConfigMaps and Secrets",
    restMs: 500,
    async round(hands, random) {
      const kind = random.of(["ConfigMap", "Secret"]);
      const name = `fixed-${random.below(10)}`;
      await comeAndGo(hands, random, kind, { ...ordinaryOf(kind), metadata: { name }, immutable: true });
    },
  },
  {
    name: "Services open to the world",
    restMs: 800,
    async round(hands, random) {
      const collection = pathOf("Service", hands.namespace);
      const type = random.of(["LoadBalancer", "NodePort", "ClusterIP"]);
      const labels = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`label-${at}`, ""]));
      const spec = { type, selector: { app: "x" }, ports: [{ port: 80, name: "one" }, { port: 81, name: "two" }] };
      const name = `open-${random.below(40)}`;
      const object = { ...ordinaryOf("Service"), metadata: { name, labels }, spec };
      if (await hands.ask("POST", collection, object) !== 409) return;
      if (random.percent(50)) await hands.ask("DELETE", `${collection}/${name}`);
      else await hands.ask("PATCH", `${collection}/${name}`, { spec: { type } });
    },
  },
  {
    name: "claims",
    restMs: 800,
    async round(hands, random) {
      const spec = {
        storageClassName: random.of(["", "hostile-none", "nobody"]),
        resources: { requests: { storage: random.of(oddAmounts) } },
      };
      const object = laid(ordinaryOf("PersistentVolumeClaim"), {
        metadata: { name: `claim-${random.below(20)}` },
        spec,
      });
      await comeAndGo(hands, random, "PersistentVolumeClaim", object);
    },
  },
  {
    name: "rollouts and schedules",
    restMs: 1500,
    async round(hands, random) {
      const kind = random.of(["Deployment", "StatefulSet", "CronJob", "Job", "ReplicaSet", "ReplicationController"]);
      const name = `rolls-${random.below(4)}`;
      // Far more pods than fit: the controller reports each failure in an event.
      const spec = kind === "CronJob"
        ? { suspend: false }
        : kind === "Job"
        ? { suspend: false, parallelism: 50, completions: 50 }
        : { replicas: random.below(60) };
      const object = workload(kind, name, spec, { env: [{ name: "ROUND", value: String(random.below(2 ** 31)) }] });
      const path = pathOf(kind, hands.namespace);
      if (await hands.ask("POST", path, object) !== 409) return;
      if (random.percent(30)) await hands.ask("DELETE", `${path}/${name}?propagationPolicy=Background`);
      else await hands.ask("PATCH", `${path}/${name}`, { spec: object.spec });
    },
  },
  {
    name: "repeated creation and deletion",
    restMs: 100,
    async round(hands, random) {
      const kind = random.of(["ConfigMap", "Secret", "Service", "Pod", "Deployment"]);
      const name = `again-${random.below(3)}`;
      const object = kind === "Pod"
        ? pod(name)
        : kind === "Deployment"
        ? workload(kind, name)
        : { ...ordinaryOf(kind), metadata: { name } };
      await comeAndGo(hands, random, kind, object);
    },
  },
  {
    name: "sessions into pods",
    restMs: 500,
    async round(hands, random) {
      const one = `${pathOf("Pod", hands.namespace)}/fat-${random.below(30)}`;
      const sessions = ["exec?command=sh&stdout=true", "attach?stdout=true", "portforward?ports=1"];
      if (random.percent(60)) await hands.ask("POST", `${one}/${random.of(sessions)}`);
      else if (random.percent(50)) await hands.ask("GET", `${one}/log?follow=true`);
      else await hands.ask("POST", `${one}/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: {} });
    },
  },
  {
    name: "labels of 1.5 MB",
    restMs: 3000,
    async round(hands, random) {
      const value = letterOf(random).repeat(60);
      const labels = Object.fromEntries(Array.from({ length: 18_000 }, (_, at) => [`example.com/k${at}`, value]));
      const kind = random.of(["ConfigMap", "Pod", "Service", "Deployment"]);
      const object = kind === "Pod" ? pod("labels") : { ...ordinaryOf(kind), metadata: { name: "labels" } };
      await hands.ask("POST", pathOf(kind, hands.namespace), laid(object, { metadata: { labels } }));
    },
  },
  {
    name: "names of built-in properties",
    restMs: 500,
    async round(hands, random) {
      const name = random.of(oddNames);
      const key = random.of(oddKeys);
      const kind = random.of(["ConfigMap", "Secret", "Service", "Pod", "Deployment"]);
      const metadata = { name, labels: { [key]: key }, annotations: { [key]: key } };
      const plain = kind === "Pod" ? pod(name) : kind === "Deployment" ? workload(kind, name) : ordinaryOf(kind);
      // As text, because `__proto__` in an object literal wouldn't become a key.
      const data = `{"${key}": "${btoa(key)}"}`;
      const text = JSON.stringify({ ...plain, metadata, ...(/Map|Secret/.test(kind) ? { data: "DATA" } : {}) });
      await hands.ask("POST", pathOf(kind, hands.namespace), text.replace('"DATA"', data));
      await hands.ask("DELETE", `${pathOf(kind, hands.namespace)}/${name}`);
    },
  },
  {
    name: "invalid bodies",
    restMs: 500,
    async round(hands, random) {
      const path = pathOf(random.of(["ConfigMap", "Pod", "Deployment"]), hands.namespace);
      const bodies = [
        "{",
        "[".repeat(100_000),
        "x".repeat(4_000_000),
        `{"metadata":{"name":"deep"},"data":${'{"a":'.repeat(9000)}1${"}".repeat(9000)}}`,
        "&a [*a,*a,*a,*a]",
        "\u0000\u0001\u0002",
      ];
      const types = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"];
      await hands.ask("POST", path, random.of(bodies), { type: random.of(types) });
    },
  },
  {
    name: "owners of fields",
    restMs: 300,
    async round(hands, random) {
      const query = `fieldManager=m${random.below(400)}&force=true`;
      const data = { [`key-${random.below(400)}`]: "x" };
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "owned" }, data };
      const path = `${pathOf("ConfigMap", hands.namespace)}/owned?${query}`;
      await hands.ask("PATCH", path, object, { type: "application/apply-patch+yaml" });
    },
  },
  {
    name: "budgets that block evictions",
    restMs: 2000,
    async round(hands, random) {
      const name = `never-${random.below(4)}`;
      const spec = { maxUnavailable: 0, selector: { matchLabels: { app: "x" } } };
      const kind = random.of(["PodDisruptionBudget", "HorizontalPodAutoscaler"]);
      const object = { ...ordinaryOf(kind), metadata: { name }, ...(kind === "PodDisruptionBudget" ? { spec } : {}) };
      await comeAndGo(hands, random, kind, object);
    },
  },
];
