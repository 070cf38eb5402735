/**
 * Everything that acts besides the operator: people, guests, the controller manager, kubelets, the tailnet, and time.
 */
import { type GrantSpec, type RealmSpec, trustedNodeAnnotation, trustLevels } from "../../src/api/mod.ts";
import { adoptAnnotation, freezeAnnotation, guestNamespace } from "../../src/core/names.ts";
import type { NodeFacts } from "../../src/core/realm/realm_world.ts";
import { breakable } from "./broken.ts";
import type { Invariants } from "./invariants.ts";
import type { SeededRandom } from "./random.ts";
import { type Replica, skewLookMs } from "./replica.ts";
import type { SimulatedSurroundings } from "./simulated_surroundings.ts";
import {
  realmSpecOf,
  simulatedKeyOf,
  type SimulatedObject,
  simulatedSpecOf,
  statusOf,
  type World,
} from "./simulated_world.ts";

/** The state that the actors change. */
export interface ActorStage {
  world: World;
  around: SimulatedSurroundings;
  operator: Replica;
  invariants: Invariants;
  /** Kinds of disturbance that this schedule allows. */
  may: { drift: boolean; skew: boolean; foreign: boolean; faults: boolean };
}

export const grantees = ["bob", "carol"] as const;
const grantNames = ["g1", "g2", "g3", "g4", "g5"] as const;

const hards: readonly GrantSpec["hard"][] = [
  { "requests.cpu": "2", "requests.memory": "2Gi" },
  { cpu: 1, memory: "1Gi", "limits.cpu": "3" },
  { "requests.cpu": "500m", memory: "512Mi", pods: "3" },
  { cpu: "3", memory: "1Gi", "requests.storage": "10Gi", persistentvolumeclaims: "2" },
  { pods: 2, "limits.cpu": "1500m", "limits.memory": "1Gi", "requests.nvidia.com/gpu": "1" },
];

const destinations = ["203.0.113.0/24", "198.51.100.7:443", "carol", "bob:22", "10.0.0.0/8", "169.254.169.254"];

const at = (world: World, seconds: number): string =>
  new Date((Math.floor(world.now / 1000) + seconds) * 1000).toISOString().replace(".000Z", "Z");

function anyGrant(world: World, random: SeededRandom): GrantSpec {
  const from = random.percent(15) ? { validFrom: at(world, random.of([1, 30, 600])) } : {};
  const until = random.percent(60) ? { validUntil: at(world, random.of([2, 60, 700, 1500, 7200, 86_400])) } : {};
  const termination = {
    ...(random.percent(70) ? { noticeSeconds: random.of([0, 1, 30, 300]) } : {}),
    ...(random.percent(70) ? { drainSeconds: random.of([0, 5, 120]) } : {}),
    ...(random.percent(50) ? { volumes: random.of(["Retain", "Delete"] as const) } : {}),
  };
  const validity = { ...from, ...until };
  return {
    grantorRealm: random.percent(94) ? "alice" : "dave",
    granteeRealm: random.percent(75) ? "bob" : "carol",
    hard: random.of(hards),
    ...(random.percent(60)
      ? {
        networkPolicy: {
          egressAllowed: random.percent(80),
          allowedDestinations: random.shuffled(destinations).slice(0, random.below(4)),
        },
      }
      : {}),
    ...(Object.keys(validity).length > 0 && !(from.validFrom! >= until.validUntil!) ? { validity } : {}),
    termination,
  };
}

export function createGrant({ world }: ActorStage, random: SeededRandom, name: string = random.of(grantNames)): string {
  const spec = anyGrant(world, random);
  const answer = world.create("grants", { metadata: { name }, spec });
  return "error" in answer ? "" : `create grant ${name} ${JSON.stringify(spec)}`;
}

export function createRealm({ world }: ActorStage, random: SeededRandom, name: string): string {
  const spec: RealmSpec = {
    identity: `${random.percent(85) ? name : "mallory"}.tailnet.ts.net${random.percent(10) ? "." : ""}`,
    connectionType: "tailscale",
    trustLevel: random.of(["partner", "internal", "partner", "public"] as const),
    ...(random.percent(15) ? { subjects: [{ kind: "User", name: "bob@example.com" }] } : {}),
  };
  const answer = world.create("realms", { metadata: { name }, spec });
  return "error" in answer ? "" : `create realm ${name} ${spec.identity} ${spec.trustLevel}`;
}

