/** Realms on a real API server: conflicting identities, deleted Realms, policies that stay closed. */
import assert from "node:assert/strict";
import { EventsV1Api } from "../../lib/kubernetes_apis/events.k8s.io@v1.ts";
import type { Grant, Realm } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { defaultSettings, parseSettings } from "../../src/api/mod.ts";
import type { Tailnet, TailnetPeer } from "../../src/tailnet/tailnet.ts";
import {
  eventually,
  prepared,
  startOperator,
  step,
  type TestCluster,
  type TestOperator,
} from "../fixtures/test_operator.ts";
import { tailnetOf } from "../fixtures/stand_ins.ts";
import { sharedLab } from "../lab/shared.ts";

const conditionOf = ({ status }: Realm | Grant, type: string) => status?.conditions?.find((each) => each.type === type);

const looks = (cluster: TestCluster) => ({
  realmIs: (name: string, type: string, reason: string) =>
    eventually(`${type} of Realm ${name} is ${reason}`, async () => {
      const realm = await cluster.realms.get(name);
      return conditionOf(realm, type)?.reason === reason ? realm : `status: ${JSON.stringify(realm.status)}`;
    }),
  grantSays: (name: string, type: string, reason: string) =>
    eventually(`${type} of ${name} is ${reason}`, async () => {
      const condition = conditionOf(await cluster.grants.get(name), type);
      return condition?.reason === reason ? condition : `condition: ${JSON.stringify(condition)}`;
    }),
  policy: async (grantee: string, name: string) => {
    const { items } = await cluster.policies.namespace(`guest-${grantee}`).list();
    return items.find(({ metadata }) => metadata.name === name);
  },
  isLetIn: async (grantee: string) => {
    const { items } = await new RbacAuthorizationV1Api(cluster.rest).namespace(`guest-${grantee}`).roleBindings.list();
    return items.some(({ metadata }) => metadata.name === "keystone-guest");
  },
});

/** Makes the operator observe all realms again, and asserts that it writes only about a new one. */
async function quiet(cluster: TestCluster, operator: TestOperator): Promise<void> {
  for (const { metadata } of (await cluster.realms.list()).items) {
    await cluster.realms.patch(metadata.name!, { metadata: { labels: { looked: "at" } } }, { type: "merge" });
  }
  const writes = operator.writes().length;
  await cluster.createRealm("marker");
  await eventually("the marker is observed", async () => {
    return (await cluster.realms.get("marker")).status?.connectionState !== undefined || "not yet";
  });
  const paths = operator.writes().slice(writes).map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => !/\/realms\/marker|\/events/.test(path)), []);
  await cluster.realms.delete("marker");
}

