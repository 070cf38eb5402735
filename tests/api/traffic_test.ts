/**
 * All traffic that the network policies of many grants allow: the operator writes the policies on a real control plane, and
 * for each flow of a matrix cyclonus' verdict has to match the grants.
 */
import assert from "node:assert/strict";
import type { EndpointSlice } from "../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { parseSettings } from "../../src/api/mod.ts";
import { addressText, type Block, covers, edges } from "../fixtures/test_addresses.ts";
import {
  blocksOf,
  censusOf,
  type ContractEntry,
  type Contracts,
  grantObject,
  type MadeGrant,
  type MadeRealm,
  makeContracts,
  protocols,
  realmObject,
} from "../fixtures/contracts.ts";
import { eventually, prepared, startOperator, step, type TestCluster } from "../fixtures/test_operator.ts";
import { everyForm, groundWith } from "../fixtures/special_blocks.ts";
import { isReachable, reachableGrants } from "../fixtures/reachable.ts";
import { namesOf, tailnetOf } from "../fixtures/stand_ins.ts";
import { flowText, judgeFlows, type TrafficFlow, type TrafficPeer } from "../fixtures/traffic.ts";
import { startLab } from "../lab/lab.ts";
import { SeededRandom } from "../simulation/random.ts";

/** Seed of the generated grants: KEYSTONE_SEED=7 deno task test:api. With 17 more than a tenth of the flows is allowed. */
const seed = Number(Deno.env.get("KEYSTONE_SEED") ?? 17);
const realmCount = 100;

const clusterRanges = {
  pods: ["10.42.0.0/16", "fd42::/56"],
  services: ["10.96.0.0/16", "fd96::/112"],
  nodes: ["192.168.77.0/24", "fd77::/64"],
};
/** Addresses of the API server besides its Service. */
const endpoint = "198.51.100.66";
const around = {
  grantor: "alice-home",
  ground: groundWith(blocksOf(...Object.values(clusterRanges).flat(), endpoint)),
};

/** Least number of each kind that makes the test meaningful. */
const atLeast = {
  "grants": 200,
  "grants with blocks of both families, in hundred": 34,
  "grants that are not in force": 30,
  "grants without egress": 15,
  "realms whose grants overlap": 15,
  "blocks with something protected in them": 100,
  "blocks in something protected": 50,
  "blocks with something private in them": 80,
  "blocks in something private": 50,
  "entries with the internet": 15,
  "grants with exceptions": 40,
  "grants with ranges for names": 40,
  "entries with a realm": 20,
  "entries with a DNS name": 20,
  "entries with several ports": 50,
  "entries of TCP": 80,
  "entries of UDP": 80,
  "entries of SCTP": 80,
  "realms that are internal": 15,
  "realms that are partner": 15,
  "realms that are public": 5,
};