export const nodeNamed = (name: string, facts: Partial<NodeFacts> = {}): NodeFacts => ({
  stableID: `n-${name}`,
  dnsName: `${name}.tailnet.ts.net`,
  addresses: [{ alice: "100.64.0.1", bob: "100.64.0.2", carol: "100.64.0.3" }[name] ?? "100.64.0.9"],
  online: true,
  expired: false,
  self: name === "alice",
  ...facts,
});

export const everybody = (): NodeFacts[] => ["alice", "bob", "carol", "mallory"].map((name) => nodeNamed(name));

type Action = (stage: ActorStage, random: SeededRandom) => string;

const anyOf = (objects: SimulatedObject[], random: SeededRandom): SimulatedObject | undefined =>
  objects.length > 0 ? random.of(objects) : undefined;

/** Lenders: they change grants and realms. */
const grantors: Action[] = [
  (stage, random) => createGrant(stage, random),
  (stage, random) => createGrant(stage, random),
  (stage, random) => createRealm(stage, random, random.of([...grantees, ...grantees, "alice"])),
  ({ world }, random) => {
    const grant = anyOf(world.list("grants"), random);
    if (!grant) return "";
    const { name } = grant.metadata;
    world.delete("grants", name, undefined, "other");
    return `delete grant ${name}`;
  },
  ({ world }, random) =>
    change(world, random, "revoke", (spec) => ({ ...spec, revocation: { ...spec.revocation, reason: "enough" } })),
  ({ world }, random) =>
    change(world, random, "end at once", (spec) => ({ ...spec, revocation: { ...spec.revocation, immediate: true } })),
  ({ world }, random) =>
    change(world, random, "renew", (spec) => {
      const { validUntil: _, ...validity } = spec.validity ?? {};
      const until = random.percent(70) ? { validUntil: at(world, random.of([5, 400, 3600])) } : {};
      return { ...spec, validity: { ...validity, ...until } };
    }),
  ({ world }, random) => change(world, random, "terms of", (spec) => ({ ...spec, hard: random.of(hards) })),
  ({ world }, random) =>
    change(world, random, "destinations of", (spec) => ({
      ...spec,
      networkPolicy: {
        egressAllowed: random.percent(80),
        allowedDestinations: random.shuffled(destinations).slice(0, random.below(3)),
      },
    })),
  ({ world }, random) => {
    const name = random.of(grantees);
    const trustLevel = random.of(trustLevels);
    return world.changeRealm(name, (spec) => ({ ...spec, trustLevel })) ? `trust ${name} ${trustLevel}` : "";
  },
  ({ world }, random) => {
    const realm = anyOf(world.list("realms"), random);
    if (!realm || random.percent(40)) return "";
    const { name } = realm.metadata;
    if (random.percent(30)) {
      const { metadata } = realm;
      world.replace("realms", name, { metadata: { ...metadata, finalizers: ["example.com/hold"] } });
    }
    world.delete("realms", name, undefined, "other");
    return `delete realm ${name}`;
  },
  ({ world }, random) => {
    const name = random.of(grantees);
    const realm = world.get("realms", name);
    if (!realm) return "";
    if (realm.metadata.deletionTimestamp) {
      world.finish("realms", name);
      return `realm ${name} is gone`;
    }
    const identity = `${random.of([name, name, "mallory"])}.tailnet.ts.net`;
    return world.changeRealm(name, (spec) => ({ ...spec, identity })) ? `identity ${name} ${identity}` : "";
  },
  ({ world, around }, random) => {
    const name = random.of(grantees);
    const realm = world.get("realms", name);
    if (!realm || around.tailnet.kind !== "running") return "";
    const node = around.tailnet.nodes.find(({ dnsName }) => dnsName === realmSpecOf(realm).identity);
    if (!node || realm.metadata.annotations[trustedNodeAnnotation] === node.stableID) return "";
    world.edit("realms", name, `annotations|${trustedNodeAnnotation}`, node.stableID);
    return `trust node ${name} ${node.stableID}`;
  },
];

