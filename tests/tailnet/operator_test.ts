/** The specification's Realm and Grant on a real cluster that is a node of a real tailnet. */
import assert from "node:assert/strict";
import type { NetworkPolicy } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { seed } from "../fixtures/seed.ts";
import { daemonKnows } from "../fixtures/test_tailnet.ts";
import { flowText, judgeFlows, type TrafficFlow } from "../fixtures/traffic.ts";
import { startLab } from "../lab/lab.ts";

Deno.test("a realm on the tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
  const alice = lab.realms["alice-home"]!;
  const bob = lab.realms["bob-home"]!;
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, { tailnet: createTailnet({ socket: alice.socket }) });
  const apply = async (text: string) => {
    const { code, stderr } = await lab.kubectl(["apply", "-f", "-"], { stdin: text });
    assert.equal(code, 0, stderr);
  };
  const realmIs = (state: string, withinMs: number) =>
    eventually(`Realm bob-home is ${state}`, async () => {
      const realm = await cluster.realms.get("bob-home");
      return realm.status?.connectionState === state ? realm : `state: ${realm.status?.connectionState}`;
    }, withinMs);
  /** Returns all enforcing objects with their resource versions; equal results mean that nothing was written. */
  const enforcement = async () => {
    const namespace = await cluster.namespaces.get("guest-bob-home");
    const quotas = await cluster.quotas.namespace("guest-bob-home").list();
    const policies = await cluster.policies.namespace("guest-bob-home").list();
    return [namespace, ...quotas.items, ...policies.items].map(({ metadata }) =>
      `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`
    );
  };

  await step(t, "the specification, verbatim: Realm Connected, Grant Expired, nothing enforced", async () => {
    await apply(seed);
    const realm = await realmIs("Connected", 5000);
    await cluster.grantIn("Expired", "alice-to-bob-compute");
    assert.deepEqual(realm.status!.node!.addresses, [bob.ipv4, bob.ipv6]);
    assert.equal(realm.status!.local, false);
    assert.equal(realm.metadata.annotations!["keystone.io/trusted-node"], realm.status!.node!.stableID);
    const { items } = await cluster.namespaces.list();
    assert.ok(!items.some(({ metadata }) => metadata.name === "guest-bob-home"));
    await cluster.grants.delete("alice-to-bob-compute");
    await eventually(
      "the Grant is deleted",
      async () => (await cluster.grants.list()).items.length === 0 || "still exists",
    );
  });

  await step(t, "with its end in the future: Bob's guests reach Bob's node and nothing else", async () => {
    await apply(seed.replace("2026-01-01", "2099-01-01"));
    await cluster.grantIn("Active", "alice-to-bob-compute", 1000);
    await eventually(
      "the policies exist",
      async () => (await cluster.policiesOf("bob-home")).includes("realm") || "not yet",
    );
    const policies: NetworkPolicy[] = (await cluster.policies.list()).items;
    const guest = { ip: "10.42.0.9", namespace: "guest-bob-home" };
    const flow = (ip: string, port = 443, protocol: TrafficFlow["protocol"] = "TCP") => ({
      out: { from: guest, to: { ip }, port, protocol },
      in: { from: { ip }, to: guest, port, protocol },
    });
    const open = [bob.ipv4, bob.ipv6].flatMap((ip) => [flow(ip), flow(ip, 53, "UDP"), flow(ip, 9999, "SCTP")]);
    const closed = [
      alice.ipv4,
      alice.ipv6,
      "100.100.100.100",
      "169.254.169.254",
      "8.8.8.8",
      "10.0.0.1",
      "10.96.0.1",
      "2001:db8::1",
      "fd00:ec2::254",
    ].flatMap((ip) => [flow(ip), flow(ip, 53, "UDP")]);
    const flows = [...open, ...closed].flatMap((each) => [each.out, each.in]);
    const verdicts = await judgeFlows(policies, flows);
    const expected = flows.map((_, index) => index < open.length * 2);
    assert.deepEqual(
      flows.map((flow, index) => `${flowText(flow)} ${verdicts[index]}`),
      flows.map((flow, index) => `${flowText(flow)} ${expected[index]}`),
    );
  });

  for (const round of [1, 2]) {
    await step(t, `Bob's node goes and returns: reported within 2 s, nothing else changes (${round})`, async () => {
      const before = await enforcement();
      const follow = async (state: string, online: boolean) => {
        const knew = await daemonKnows(alice.socket, bob.identity, online);
        await realmIs(state, 5000);
        const late = performance.now() - knew;
        assert.ok(late < 2000, `${state} ${Math.round(late)} ms after tailscaled knew`);
      };
      await bob.tailscaled.kill();
      await follow("Disconnected", false);
      const realm = await cluster.realms.get("bob-home");
      const reachable = realm.status!.conditions!.find(({ type }) => type === "Reachable")!;
      assert.match(reachable.message, /is offline; grants stay in force/);
      assert.equal((await cluster.grants.get("alice-to-bob-compute")).status!.phase, "Active");
      await bob.tailscaled.start();
      await follow("Connected", true);
      assert.deepEqual(await enforcement(), before);
      const news = operator.transitions.filter((line) => /Realm bob-home is/.test(line)).slice(-2);
      assert.match(news[0]!, /^Realm bob-home is Disconnected \(Offline\): /);
      assert.match(news[1]!, /^Realm bob-home is Connected /);
    });
  }

  await step(t, "tailscaled hangs and goes on: one line within 5 s, and one when it is back", async () => {
    const [lines, transitions] = [operator.log.length, operator.transitions.length];
    await alice.tailscaled.pause();
    try {
      await eventually("the log says so", () => {
        const [line] = operator.log.slice(lines);
        return Promise.resolve(
          /^The tailnet is unavailable: .*Realms are Unknown.*stays open/.test(line ?? "") || `${line}`,
        );
      }, 5500);
      await realmIs("Unknown", 2000);
    } finally {
      alice.tailscaled.resume();
    }
    await realmIs("Connected", 10_000);
    const [, back, ...more] = operator.log.slice(lines);
    assert.match(
      back ?? "",
      /^Connected to the tailnet again after \d+ s as alice-home\..*1 of 1 other nodes is online/,
    );
    assert.deepEqual([more, operator.transitions.slice(transitions)], [[], []]);
  });

  await step(
    t,
    "no tailscaled: Unknown with the reason, and grants are enforced and end as before",
    async () => {
      const before = await enforcement();
      await alice.tailscaled.kill();
      const realm = await realmIs("Unknown", 5000);
      const reachable = realm.status!.conditions!.find(({ type }) => type === "Reachable")!;
      assert.equal(reachable.reason, "TailscaledUnreachable");
      assert.ok(reachable.message.includes(alice.socket), reachable.message);
      assert.deepEqual(await enforcement(), before);
      await cluster.grants.patch("alice-to-bob-compute", {
        spec: { revocation: {}, termination: { noticeSeconds: 0 } },
      }, { type: "merge" });
      await cluster.grantIn("Revoked", "alice-to-bob-compute", 2000);
      assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny"]);
      await alice.tailscaled.start();
      await realmIs("Connected", 15_000);
    },
  );
});
