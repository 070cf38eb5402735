/** Uninstalling: guests lose access, no deletion is stuck, no stored data is lost, and the Lease is released. */
import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import { uninstall } from "../../src/controllers/uninstall.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { installed } from "../fixtures/in_force.ts";
import { clientOf, eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { FaultTrigger } from "../faults/fault.ts";
import { Proxy } from "../faults/proxy.ts";
import { upstreamOf } from "../faults/upstream.ts";
import { startLab } from "../lab/lab.ts";
import { guestPod } from "../lab/lab_workloads.ts";

const namespace = "guest-bob-home";

Deno.test("uninstalling", { ignore: Deno.env.get("KEYSTONE_LAB") === "external" }, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  await installed(lab, "base");
  // With the operator's rights and fence, as in a cluster.
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const bob = await lab.user("bob", { groups: ["keystone:realm:bob-home"] });
  const as = async (user: string, args: string[], stdin?: string) => {
    const { code, stdout, stderr } = await lab.kubectl(["-n", namespace, ...args], {
      kubeconfig: user,
      ...(stdin === undefined ? {} : { stdin }),
    });
    return { code, said: stdout + stderr };
  };
  const said: string[] = [];
  const run = async (through = kubeconfig) => {
    using rest = await clientOf(through);
    said.length = 0;
    await uninstall({
      rest,
      clock: systemClock,
      identity: "uninstall_test",
      say: (line) => said.push(line),
      signal: AbortSignal.timeout(60_000),
    });
  };

  await step(t, "nothing to remove: it says so", async () => {
    // A kind that was just installed is served only after a moment.
    await eventually("the uninstall is done", () => run().then(() => true as const, (error: Error) => error.message));
    assert.match(said.join("\n"), /No object of keystone\.io has Keystone's finalizer/);
    // A Lease that stays held for a while would keep the operator below from acting.
    await lab.kubectl(["delete", "lease", "keystone-operator", "-n", "keystone-system"]);
  });

  const storageClassName = "uninstall-making";
  const offered = await cluster.apply({
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: storageClassName },
    provisioner: "csi.example.com",
  });
  assert.equal(offered.code, 0, offered.said);
  await using operator = await startOperator(lab, { realm: "alice-home", kubeconfig });
  await cluster.createRealm("bob-home");
  await cluster.create({
    name: "lent",
    to: "bob-home",
    hard: { "requests.cpu": "2", "requests.memory": "1Gi", "requests.storage": "1Gi", pods: "3" },
    destinations: ["203.0.113.0/24"],
  });
  await cluster.grantIn("Active", "lent");
  await eventually("Bob may work", async () => {
    const { code, said } = await as(bob, ["create", "-f", "-"], guestPod("web", { cpu: "10m", memory: "10Mi" }));
    return code === 0 || said;
  });
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage: "1Gi" } } },
  };
  await eventually("Bob may claim a volume of a class with a provisioner", async () => {
    const { code, said } = await as(bob, ["create", "-f", "-"], JSON.stringify(claim));
    return code === 0 || said;
  });
  // A foreign finalizer, which has to stay.
  await cluster.grants.patch("lent", {
    metadata: { finalizers: ["keystone.io/guest", "example.com/theirs"] },
  }, { type: "merge" });

  await step(t, "an operator is running: loses the Lease and writes nothing any more", async () => {
    // The first deletion of the binding fails: the guest must lose access all the same.
    const trigger = new FaultTrigger([{ kind: "409", at: "delete.rolebindings:keystone-guest", nth: 1 }]);
    using upstream = await upstreamOf(kubeconfig);
    await using proxy = await Proxy.listen({ upstream, trigger, mark: "-none", onKill: () => {} });
    await run(proxy.kubeconfig);
    assert.equal(trigger.fired.length, 1);
    assert.match(said[0]!, /^Took the Lease from test_\w+; waiting until it has stopped/);
    const before = operator.writes().length;
    await cluster.create({ name: "later", to: "carol-home" });
    assert.match(operator.log.at(-1)!, /no longer leads|Waiting: uninstall_test holds the Lease/);
    assert.equal(operator.writes().length, before);
    await cluster.grants.delete("later");
  });

  await step(t, "guests: lose access, new pods are refused, running pods and stored data stay", async () => {
    assert.match((await as(bob, ["get", "pods"])).said, /forbidden/);
    const { code, said: refusal } = await as(
      lab.kubeconfig,
      ["create", "-f", "-"],
      guestPod("more", { cpu: "1m", memory: "1Mi" }),
    );
    assert.equal(code, 1);
    assert.match(refusal, /exceeded quota/);
    assert.match((await as(lab.kubeconfig, ["get", "pods,pvc"])).said, /pod\/web [\s\S]*persistentvolumeclaim\/data /);
    // The default deny and the quota are unchanged.
    assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny", "dns", "grant-lent", "guest-internal"]);
    const line = said.find((text) => text.startsWith(`Namespace ${namespace} stays`))!;
    assert.match(
      line,
      /1 pod in it keeps running, and 1 volume claim is kept.*kubectl delete namespace guest-bob-home/,
    );
    assert.match(
      (await as(lab.kubeconfig, ["get", "configmap", "keystone", "-o", "yaml"])).said,
      /Keystone was uninstalled at 20/,
    );
  });

  await step(t, "grants: no longer Active; the status says what stays", async () => {
    const { status } = await cluster.grants.get("lent");
    const ready = status!.conditions!.find(({ type }) => type === "Ready")!;
    assert.deepEqual([status!.phase, status!.state, ready.reason], ["Pending", "Pending", "Uninstalled"]);
    assert.match(
      status!.message!,
      /^Keystone was uninstalled at 20.*: guests have no access, and nothing new is admitted/,
    );
    const { code, json } = await keystone(lab.kubeconfig, ["explain", "grant", "lent", "-o", "json"]);
    const chain: { what: string; status: string }[] = json().chain;
    assert.equal(code, 1);
    assert.deepEqual(chain.filter(({ status }) => status === "ok"), [], "nobody checks it any more");
  });

  await step(t, "finalizers: only Keystone's is removed, and all objects can be deleted", async () => {
    assert.deepEqual((await cluster.grants.get("lent")).metadata.finalizers, ["example.com/theirs"]);
    await cluster.grants.patch("lent", { metadata: { finalizers: [] } }, { type: "merge" });
    const { code, stderr } = await lab.kubectl(["delete", "-f", `${root}crds/`, "--timeout=20s"]);
    assert.equal(code, 0, stderr);
    await operator.stop();
  });

  await step(t, "a second time, without the custom resources: changes nothing and doesn't fail", async () => {
    await run();
    assert.match(said.join("\n"), /No object of keystone\.io/);
  });

  await step(t, "an operator is installed again: enforces the same grant again", async () => {
    await lab.kubectl(["delete", "lease", "keystone-operator", "-n", "keystone-system"]);
    using again = await prepared(lab);
    await again.createRealm("bob-home");
    await again.create({ name: "lent", to: "bob-home", hard: { "requests.cpu": "2", pods: "3" } });
    await using _operator = await startOperator(lab, { realm: "alice-home", kubeconfig });
    await again.grantIn("Active", "lent");
    await eventually(
      "Bob has access again",
      async () => (await as(bob, ["get", "pod", "web"])).code === 0 || "not yet",
    );
    assert.doesNotMatch((await as(bob, ["get", "configmap", "keystone", "-o", "yaml"])).said, /uninstalled/);
  });
});