function change(world: World, random: SeededRandom, what: string, how: (spec: GrantSpec) => GrantSpec): string {
  const active = world.list("grants").filter((grant) => statusOf(grant).phase === "Active");
  const grant = anyOf(random.percent(80) && active.length > 0 ? active : world.list("grants"), random);
  if (!grant || !world.changeGrant(grant.metadata.name, how)) return "";
  return `${what} ${grant.metadata.name} ${JSON.stringify(simulatedSpecOf(world.get("grants", grant.metadata.name)!))}`;
}

/** Guests: they act where they have access, and admission enforces the quota's status. */
const guests: Action[] = [
  (stage, random) => {
    const { world } = stage;
    const namespace = guestNamespace(random.of(grantees));
    const home = world.get("namespaces", namespace);
    if (!world.get("bindings", `${namespace}/keystone-guest`) || !home || home.metadata.deletionTimestamp) return "";
    const pod = {
      cpuMilli: random.of([0, 250, 500, 1000]),
      memoryMi: 64,
      priority: random.below(2),
      guarded: random.percent(25),
      graceSeconds: random.percent(90) ? 30 : 31_536_000,
      finished: false,
      held: random.percent(10),
    };
    const adds = {
      pods: 1000,
      "requests.cpu": pod.cpuMilli,
      "limits.cpu": pod.cpuMilli,
      "requests.memory": pod.memoryMi * 1000 * 2 ** 20,
      "limits.memory": pod.memoryMi * 1000 * 2 ** 20,
    };
    if (!world.admit(namespace, adds)) return "";
    const name = `p${random.below(1_000_000)}`;
    world.create("pods", { metadata: { name, namespace }, pod });
    return `pod in ${namespace} ${pod.cpuMilli}m${pod.guarded ? " guarded" : ""}`;
  },
  ({ world }, random) => {
    const namespace = guestNamespace(random.of(grantees));
    const home = world.get("namespaces", namespace);
    if (!world.get("bindings", `${namespace}/keystone-guest`) || !home || home.metadata.deletionTimestamp) return "";
    if (!world.admit(namespace, { persistentvolumeclaims: 1000, "requests.storage": 1000 * 2 ** 30 })) return "";
    const taken = world.within("claims", namespace).length;
    world.create("claims", { metadata: { name: `c${taken}-${random.below(1000)}`, namespace } });
    return `claim in ${namespace}`;
  },
  ({ world }, random) => {
    const pod = anyOf(world.list("pods"), random);
    if (!pod || pod.metadata.deletionTimestamp) return "";
    const key = `${pod.metadata.namespace}/${pod.metadata.name}`;
    if (random.percent(50)) {
      world.delete("pods", key, undefined, "other");
      return `guest deletes pod of ${pod.metadata.namespace}`;
    }
    const finished = random.percent(30);
    world.replace("pods", key, { pod: { ...pod.pod!, finished, guarded: !pod.pod!.guarded } });
    return `pod changes in ${pod.metadata.namespace} ${finished ? "finished" : ""}${!pod.pod!.guarded}`;
  },
  ({ world }, random) => {
    const namespace = guestNamespace(random.of(grantees));
    const guide = world.get("guides", `${namespace}/keystone`);
    if (!guide || !world.get("bindings", `${namespace}/keystone-guest`)) return "";
    // Guests may write ConfigMaps, including this one.
    if (random.percent(60)) {
      world.edit("guides", `${namespace}/keystone`, "data|grants.yaml", "mine");
      return `guest rewrites the guide of ${namespace}`;
    }
    if (random.percent(50)) {
      world.edit("guides", `${namespace}/keystone`, "data|notes", "mine");
      return `guest adds to the guide of ${namespace}`;
    }
    if (random.percent(50)) {
      world.edit("guides", `${namespace}/keystone`, "data|grants.yaml", "mine");
      world.replace("guides", `${namespace}/keystone`, { immutable: true });
      return `guest makes the guide of ${namespace} immutable`;
    }
    world.delete("guides", `${namespace}/keystone`, undefined, "other");
    return `guest deletes the guide of ${namespace}`;
  },
];

