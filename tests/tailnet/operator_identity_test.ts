/** A realm's identity on a real tailnet: an impostor is in no policy until a person trusts its node. */
import assert from "node:assert/strict";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import type { Grant, Realm } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { eventually, grantOf, prepared, realmOf, startOperator, step } from "../fixtures/test_operator.ts";
import { headscale, nodeIdOf } from "../fixtures/test_tailnet.ts";
import { type LabRealm, startLab } from "../lab/lab.ts";
import { poll } from "../lab/poll.ts";

const conditionOf = ({ status }: Realm | Grant, type: string) => status?.conditions?.find((each) => each.type === type);
const blocks = ({ ipv4, ipv6 }: Pick<LabRealm, "ipv4" | "ipv6">) => [`${ipv4}/32`, `${ipv6}/128`];

Deno.test("the identity of a realm on a real tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["bob-home", "carol-home"] });
  // The stable release, with the older dialect of the bus; operator_changes_test.ts uses the newest.
  await lab.addRealm("alice-home", { stable: true });
  const socket = lab.realms["alice-home"]!.socket;
  const bob = lab.realms["bob-home"]!;
  using cluster = await prepared(lab);
  const start = () => startOperator(lab, { tailnet: createTailnet({ socket }) });
  let operator = await start();
  await using _last = { [Symbol.asyncDispose]: () => operator[Symbol.asyncDispose]() };

  const realmIs = (reason: string, name = "bob-home", withinMs = 20_000) =>
    eventually(`Realm ${name} is ${reason}`, async () => {
      const realm = await cluster.realms.get(name);
      return conditionOf(realm, "Ready")?.reason === reason
        ? realm
        : `condition: ${JSON.stringify(conditionOf(realm, "Ready"))}`;
    }, withinMs);
  const grantSays = (type: string, reason: string, name = "to-bob") =>
    eventually(`${type} of ${name} is ${reason}`, async () => {
      const condition = conditionOf(await cluster.grants.get(name), type);
      return condition?.reason === reason ? condition : `condition: ${JSON.stringify(condition)}`;
    });
  /** Returns every address that any policy of the cluster names. */
  const named = async () => JSON.stringify((await cluster.policies.list()).items.map(({ spec }) => spec));
  const policyOpens = (addresses: string[], grantee = "bob-home") =>
    eventually(`guests of ${grantee} may reach ${addresses}`, async () => {
      const { items } = await cluster.policies.namespace(`guest-${grantee}`).list();
      const spec = items.find(({ metadata }) => metadata.name === "realm")?.spec;
      const open = (spec?.egress?.[0]?.to ?? []).map(({ ipBlock }) => ipBlock?.cidr);
      return open.join() === addresses.join() ? true : `open: ${open}`;
    });
  const isLetIn = async () => {
    const { items } = await new RbacAuthorizationV1Api(cluster.rest).namespace("guest-bob-home").roleBindings.list();
    return items.some(({ metadata }) => metadata.name === "keystone-guest");
  };
  const annotate = async (...args: string[]) => {
    const { code, stderr } = await lab.kubectl(["annotate", "--overwrite", "realm", "bob-home", ...args]);
    assert.equal(code, 0, stderr);
  };
  const remove = async (name: string) =>
    await headscale(lab, "nodes", "delete", "--identifier", await nodeIdOf(lab, name), "--force");

  await step(t, "first contact: the node that answers is trusted", async () => {
    await cluster.realms.create(realmOf("bob-home", { trustLevel: "internal" }));
    await cluster.realms.create(realmOf("carol-home"));
    await cluster.grants.create(grantOf({ name: "to-bob", to: "bob-home", destinations: ["203.0.113.0/24"] }));
    await cluster.grants.create(grantOf({ name: "to-carol", to: "carol-home", destinations: ["bob-home:22"] }));
    await cluster.grantIn("Active", "to-bob");
    await cluster.grantIn("Active", "to-carol");
    await policyOpens(blocks(bob));
    assert.ok((await cluster.policiesOf("carol-home")).includes("grant-to-carol"));
  });

  await step(
    t,
    "a second Realm with the same identity: neither gets the node until only one is left",
    async () => {
      await cluster.realms.create(realmOf("bob-twin", { identity: "BOB-home.tailnet-name.ts.net." }));
      for (const name of ["bob-home", "bob-twin"]) {
        const realm = await realmIs("DuplicateIdentity", name);
        assert.equal(conditionOf(realm, "IdentityVerified")!.status, "False");
        assert.match(conditionOf(realm, "Ready")!.message, /Realms bob-home and bob-twin have the same identity/);
      }
      await policyOpens([]);
      await grantSays("NetworkApplied", "DuplicateIdentity");
      assert.ok(!(await named()).includes(bob.ipv4));
      await cluster.realms.delete("bob-twin");
      await realmIs("Online");
      await policyOpens(blocks(bob));
    },
  );

  let imposter!: LabRealm;
  await step(t, "a node is removed: its policy closes at once; a node that takes its name is in none", async () => {
    await remove("bob-home");
    await realmIs("NodeNotFound");
    await policyOpens([]);
    const said = await grantSays("NetworkApplied", "NodeNotFound");
    assert.match(said.message, /Traffic to and from the node of bob-home is denied: No node of the tailnet is named/);
    imposter = await lab.addRealm("mallory", { hostname: "bob-home" });
    assert.equal(imposter.identity, bob.identity, "the impostor has the name");
    assert.notEqual(imposter.ipv4, bob.ipv4);
    const taken = await realmIs("NodeReplaced");
    assert.equal(taken.status!.connectionState, "Error");
    assert.equal(taken.status!.node, undefined);
    await grantSays("NetworkApplied", "NodeReplaced");
    const carols = await eventually("Carol's destination reports the reason", async () => {
      const { status } = await cluster.grants.get("to-carol");
      const [destination] = status!.resolvedDestinations!;
      return destination!.error?.includes("has taken the name")
        ? destination!
        : `destination: ${JSON.stringify(destination)}`;
    });
    assert.equal(carols.addresses, undefined);
    const grant = await cluster.grants.get("to-bob");
    assert.equal(grant.status!.phase, "Active");
    assert.ok(await isLetIn(), "the realm's subjects keep their access");
    assert.ok(!(await named()).includes(imposter.ipv4));
  });

  await step(
    t,
    "restarts of operator, headscale and tailscaled, or other terms: the impostor stays in no policy",
    async () => {
      await operator.stop();
      operator = await start();
      await realmIs("NodeReplaced");
      await cluster.realms.patch("bob-home", { spec: { trustLevel: "partner" } }, { type: "merge" });
      await cluster.realms.patch("bob-home", { spec: { trustLevel: "internal" } }, { type: "merge" });
      await lab.headscale!.restart();
      await lab.realms["alice-home"]!.tailscaled.restart();
      await poll("the operator has observed the restart", async () => {
        const { status } = await cluster.realms.get("carol-home");
        return status!.connectionState === "Connected" || status!.connectionState!;
      }, { withinMs: 60_000 });
      await realmIs("NodeReplaced", "bob-home", 60_000);
      await policyOpens([]);
      for (const log of operator.log) assert.ok(!log.includes(imposter.ipv4), log);
      assert.ok(!(await named()).includes(imposter.ipv4));
    },
  );

  await step(t, "a person trusts the new node: it becomes the realm's node, and the namespace follows", async () => {
    const id = await nodeIdOf(lab, "bob-home");
    await annotate(`keystone.io/trusted-node=${id}`);
    const realm = await realmIs("Online");
    assert.deepEqual([realm.status!.trustedNode, realm.status!.node!.stableID], [id, id]);
    assert.equal(realm.status!.trustedBefore!.length, 1);
    await policyOpens(blocks(imposter));
    await grantSays("Ready", "Enforced");
    const { metadata } = await cluster.namespaces.get("guest-bob-home");
    assert.equal(metadata.annotations!["keystone.io/grantee"], `Realm/bob-home/${bob.identity}/${id}`);
    assert.ok(!(await named()).includes(`${bob.ipv4}/32`), "the former node is in no policy any more");
  });

  await step(t, "the same machine with a new key: another node, until the pin is removed", async () => {
    await remove("bob-home");
    await realmIs("NodeNotFound");
    const again = await lab.rejoin("bob-home");
    assert.equal(again.identity, bob.identity);
    await realmIs("NodeReplaced");
    await policyOpens([]);
    await annotate("keystone.io/trusted-node-");
    const realm = await realmIs("Online");
    const id = await nodeIdOf(lab, "bob-home");
    assert.equal(realm.metadata.annotations!["keystone.io/trusted-node"], id);
    await policyOpens(blocks(again));
  });

  await step(t, "the Realm of an active grant is deleted: closed, frozen and reported; pods keep running", async () => {
    const kept = await cluster.realms.get("bob-home");
    const before = await cluster.namespaces.get("guest-bob-home");
    await cluster.realms.delete("bob-home");
    const known = await grantSays("GranteeKnown", "GranteeUnknown");
    assert.equal(known.status, "False");
    await policyOpens([]);
    await grantSays("NetworkApplied", "GranteeUnknown");
    await grantSays("AccessApplied", "GranteeUnknown");
    assert.ok(!await isLetIn());
    const grant = await cluster.grants.get("to-bob");
    assert.equal(grant.status!.phase, "Active");
    const after = await cluster.namespaces.get("guest-bob-home");
    assert.deepEqual(after.metadata.labels, before.metadata.labels, "Pod Security stays");
    assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny", "dns", "grant-to-bob", "guest-internal"]);
    const quota = (await cluster.quotaOf("bob-home"))!;
    assert.equal(quota["requests.cpu"], "0", "nothing may grow");

    await cluster.realms.create(realmOf("bob-home", { identity: "carol-home.tailnet-name.ts.net" }));
    await grantSays("AccessApplied", "NamespaceConflict");
    await policyOpens([]);
    assert.ok(!await isLetIn(), "another identity gets no access");
    await cluster.realms.delete("bob-home");
    await grantSays("AccessApplied", "GranteeUnknown");

    await cluster.realms.create(realmOf("bob-home", { trustLevel: "internal" }));
    await realmIs("Online");
    await policyOpens(blocks(lab.realms["bob-home"]!));
    await grantSays("Ready", "Enforced");
    assert.ok(await isLetIn());
    assert.equal((await cluster.quotaOf("bob-home"))!["requests.cpu"], "1");
    const back = await cluster.realms.get("bob-home");
    assert.equal(
      back.metadata.annotations!["keystone.io/trusted-node"],
      kept.metadata.annotations!["keystone.io/trusted-node"],
    );
  });

  await step(t, "the identity is edited while tailscaled is down: the former node's policy closes", async () => {
    const tailscaled = lab.realms["alice-home"]!.tailscaled;
    await tailscaled.kill();
    await realmIs("TailscaledUnreachable");
    await policyOpens(blocks(lab.realms["bob-home"]!));
    await cluster.realms.patch("bob-home", { spec: { identity: "nobody.tailnet-name.ts.net" } }, { type: "merge" });
    await policyOpens([]);
    await grantSays("NetworkApplied", "NamespaceConflict");
    await tailscaled.start();
    await realmIs("NodeNotFound", "bob-home", 60_000);
  });
});
