/** Ends of grants as people see them: kubectl, the command, the guests' guide and events tell the same. */
import assert from "node:assert/strict";
import { conditionOf } from "../../src/core/conditions.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { guestPod } from "../lab/lab_workloads.ts";

Deno.test("ends of grants, as people see them", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await using _operator = await startOperator(lab, { realm: "alice-home" });
  const run = (...args: string[]) => keystone(lab.kubeconfig, args, { env: { KEYSTONE_REALM: "alice-home" } });
  const kubectl = async (...args: string[]) => {
    const { stdout, stderr } = await lab.kubectl(args);
    return stdout + stderr;
  };
  const role = await lab.kubectl(["apply", "-f", `${root}deploy/kustomize/base/guest-role.yaml`]);
  assert.equal(role.code, 0, role.stderr);
  const stateIs = (name: string, state: string, withinMs = 10_000) =>
    eventually(`${name} is ${state}`, async () => {
      const grant = await cluster.grants.get(name);
      return grant.status?.state === state ? grant : `${grant.status?.state}: ${grant.status?.message}`;
    }, withinMs);

  await step(t, "created with --wait: returns once it is enforced", async () => {
    await cluster.createRealm("lent-home");
    const made = await run(
      "grant",
      "create",
      "lent",
      "--to",
      "lent-home",
      "--hard",
      "cpu=2",
      "--until",
      "2099-01-01",
      "--wait",
    );
    assert.equal(made.code, 0, made.err);
    assert.match(made.out, /^Enforced in namespace guest-lent-home until 2099-01-01T00:00:00Z\./);
    assert.equal((await cluster.grants.get("lent")).status!.phase, "Active");
    const longer = await run("extend", "lent", "--until", "2099-06-01", "--wait");
    assert.deepEqual([longer.code, longer.out], [
      0,
      "Grant lent lasts until Monday 2099-06-01 00:00 UTC (2099-06-01T00:00:00Z).",
    ]);
  });

  await step(t, "revoked: kubectl, the command and the guests read the same end and reason", async () => {
    const revoked = await run("revoke", "lent", "--reason", "the disk is full", "--yes");
    assert.match(revoked.out, /Grant lent is revoked; it ends after at most 300 s of notice/);
    const { status } = await stateIs("lent", "Ending");
    const end = status!.effectiveUntil!;
    assert.equal(status!.phase, "Active");
    const row = (await kubectl("get", "grant", "lent")).split("\n")[1]!;
    assert.match(row, new RegExp(`lent-home +Ending +2 .*${end}`));
    assert.doesNotMatch(row, /2099/);
    assert.match(
      await kubectl("get", "grant", "lent", "-o", "wide"),
      /it was revoked, with the reason "the disk is full"/,
    );
    assert.match(await kubectl("describe", "grant", "lent"), new RegExp(`State: +Ending`));
    assert.match((await run("grants", "lent")).out, /State +Ending\.[^]*Ends .*in [45] min/);
    const explained = await run("explain", "grant", "lent");
    assert.match(explained.out, new RegExp(`Ends at ${end}: it was revoked, with the reason "the disk is full"`));
    const guide = await kubectl("get", "configmap", "keystone", "-n", "guest-lent-home", "-o", "jsonpath={.data}");
    assert.match(guide, /because: \\"the disk is full\\"/);
    assert.ok(guide.includes(`until: \\"${end}\\"`), guide);
    await eventually("guests see the event", async () => {
      const events = await kubectl("get", "events", "-n", "guest-lent-home");
      return /Notice .*Grant lent: Ends at .*the disk is full/.test(events) || events;
    });
    const bob = await lab.user("lent", { groups: ["keystone:realm:lent-home"] });
    const asGuest = await keystone(bob, ["explain", "grant", "lent", "-n", "guest-lent-home"]);
    assert.match(asGuest.out, /Ending: .*[\s\S]*with the reason "the disk is full"/, asGuest.err);
  });

  await step(t, "revoked: extend is refused, and so are a second reason and its removal", async () => {
    const { code, err } = await run("extend", "lent", "--for", "30d");
    assert.equal(code, 1);
    assert.match(err, /can't be extended\. To lend again: keystone grant create NEW-NAME --to lent-home --hard cpu=2/);
    assert.match((await run("revoke", "lent", "--reason", "moving", "--yes")).err, /The first reason stays/);
    const patched = (revocation: unknown) =>
      kubectl("patch", "grant", "lent", "--type=merge", "-p", JSON.stringify({ spec: { revocation } }));
    assert.match(await patched({ reason: "moving" }), /revocation\.reason cannot be changed/);
    assert.match(await patched({ reason: null }), /revocation\.reason cannot be changed/);
  });

  await step(t, "--now --watch during the notice: ends at once; pods wait for their budget, then go", async () => {
    await cluster.createRealm("now-home");
    await cluster.create({ name: "now", to: "now-home", hard: { cpu: "2", memory: "1Gi", "requests.storage": "1Gi" } });
    await cluster.grantIn("Active", "now");
    await cluster.grants.patch("now", { spec: { termination: { drainSeconds: 6 } } }, { type: "merge" });
    const pod = JSON.parse(guestPod("web", { cpu: "1", memory: "64Mi" }, "guest-now-home"));
    // Without a kubelet: bound to a node that doesn't exist, and said to be running.
    pod.metadata.labels = { app: "web" };
    pod.spec.nodeName = "nowhere";
    assert.equal((await cluster.apply(pod)).code, 0);
    const running = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    await kubectl(
      "patch",
      "pod",
      "web",
      "-n",
      "guest-now-home",
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify({ status: running }),
    );
    const budget = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "web", namespace: "guest-now-home" },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "web" } } },
    };
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data", namespace: "guest-now-home" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    };
    assert.equal((await cluster.apply(budget, claim)).code, 0);
    await eventually("the budget is computed", async () => {
      const seen = await kubectl(
        "get",
        "pdb",
        "web",
        "-n",
        "guest-now-home",
        "-o",
        "jsonpath={.status.currentHealthy}",
      );
      return seen === "1" || seen;
    });
    await run("revoke", "now", "--yes");
    await stateIs("now", "Ending");
    const watched = run("revoke", "now", "--now", "--yes", "--watch", "--timeout", "60s");
    await eventually("the drain says what it waits for", async () => {
      const { message } = conditionOf((await cluster.grants.get("now")).status, "Draining")!;
      return /PodDisruptionBudget web allows no eviction now of web\./.test(message) || message;
    });
    const { status } = await cluster.grants.get("now");
    assert.deepEqual([status!.phase, status!.state], ["Revoked", "Ending"]);
    assert.ok(Date.parse(status!.effectiveUntil!) <= Date.now() + 1000);
    assert.match(await kubectl("get", "grant", "now"), /Ending/);
    await eventually("the pod is deleted after the drain", async () => {
      const seen = await kubectl(
        "get",
        "pod",
        "web",
        "-n",
        "guest-now-home",
        "-o",
        "jsonpath={.metadata.deletionTimestamp}",
      );
      return seen.startsWith("20") || seen;
    }, 20_000);
    await kubectl("delete", "pod", "web", "-n", "guest-now-home", "--force", "--grace-period=0");
    const { code, err } = await watched;
    assert.equal(code, 0, err);
    assert.match(err, /Grant now ended at \S+Z: no access, no destinations, no quota\./);
    assert.match(err, /Pod web waits for PodDisruptionBudget web: 1 healthy, 1 needed/);
    assert.match(err, /Pod web is stopping[\s\S]*Pod web is gone/);
    assert.match(
      err,
      /Revoked by the grantor, with immediate effect, without a reason\..*1 volume claim is left in guest-now-home: data \(1Gi\)\./,
    );
    await stateIs("now", "Revoked");
    const back = await kubectl(
      "patch",
      "grant",
      "now",
      "--type=merge",
      "-p",
      '{"spec":{"revocation":{"immediate":false}}}',
    );
    assert.match(back, /this grant has ended|cannot be taken back/);
  });

  await step(t, "kubectl delete waits: describe says for what; revoke --now --wait ends it at once", async () => {
    await cluster.createRealm("gone-home");
    await cluster.create({ name: "gone", to: "gone-home", hard: { cpu: "1" } });
    await cluster.grantIn("Active", "gone");
    await kubectl("delete", "grant", "gone", "--wait=false");
    const { status } = await stateIs("gone", "Ending");
    const described = await kubectl("describe", "grant", "gone");
    assert.match(
      described,
      /it was deleted, without a reason\. .*removed when its pods are gone, which takes up to 120 s/,
    );
    assert.match(await kubectl("get", "grant", "gone"), new RegExp(`Ending .*${status!.effectiveUntil}`));
    const asked = await run("revoke", "gone");
    assert.match(asked.out, new RegExp(`is being deleted; it ends at ${status!.effectiveUntil}\\. Watch it:`));
    const ended = await run("revoke", "gone", "--now", "--yes", "--wait", "--timeout", "30s");
    assert.equal(ended.code, 0, ended.err);
    assert.match(ended.err, /Grant gone has ended and is removed\./);
    assert.match(await kubectl("get", "grant", "gone"), /NotFound/);
  });

  await step(t, "--timeout: ends the waiting with what is awaited, not the revocation", async () => {
    await cluster.createRealm("late-home");
    await cluster.create({ name: "late", to: "late-home", hard: { cpu: "1" } });
    await cluster.grantIn("Active", "late");
    const { code, err } = await run("revoke", "late", "--wait", "--yes", "--timeout", "2s");
    assert.equal(code, 1);
    assert.match(err, /--timeout is over\. Grant late is on notice\. Ends at .*The grant ends anyway\./);
    assert.ok((await cluster.grants.get("late")).spec.revocation);
  });
});