/** Cluster admins who change Keystone's objects. */
const drift: Action[] = [
  (stage, random) => {
    const { world, invariants } = stage;
    const namespace = guestNamespace(random.of(grantees));
    const kind = random.of(["quotas", "limitRanges", "serviceAccounts", "bindings", "guides", "policies"] as const);
    const object = anyOf(world.within(kind, namespace), random);
    if (!object) return "";
    invariants.disturbed(namespace);
    const key = `${namespace}/${object.metadata.name}`;
    const gone = () => {
      world.delete(kind, key, undefined, "other");
      return `drift: delete ${kind} ${key}`;
    };
    const set = (path: string, value: unknown) => {
      world.edit(kind, key, path, value);
      return `drift: ${kind} ${key} ${path} ${JSON.stringify(value)}`;
    };
    if (random.percent(40)) return gone();
    switch (kind) {
      case "quotas": {
        const choice = random.below(5);
        if (choice === 0) return set("hard|requests.cpu", "100");
        if (choice === 1) return set("hard|pods", "1");
        if (choice === 2) return set(`annotations|${freezeAnnotation}`, random.of(["{}", "no JSON"]));
        if (choice === 3) return set("hard|services.loadbalancers", undefined);
        const { spec } = object;
        world.replace(kind, key, { spec: { ...(spec as { hard: Record<string, string> }), scopes: ["BestEffort"] } });
        return `drift: quotas ${key} scoped`;
      }
      case "limitRanges":
        return set("spec|limits", []);
      case "serviceAccounts":
        return set("top|automountServiceAccountToken", true);
      case "bindings":
        if (random.percent(50)) return set("top|subjects", [{ kind: "User", name: "eve" }]);
        gone();
        world.create(kind, {
          metadata: { name: object.metadata.name, namespace, labels: object.metadata.labels },
          roleRef: { kind: "ClusterRole", name: "admin" },
          subjects: object.subjects!,
        });
        return `drift: bindings ${key} to admin`;
      case "guides":
        return set("data|grants.yaml", "x");
      case "policies": {
        const choice = random.below(4);
        if (choice === 0) return set("spec|egress", [{}]);
        if (choice === 1) return set("spec|podSelector", { matchLabels: { a: "b" } });
        if (choice === 2) return set("spec|ingress", [{ from: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }]);
        const name = random.of(["open", "grant-gone"]);
        world.create(kind, {
          metadata: { name, namespace, labels: object.metadata.labels },
          spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
        });
        return `drift: policies ${namespace}/${name} added`;
      }
    }
  },
  ({ world, invariants }, random) => {
    const namespace = guestNamespace(random.of(grantees));
    if (!world.get("namespaces", namespace) || random.percent(50)) return "";
    invariants.disturbed(namespace);
    world.delete("namespaces", namespace, undefined, "other");
    return `drift: delete namespace ${namespace}`;
  },
];

/** Ends the refusal of writes. A refused object keeps its old state until it is written. */
export function refuseNoMore({ world, invariants }: ActorStage): void {
  for (const refused of world.refused) {
    const key = refused.slice(refused.indexOf(" ") + 1);
    const grant = refused.startsWith("grants ") ? world.get("grants", key) : undefined;
    invariants.disturbed(grant ? guestNamespace(simulatedSpecOf(grant).granteeRealm) : key.split("/")[0]!);
  }
  world.refused.clear();
}

/** Faults: parts of a plan that throw, writes that are refused, and objects that are being deleted. */
const faults: Action[] = [
  ({ around }, random) => {
    if (around.broken && random.percent(50)) delete around.broken;
    else around.broken = random.of(breakable);
    return `planning fails: ${around.broken ?? "no more"}`;
  },
  (stage, random) => {
    const { world } = stage;
    if (world.refused.size > 0 && random.percent(40)) {
      refuseNoMore(stage);
      return "writes are no longer refused";
    }
    const kind = random.of([
      "grants",
      "bindings",
      "guides",
      "limitRanges",
      "namespaces",
      "policies",
      "quotas",
      "serviceAccounts",
    ]);
    const object = anyOf(world.list(kind as "guides"), random);
    if (!object) return "";
    const { name, namespace } = object.metadata;
    const key = `${kind} ${simulatedKeyOf(namespace, name)}`;
    world.refused.add(key);
    return `writes are refused: ${key}`;
  },
  ({ world }, random) => {
    const namespace = guestNamespace(random.of(grantees));
    if (!world.get("namespaces", namespace) || random.percent(50)) return "";
    world.delete("namespaces", namespace, undefined, "other");
    return `delete namespace ${namespace}`;
  },
  ({ world }, random) => {
    const pod = anyOf(world.list("pods").filter(({ pod }) => pod!.held), random);
    if (!pod) return "";
    world.replace("pods", `${pod.metadata.namespace}/${pod.metadata.name}`, { pod: { ...pod.pod!, held: false } });
    return `pod of ${pod.metadata.namespace} is no longer held`;
  },
];