Deno.test("realms without a tailnet", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, { realm: "alice-home" });
  const { realmIs, grantSays, policy, isLetIn } = looks(cluster);

  await step(t, "several Realms with one identity: refused, each with the names of all", async () => {
    const identity = "twin.tailnet-name.ts.net";
    await cluster.createRealm("twin-a", { identity });
    await realmIs("twin-a", "Ready", "NoTailnet");
    await cluster.createRealm("twin-b", { identity: "Twin.Tailnet-Name.ts.net." });
    await cluster.createRealm("twin-c", { identity });
    for (const name of ["twin-a", "twin-b", "twin-c"]) {
      const realm = await realmIs(name, "Ready", "DuplicateIdentity");
      await eventually("the message names all", async () => {
        const { message } = conditionOf(await cluster.realms.get(name), "IdentityVerified")!;
        return /^Realms twin-a, twin-b and twin-c have the same identity/.test(message) || message;
      });
      assert.equal(conditionOf(realm, "IdentityVerified")!.status, "False");
    }
    const { stdout } = await lab.kubectl(["get", "realm", "twin-b", "-o", "wide"]);
    assert.match(stdout, /Error/);
    assert.match(stdout, /Delete all but one, or give each its own spec\.identity/);
    await eventually("it is reported", async () => {
      const { items } = await new EventsV1Api(cluster.rest).namespace("default").events.list();
      const told = items.filter(({ regarding }) => regarding?.name === "twin-b").map(({ reason }) => reason);
      return told.includes("DuplicateIdentity") || told.join();
    });
    await cluster.realms.delete("twin-c");
    await cluster.realms.patch("twin-b", { spec: { identity: "other.tailnet-name.ts.net" } }, { type: "merge" });
    for (const name of ["twin-a", "twin-b"]) await realmIs(name, "Ready", "NoTailnet");
  });

  await step(t, "a Realm is deleted: its namespace stays unchanged, and drift is repaired", async () => {
    await cluster.createRealm("gone", { trustLevel: "internal" });
    await cluster.create({ name: "to-gone", to: "gone", destinations: ["203.0.113.0/24"] });
    await cluster.grantIn("Active", "to-gone");
    const before = await cluster.namespaces.get("guest-gone");
    assert.equal(before.metadata.labels!["pod-security.kubernetes.io/enforce"], "baseline");
    assert.equal(before.metadata.annotations!["keystone.io/trust"], "internal");
    const dns = await policy("gone", "dns");
    await cluster.realms.delete("gone");
    for (const type of ["GranteeKnown", "AccessApplied", "NetworkApplied", "Ready"]) {
      await grantSays("to-gone", type, "GranteeUnknown");
    }
    const grant = await cluster.grants.get("to-gone");
    assert.deepEqual([grant.status!.phase, grant.status!.resolvedDestinations![0]!.addresses], [
      "Active",
      ["203.0.113.0/24"],
    ]);
    assert.ok(!await isLetIn("gone"));
    assert.deepEqual(await cluster.policiesOf("gone"), ["default-deny", "dns", "grant-to-gone", "guest-internal"]);
    assert.equal((await cluster.quotaOf("gone"))!["requests.cpu"], "0");
    assert.deepEqual((await cluster.namespaces.get("guest-gone")).metadata.labels, before.metadata.labels);

    const drift = { metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } } };
    await cluster.namespaces.patch("guest-gone", drift, { type: "merge" });
    await cluster.policies.namespace("guest-gone").patch("dns", { spec: { egress: [{}] } }, { type: "merge" });
    await eventually("both changes are repaired", async () => {
      const { metadata } = await cluster.namespaces.get("guest-gone");
      const level = metadata.labels!["pod-security.kubernetes.io/enforce"];
      const { spec } = (await policy("gone", "dns"))!;
      if (level !== "baseline") return `Pod Security is ${level}`;
      return JSON.stringify(spec) === JSON.stringify(dns!.spec) || JSON.stringify(spec);
    });
    await eventually("it is reported", async () => {
      const { items } = await new EventsV1Api(cluster.rest).namespace("default").events.list();
      const told = items.filter(({ regarding }) => regarding?.name === "to-gone").map(({ reason }) => reason);
      return told.includes("GranteeUnknown") || told.join();
    });

    // Without a tailnet the message names its identity.
    await cluster.createRealm("gone", { trustLevel: "internal" });
    await grantSays("to-gone", "Ready", "Enforced");
    assert.ok(await isLetIn("gone"));
    assert.equal((await cluster.quotaOf("gone"))!["requests.cpu"], "1");
  });

  await step(t, "nothing changes: no writes", async () => {
    await quiet(cluster, operator);
  });
});

/** Returns a tailnet with Bob's node in the given state. */
const tailnetWith = (bob: Partial<TailnetPeer>): Tailnet => {
  const tailnet = tailnetOf(
    { name: "alice-home", stableID: "n0", addresses: ["100.64.0.1"], online: true },
    { name: "bob-home", stableID: "n1", addresses: ["100.64.0.2", "fd7a:115c:a1e0::2"], online: true },
  );
  const { state } = tailnet;
  if (state.kind !== "running") throw new Error("unreachable: the state is running");
  const peers = new Map(state.peers);
  peers.set("bob-home.tailnet-name.ts.net", [{ ...peers.get("bob-home.tailnet-name.ts.net")![0]!, ...bob }]);
  return { ...tailnet, state: { ...state, controlURL: "https://controlplane.tailscale.com", peers } };
};

