/** A SuperEntity of nodes of a real tailnet: a lost member makes it Incomplete after the grace, until it returns. */
import assert from "node:assert/strict";
import type { SuperEntity } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { createTailnet } from "../../src/tailnet/local_tailnet.ts";
import { eventually, prepared, startOperator, step, superEntityOf } from "../fixtures/test_operator.ts";
import { startLab } from "../lab/lab.ts";

Deno.test("a SuperEntity on the tailnet", {
  // The lab provides the tailnet; an external cluster has none.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  const names = ["alice-home", "bob-home", "carol-home"];
  await using lab = await startLab({ realms: names });
  const carol = lab.realms["carol-home"]!;
  using cluster = await prepared(lab);
  await using _operator = await startOperator(lab, {
    tailnet: createTailnet({ socket: lab.realms["alice-home"]!.socket }),
  });
  const phase = (wanted: string, withinMs: number): Promise<SuperEntity> =>
    eventually(`homes are ${wanted}`, async () => {
      const entity = await cluster.superEntities.get("homes");
      return entity.status?.phase === wanted ? entity : `${entity.status?.phase}: ${entity.status?.message}`;
    }, withinMs);

  await step(t, "members Connected: guests reach the nodes of all members", async () => {
    for (const name of names) await cluster.createRealm(name);
    const members = Object.fromEntries(names.map((name) => [name, { cpu: 2 }]));
    await cluster.superEntities.create(superEntityOf({ name: "homes", members, graceSeconds: 2 }));
    const { status } = await phase("Pending", 5000);
    const approvals = names.map((realm) => ({ realm, digest: status!.digest! }));
    await cluster.superEntities.patch("homes", { spec: { approvals } }, { type: "merge" });
    await eventually("all are Connected", async () => {
      const { status } = await cluster.superEntities.get("homes");
      return status?.phase === "Active" && status.members!.every(({ state }) => state === "Connected") ||
        JSON.stringify(status);
    });
    await cluster.create({ name: "to-homes", to: "homes" });
    await cluster.grantIn("Active", "to-homes");
    await eventually("the policies to all nodes are open", async () => {
      if (!(await cluster.policiesOf("homes")).includes("realm")) return "no policy";
      const { spec } = await cluster.policies.namespace("guest-homes").get("realm");
      const open = spec!.egress![0]!.to!.map(({ ipBlock }) => ipBlock!.cidr.split("/")[0]).sort();
      const all = names.flatMap((name) => [lab.realms[name]!.ipv4, lab.realms[name]!.ipv6]).sort();
      return JSON.stringify(open) === JSON.stringify(all) || `${open} are open`;
    });
    // alice-home, identified by the tailnet alone, gives its share.
    await cluster.create({ name: "from-homes", grantor: "homes", to: "bob-home", hard: { cpu: 3 } });
    const grant = await cluster.grantIn("Active", "from-homes");
    assert.equal(grant.status!.hard!["requests.cpu"], "1");
  });

  await step(t, "a member goes offline: Incomplete after the grace; active grants stay", async () => {
    await carol.tailscaled.kill();
    const { status } = await phase("Incomplete", 30_000);
    const lost = status!.members!.find(({ realm }) => realm === "carol-home")!;
    assert.equal(lost.state, "Disconnected");
    const incompleteAt = Date.parse(
      status!.conditions!.find(({ type }) => type === "MembersPresent")!.lastTransitionTime,
    );
    assert.ok(incompleteAt >= Date.parse(lost.lostSince!) + 2000, "not before the grace is over");
    assert.ok(incompleteAt <= Date.parse(lost.lostSince!) + 4000, "soon after the grace");
    for (const name of ["to-homes", "from-homes"]) {
      assert.equal((await cluster.grants.get(name)).status!.phase, "Active");
    }
  });

  await step(t, "the member returns: the SuperEntity is Active again", async () => {
    await carol.tailscaled.start();
    await phase("Active", 30_000);
  });
});