Deno.test("all traffic: exactly what the grants allow passes", {
  // The addresses are made up; in an external cluster they could be real.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  const contracts = makeContracts(new SeededRandom(seed), realmCount, around);
  const world = { ...contracts, ground: around.ground };
  const told = `KEYSTONE_SEED=${seed}`;
  let policies: NetworkPolicy[] = [];

  await step(t, `the generated grants (seed ${seed}) include every kind`, () => {
    const census = censusOf(contracts, around);
    const rare = Object.entries(atLeast).filter(([kind, count]) => !(census[kind]! >= count));
    assert.deepEqual(rare.map(([kind, count]) => `${census[kind]} ${kind}, of ${count}`), [], told);
    return Promise.resolve();
  });

  await step(t, "the operator enforces the grants on a real control plane", async () => {
    await using lab = await startLab({ fastControllers: true });
    using cluster = await prepared(lab);
    const said = await cluster.apply(
      apiEndpoint,
      ...contracts.realms.map(realmObject),
      ...contracts.grants.map((grant) => grantObject(grant, around)),
    );
    assert.equal(said.code, 0, said.said);
    await using operator = await startOperator(lab, {
      tailnet: tailnetOf(
        { name: around.grantor, stableID: "n-alice", addresses: ["100.64.0.1", "fd7a:115c:a1e0::1"], online: true },
        ...contracts.realms.filter(({ node }) => node !== "none").map(({ name, node, addresses }) => ({
          name,
          stableID: `n-${name}`,
          addresses: addresses.map(addressText),
          online: node !== "offline",
        })),
      ),
      names: namesOf(new Map([...contracts.names].map(([name, all]) => [name, all.map(addressText)]))),
      settings: parseSettings({ clusterRanges }),
    });
    await settled(
      cluster,
      contracts.grants.map((grant) => grant.idle === "Revoked" ? { ...grant, idle: undefined as never } : grant),
    );
    for (const { name } of contracts.grants.filter(({ idle }) => idle === "Revoked")) {
      await cluster.grants.patch(name, { spec: { revocation: {} } }, { type: "merge" });
    }
    await settled(cluster, contracts.grants);
    policies = (await cluster.policies.list()).items;
    assert.deepEqual(operator.log.filter((line) => !/^Enforcing/.test(line)), []);
  });

  await step(t, "cyclonus: allows what the grants allow, and nothing else", async () => {
    const flows = contracts.realms.flatMap((realm, index) => flowsOf(contracts, realm, index));
    const wrong: string[] = [];
    let allowed = 0;
    for (const batch of batches(flows, batchSize)) {
      const verdicts = await judgeFlows(policies, batch);
      for (const [index, flow] of batch.entries()) {
        const expected = isReachable(world, flow);
        if (expected) allowed++;
        if (verdicts[index] !== expected) wrong.push(`${flowText(flow)} ${expected ? "is denied" : "passes"}`);
      }
    }
    const names = new Set(policies.map(({ metadata }) => `${metadata!.namespace}/${metadata!.name}`));
    console.log(
      `${told}: ${contracts.grants.length} grants to ${realmCount} realms, ${names.size} policies, ${flows.length} ` +
        `flows, ${allowed} allowed, ${flows.length - allowed} denied`,
    );
    assert.deepEqual(wrong.slice(0, 20), [], `${told}: ${wrong.length} of ${flows.length} flows`);
    assert.ok(allowed > flows.length / 10 && allowed < flows.length / 2, "both verdicts must be common");
  });
});

/** Flows for one run of cyclonus, about a second's work, because it prints two tables for each. */
const batchSize = 10_000;

function* batches<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

/** The cluster's objects that describe its API server. */
const apiEndpoint: EndpointSlice = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: {
    name: "kubernetes-elsewhere",
    namespace: "default",
    labels: { "kubernetes.io/service-name": "kubernetes" },
  },
  addressType: "IPv4",
  endpoints: [{ addresses: [endpoint] }],
  ports: [{ name: "https", port: 6443, protocol: "TCP" }],
};

/** Waits until each grant has its expected phase and all its policies are written. */
async function settled(cluster: TestCluster, grants: readonly Pick<MadeGrant, "name" | "idle">[]): Promise<void> {
  await eventually("each grant has its expected phase", async () => {
    const now = new Map((await cluster.grants.list()).items.map(({ metadata, status }) => [metadata.name!, status]));
    const late = grants.filter(({ name, idle }) => {
      const status = now.get(name);
      const reason = (type: string) => status?.conditions?.find((each) => each.type === type)?.reason;
      return idle
        ? status?.phase !== (idle === "Revoked" ? "Revoked" : "Pending") || reason("Ready") !== idle
        : status?.phase !== "Active" || [undefined, "Applying"].includes(reason("NetworkApplied"));
    });
    return late.length === 0 || `${late.length} are not, such as ${late[0]!.name}: ${now.get(late[0]!.name)?.message}`;
  }, 60_000);
}

const guest = (realm: MadeRealm, index: number, nth: number, family: 4 | 6): TrafficPeer => ({
  ip: family === 4 ? `10.42.${index}.${nth}` : `fd42::${index.toString(16)}:${nth}`,
  namespace: `guest-${realm.name}`,
  labels: { app: `app-${nth}` },
});

const pod = (ip: string, namespace: string, app: string): TrafficPeer => ({
  ip,
  namespace,
  labels: { "k8s-app": app },
});