const proxy = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "tailscale" } },
  podSelector: { matchLabels: { "tailscale.com/parent-resource": "bob-home" } },
};

Deno.test("realms on a fake tailnet", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  const { realmIs, grantSays, policy } = looks(cluster);
  await cluster.createRealm("bob-home");
  await cluster.create({ name: "to-bob", to: "bob-home", destinations: ["bob-home:22"] });

  await step(t, "a node's status: stored completely, and then nothing is written", async () => {
    const keyExpiry = new Date(Date.now() + 86_400_000).toISOString();
    const capabilities = { "keystone.io/cap/realm": [{ realm: "bob-home" }, "x".repeat(5000)] };
    await using operator = await startOperator(lab, {
      tailnet: {
        ...tailnetWith({ keyExpiry, capabilities, os: "linux", ownerLogin: "bob@example.com" }),
        ping: () => Promise.resolve({ kind: "answered", path: "direct", latencyMs: 3 }),
      },
    });
    const realm = await eventually("the realm's node has a path", async () => {
      const realm = await cluster.realms.get("bob-home");
      return realm.status?.node?.path === "direct" ? realm : `status: ${JSON.stringify(realm.status)}`;
    });
    assert.deepEqual(realm.status!.node, {
      stableID: "n1",
      name: "bob-home.tailnet-name.ts.net",
      addresses: ["100.64.0.2", "fd7a:115c:a1e0::2"],
      os: "linux",
      owner: "bob@example.com",
      keyExpiry: keyExpiry.replace(/\.\d+Z/, "Z"),
      path: "direct",
      latencyMs: 5,
      realmCapability: ['{"realm":"bob-home"}'],
    });
    assert.equal(conditionOf(realm, "ConnectionTypeMatches")!.status, "True");
    assert.equal(conditionOf(realm, "KeyExpiring")!.reason, "KeyExpiring");
    await grantSays("to-bob", "Ready", "Enforced");
    await quiet(cluster, operator);
  });

  await step(
    t,
    "pods have addresses of the tailnet's range: the policy opens only the proxies, and the Grant says why",
    async () => {
      const settings = parseSettings({
        clusterRanges: { pods: ["100.64.0.0/16"] },
        realmPeers: { "bob-home": [proxy] },
      });
      await using _operator = await startOperator(lab, { tailnet: tailnetWith({}), settings });
      const said = await grantSays("to-bob", "NetworkApplied", "TailnetInClusterRange");
      assert.match(said.message, /100\.64\.0\.2\/32 of Realm bob-home's node lies in 100\.64\.0\.0\/16/);
      const spec = (await policy("bob-home", "realm"))!.spec!;
      const peers = [{ ipBlock: { cidr: "fd7a:115c:a1e0::2/128" } }, proxy];
      assert.deepEqual(spec.ingress, [{ from: peers }]);
      assert.deepEqual(spec.egress, [{ to: peers }]);
      const { spec: destination } = (await policy("bob-home", "grant-to-bob"))!;
      assert.deepEqual(destination!.egress, [{ ports: [{ protocol: "TCP", port: 22 }], to: peers }]);
      assert.equal((await cluster.grants.get("to-bob")).status!.phase, "Active");
    },
  );

  await step(t, "another node takes over the name: everything closes, proxies too", async () => {
    const settings = { ...defaultSettings, realmPeers: { "bob-home": [proxy] } };
    await using _operator = await startOperator(lab, { tailnet: tailnetWith({ stableID: "n2" }), settings });
    await realmIs("bob-home", "Ready", "NodeReplaced");
    await grantSays("to-bob", "NetworkApplied", "NodeReplaced");
    await eventually("all policies are closed", async () => {
      const names = await cluster.policiesOf("bob-home");
      return names.join() === "default-deny,dns,guest-internal" || names.join();
    });
  });
});