/** Owners of a namespace with a guest's name, who may hand it over. */
const owners: Action[] = [
  ({ world, may }, random) => {
    if (!may.foreign) return "";
    const name = guestNamespace(random.of(grantees));
    const answer = world.create("namespaces", { metadata: { name, labels: { team: "web" } } });
    if ("error" in answer) return "";
    if (random.percent(50)) world.create("claims", { metadata: { name: "theirs", namespace: name } });
    return `foreign namespace ${name}`;
  },
  ({ world }, random) => {
    const home = anyOf(world.list("namespaces"), random);
    if (!home || home.metadata.deletionTimestamp || random.percent(70)) return "";
    world.edit("namespaces", home.metadata.name, `annotations|${adoptAnnotation}`, "yes");
    return `adopt ${home.metadata.name}`;
  },
];

/** Changes of the tailnet's nodes and of the clocks' agreement. */
const surroundings: Action[] = [
  ({ around, operator }, random) => {
    const choice = random.below(10);
    if (choice < 2) {
      around.tailnet = {
        kind: "unavailable",
        reason: random.of(["TailscaledUnreachable", "Starting"]),
        message: "no response",
      };
    } else if (choice < 3) around.tailnet = { kind: "none" };
    else {
      const nodes = everybody().flatMap((node): NodeFacts[] => {
        const fate = random.below(24);
        if (node.self || fate > 4) return [node];
        const other = { ...node, stableID: `${node.stableID}-2`, addresses: ["100.64.0.77"] };
        if (fate === 0) return [];
        if (fate === 1) return [other];
        if (fate === 2) return [node, other];
        if (fate === 3) return [{ ...node, expired: true }];
        return [{ ...node, online: false }];
      });
      around.tailnet = { kind: "running", self: "alice.tailnet.ts.net", nodes };
    }
    operator.tailnetChanged();
    const { tailnet } = around;
    return `tailnet ${
      tailnet.kind === "running"
        ? tailnet.nodes.map(({ stableID, online, expired }) => `${stableID}${online ? "" : "-"}${expired ? "!" : ""}`)
        : tailnet.kind
    }`;
  },
  ({ around, operator }, random) => {
    if (random.percent(50)) {
      const address = random.of(["100.64.0.2", "100.64.0.3"]);
      around.paths = new Map([[address, random.of(["relay", "none"] as const)]]);
      return `node ${address} answers by ${around.paths.get(address)}`;
    }
    around.storedBytes = random.of([0.5, 0.9, 0.99]) * 2 ** 31;
    operator.storageRead();
    return `the database has ${around.storedBytes} bytes`;
  },
  ({ world, around, may, invariants }, random) => {
    if (!may.skew) return "";
    around.aheadMs = around.aheadMs !== 0 ? 0 : random.of([3000, 3_600_000, 90_000_000, -3000, -600_000]);
    invariants.skewed();
    if (around.aheadMs === 0) world.now += skewLookMs;
    return `clocks ${around.aheadMs}`;
  },
];

/** Advances the clock: by a little, or to just before, at or just after the time of a due action. */
export const passTime: Action = ({ world, around, operator }, random) => {
  const soon = [...operator.wakes().map((at) => at - around.aheadMs), ...instants(world)].filter((at) =>
    at > world.now && at < world.now + 40 * 86_400_000
  ).sort((a, b) => a - b);
  const next = soon[Math.min(soon.length - 1, random.below(3))];
  const before = world.now;
  if (next === undefined || random.percent(20)) world.now += random.of([1, 999, 1000, 5000, 60_000, 400_000]);
  else world.now = Math.max(before + 1, next + random.of([0, 0, 0, -1, 1, 500]));
  return `+${world.now - before} ms`;
};