/** Returns flows to and from a guest's pod: all neighbors, and the edges of everything that its grants name. */
function flowsOf(contracts: Contracts, realm: MadeRealm, index: number): TrafficFlow[] {
  const { realms } = contracts;
  const [next, other] = [1, 2].map((step) => realms[(index + step) % realms.length]!);
  const entries = reachableGrants(contracts, realm).flatMap(({ entries }) => entries);
  const some = entries.map(({ ports }) => ports?.first).find((port) => port !== undefined) ?? 8080;
  const flows: TrafficFlow[] = [];
  for (const family of [4, 6] as const) {
    const here = guest(realm, index, 9, family);
    const near: [TrafficPeer, number[]][] = [
      [guest(realm, index, 10, family), [443, some]],
      [guest(next!, (index + 1) % realms.length, 9, family), [443, some]],
      [pod(family === 4 ? "10.42.200.3" : "fd42::c8:3", "kube-system", "metrics-server"), [53, 443, some]],
      [pod(family === 4 ? "10.42.200.2" : "fd42::c8:2", "kube-system", "kube-dns"), [52, 53, 54, some]],
      [pod(family === 4 ? "10.42.200.4" : "fd42::c8:4", "default", "kube-dns"), [53]],
      ...(family === 4
        ? [
          ["169.254.20.10", [52, 53, 54]],
          ["10.96.0.1", [443, some]],
          [endpoint, [6443, some]],
          ["192.168.77.10", [10250, some]],
          ["169.254.169.254", [80, some]],
          ["100.100.100.100", [53, 80, some]],
          ["127.0.0.1", [80]],
          ["8.8.8.8", [53, 443, some]],
          ["192.168.1.1", [80, some]],
          ["168.63.129.16", [80, some]],
        ] as [string, number[]][]
        : [
          ["fd96::1", [443, some]],
          ["fd77::10", [10250, some]],
          ["fd00:ec2::254", [80, some]],
          ["fd7a:115c:a1e0::53", [53, some]],
          ["2606:4700:4700::1111", [53, 443, some]],
          ["64:ff9b::808:808", [53, some]],
          ["64:ff9b::a9fe:a9fe", [80, some]],
          ["64:ff9b::c0a8:101", [80, some]],
          ["fd99::1", [80, some]],
        ] as [string, number[]][]).map(([ip, ports]): [TrafficPeer, number[]] => [{ ip }, ports]),
      ...[realm, next!, other!].flatMap(({ addresses }) => addresses)
        .filter((at) => at.family === family)
        .map((at): [TrafficPeer, number[]] => [{ ip: addressText(at) }, [1, 443, some, 65535]]),
    ];
    for (const [there, ports] of near) {
      for (const port of ports) {
        for (const protocol of protocols) {
          flows.push({ from: here, to: there, port, protocol }, { from: there, to: here, port, protocol });
        }
      }
    }
    for (const entry of entries) {
      for (const at of edgesOf(contracts, entry).filter((at) => at.family === family)) {
        const there = { ip: addressText(at) };
        for (const { port, protocol } of portsOf(entry)) flows.push({ from: here, to: there, port, protocol });
        flows.push({ from: there, to: here, port: portsOf(entry)[0]!.port, protocol: "TCP" });
      }
    }
  }
  return flows;
}

const specialForms = [...around.ground.protectedBlocks, ...around.ground.privateBlocks].flatMap((each): Block[] =>
  everyForm(each, around.ground.nat64)
);
/** Sample size per entry: a wide block contains hundreds of special forms. */
const mostParts = 8;
const chance = new SeededRandom(seed);

/** Blocks of homes, of clouds, and of the internet. */
const internetEdges = blocksOf(
  "192.168.1.0/24",
  "10.0.0.0/8",
  "169.254.169.254",
  "64:ff9b::c0a8:100/120",
  "64:ff9b::cb00:7100/120",
  "2002:c0a8::/32",
  "fc00::/7",
  "2000::/3",
  "8.8.8.8",
);

/** Returns the edges of an entry's blocks, and of the protected ranges in them. */
function edgesOf({ realms, names }: Contracts, { to }: ContractEntry) {
  const blocks = "block" in to
    ? [to.block, ...chance.shuffled(specialForms.filter((each) => covers(to.block, each))).slice(0, mostParts)]
    : "internet" in to
    ? internetEdges
    : (("realm" in to ? realms.find(({ name }) => name === to.realm)?.addresses : names.get(to.name)) ?? []).map(
      ({ family, value }): Block => ({ family, first: value, last: value }),
    );
  return blocks.flatMap(edges);
}

/** Returns an entry's ports and their neighbors for its protocol, and its first port for the other protocols. */
function portsOf({ ports }: ContractEntry): Pick<TrafficFlow, "port" | "protocol">[] {
  const { protocol, first, last } = ports ?? {};
  if (first === undefined) return protocols.map((each) => ({ port: 4000, protocol: each }));
  const near = [...new Set([first - 1, first, first + 1, last! - 1, last!, last! + 1])]
    .filter((port) => port >= 1 && port <= 65535).map((port) => ({ port, protocol: protocol! }));
  const others = protocols.filter((each) => each !== protocol).map((each) => ({ port: first, protocol: each }));
  return [...near, ...others];
}
