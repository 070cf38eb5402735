/** Eve, who may write Realms but lacks the verb `trust`, tries to get into Bob's namespace, on a real control plane. */
import assert from "node:assert/strict";
import { digestOf } from "../../src/core/superentity/digest.ts";
import { eventually, step, superEntityOf } from "../fixtures/test_operator.ts";
import { hostileScene } from "./hostile_scene.ts";

Deno.test("write access to Realms without the verb trust", async (t) => {
  await using scene = await hostileScene();
  const { bob, mallory, cluster, lab } = scene;
  const name = `eve-${bob.realm}`;
  const granted = await cluster.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name },
    rules: [{
      apiGroups: ["keystone.io"],
      resources: ["realms"],
      verbs: ["get", "create", "patch", "update", "delete"],
    }],
  }, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name }],
  });
  assert.equal(granted.code, 0, granted.said);
  const kubeconfig = await lab.user(name);
  const eve = async (args: string[], stdin?: unknown) => {
    const { code, stdout, stderr } = await lab.kubectl(args, {
      kubeconfig,
      ...(stdin === undefined ? {} : { stdin: JSON.stringify(stdin) }),
    });
    return { code, said: stdout + stderr };
  };
  const merge = (spec: unknown) => eve(["patch", "realm", bob.realm, "--type=merge", "-p", JSON.stringify({ spec })]);
  await eventually("Eve may write Realms", async () => {
    const { code, said } = await eve(["label", "realm", bob.realm, "a=b"]);
    return code === 0 || said;
  });
  const entity = `coop-${bob.realm}`;
  await using leaving = new AsyncDisposableStack();
  leaving.defer(async () => {
    await lab.kubectl(["delete", "clusterrole,clusterrolebinding", name, "--wait=false"]);
    await lab.kubectl(["patch", "superentity", entity, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`]);
    await lab.kubectl(["delete", "superentity", entity, "--ignore-not-found", "--wait=false"]);
  });

  await step(t, "Eve edits Bob's Realm: refused, and Bob's Secrets stay unreadable", async () => {
    for (
      const [field, spec] of [
        ["spec.subjects", { subjects: [{ kind: "User", name }] }],
        ["spec.identity", { identity: "eve.tailnet-name.ts.net" }],
        ["spec.trustLevel", { trustLevel: "internal" }],
      ] as const
    ) {
      const { code, said } = await merge(spec);
      assert.notEqual(code, 0);
      assert.match(
        said,
        new RegExp(`Realm ${bob.realm}: changing ${field} requires the verb trust on it, but ${name}`),
      );
    }
    const secrets = await eve(["get", "secrets", "-n", bob.namespace]);
    assert.match(secrets.said, /cannot list resource "secrets"/);
  });

  await step(t, "Eve pins another node or creates another Realm: refused", async () => {
    const pin = await eve(["annotate", "--overwrite", "realm", bob.realm, "keystone.io/trusted-node=eves"]);
    assert.match(pin.said, /changing annotation keystone\.io\/trusted-node requires the verb trust/);
    const other = {
      apiVersion: "keystone.io/v1alpha1",
      kind: "Realm",
      metadata: { name: `${bob.realm}-2` },
      spec: { identity: "eve.tailnet-name.ts.net", subjects: [{ kind: "User", name }] },
    };
    for (const args of [["create", "-f", "-"], ["apply", "--server-side", "-f", "-"]]) {
      assert.match((await eve(args, other)).said, /creating it requires the verb trust on it/, args.join(" "));
    }
  });

  await step(t, "somebody with the verb changes a member's subjects: the members' approvals are void", async () => {
    const members = { [bob.realm]: { cpu: 1 }, [mallory.realm]: { cpu: 1 } };
    const object = superEntityOf({ name: entity, members });
    const digest = digestOf(entity, object.spec as never);
    const approvals = Object.keys(members).map((realm) => ({ realm, digest }));
    const made = await cluster.apply({ ...object, spec: { ...object.spec, approvals } });
    assert.equal(made.code, 0, made.said);
    const phase = (wanted: string, says: RegExp) =>
      eventually(`the SuperEntity is ${wanted}`, async () => {
        const { status } = await cluster.superEntities.get(entity);
        return status?.phase === wanted && says.test(status.message ?? "")
          ? status
          : `its status is ${JSON.stringify(status)}`;
      });
    const active = await phase("Active", /have approved/);
    assert.deepEqual(active.members![0]!.subjects, [`Group keystone:realm:${active.members![0]!.realm}`]);
    await cluster.realms.patch(bob.realm, { spec: { subjects: [{ kind: "User", name: "bob@example.com" }] } }, {
      type: "merge",
    });
    const pending = await phase("Pending", /Void, because the terms or a member's subjects have changed/);
    const subjects = new Map([[bob.realm, ["User bob@example.com"]]]);
    assert.equal(pending.digest, digestOf(entity, object.spec as never, subjects));
    const again = approvals.map(({ realm }) => ({ realm, digest: pending.digest! }));
    await cluster.superEntities.patch(entity, { spec: { approvals: again } }, { type: "merge" });
    await phase("Active", /have approved/);
  });
});