function instants(world: World): number[] {
  return world.list("grants").flatMap((grant) => {
    const { validity } = simulatedSpecOf(grant);
    const { effectiveUntil, reductions } = statusOf(grant);
    return [
      validity?.validFrom,
      validity?.validUntil,
      effectiveUntil,
      ...(reductions ?? []).map(({ until }) => until),
    ].flatMap((text) => text ? [Date.parse(text)] : []);
  });
}

/** Returns the pending actions of the controller manager and the kubelets. */
export function machinery({ world }: ActorStage): (() => string)[] {
  const out: (() => string)[] = [];
  for (const quota of world.list("quotas")) {
    const key = `${quota.metadata.namespace}/${quota.metadata.name}`;
    out.push(() => world.count(key) ? `counts ${key}` : "");
  }
  for (const { metadata, pod } of world.list("pods")) {
    const key = `${metadata.namespace}/${metadata.name}`;
    // No schedule waits for a grace period of a year.
    if (metadata.deletionTimestamp && pod!.graceSeconds <= 60) out.push(() => stopped(world, key));
  }
  for (const kind of ["clusterRoles", "clusterBindings"] as const) {
    for (const { metadata: { name, ownerReferences = [] } } of world.list(kind)) {
      if (ownerReferences.some(({ uid }) => world.list("realms").some(({ metadata }) => metadata.uid === uid))) {
        continue;
      }
      // The garbage collector.
      if (ownerReferences.length > 0) {
        out.push(() => (world.finish(kind, name), `${kind} ${name} is deleted with its owner`));
      }
    }
  }
  for (const { metadata } of world.list("namespaces")) {
    if (metadata.deletionTimestamp) out.push(() => emptied(world, metadata.name));
  }
  return out;
}

const contents = [
  "quotas",
  "limitRanges",
  "serviceAccounts",
  "bindings",
  "guides",
  "policies",
  "claims",
] as const;

/** The kubelet has stopped a pod; one with a finalizer stays, as finished. */
function stopped(world: World, key: string): string {
  const { metadata, pod } = world.get("pods", key)!;
  if (!pod!.held) world.finish("pods", key);
  else if (!pod!.finished) world.replace("pods", key, { pod: { ...pod!, finished: true } });
  else return "";
  return `pod of ${metadata.namespace} is ${pod!.held ? "held" : "gone"}`;
}

/** True if pods are deleted before other objects, as since Kubernetes 1.33; earlier versions delete in any order. */
const isOrdered = ({ metadata }: SimulatedObject): boolean => Number(metadata.uid.slice(1)) % 3 !== 0;

/** The namespace controller deletes the content; pods end in their grace period. */
function emptied(world: World, namespace: string): string {
  const pods = world.within("pods", namespace);
  const running = pods.find(({ metadata }) => !metadata.deletionTimestamp);
  if (running) {
    world.delete("pods", `${namespace}/${running.metadata.name}`, undefined, "other");
    return `namespace ${namespace} ends pod ${running.metadata.name}`;
  }
  if (pods.length > 0 && isOrdered(world.get("namespaces", namespace)!)) return "";
  for (const kind of contents) {
    const object = world.within(kind, namespace)[0];
    if (!object) continue;
    world.finish(kind, `${namespace}/${object.metadata.name}`);
    return `namespace ${namespace} loses ${kind} ${object.metadata.name}`;
  }
  if (pods.length > 0) return "";
  world.finish("namespaces", namespace);
  return `namespace ${namespace} is gone`;
}

/** One random action of anything but the operator; returns an empty text if it had no effect. */
export function act(stage: ActorStage, random: SeededRandom): string {
  const what = random.below(100);
  const group = what < 45
    ? grantors
    : what < 70
    ? guests
    : what < 82
    ? (stage.may.drift ? drift : guests)
    : what < 87
    ? owners
    : what < 92 && stage.may.faults
    ? faults
    : surroundings;
  return random.of(group)(stage, random);
}
