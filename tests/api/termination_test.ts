/** Termination of grants on a real control plane: notice, freeze, renewal, cuts, and clocks that disagree. */
import assert from "node:assert/strict";
import { systemClock } from "../../lib/clock/mod.ts";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../src/core/conditions.ts";
import { eventually, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { guestPod } from "../lab/lab_workloads.ts";

const condition = ({ status }: Grant, type: string) => status?.conditions?.find((each) => each.type === type);

Deno.test("termination", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, { realm: "alice-home" });
  const enforced = async (realm: string, ...keys: string[]) => {
    const quota = await cluster.quotas.namespace(`guest-${realm}`).get("keystone");
    return keys.map((key) => quota.status?.hard?.[key]).join(" ");
  };
  const enforces = (realm: string, keys: string[], values: string, withinMs = 2000) =>
    eventually(`the quota of ${realm} enforces ${values}`, async () => {
      const seen = await enforced(realm, ...keys);
      return seen === values ? true : `enforced: ${seen}`;
    }, withinMs);
  const draining = (name: string, reason: string, withinMs = 3000) =>
    eventually(`${name} is ${reason}`, async () => {
      const grant = await cluster.grants.get(name);
      return condition(grant, "Draining")?.reason === reason ? grant : JSON.stringify(condition(grant, "Draining"));
    }, withinMs);
  const pod = async (name: string, realm: string, cpu: string) => {
    const { code, stderr } = await lab.kubectl(["create", "-f", "-"], {
      stdin: guestPod(name, { cpu, memory: "64Mi" }, `guest-${realm}`),
    });
    return code === 0 ? "created" : stderr;
  };
  const used = (realm: string, key: string, value: string) =>
    eventually(`${value} ${key} are counted`, async () => {
      const quota = await cluster.quotas.namespace(`guest-${realm}`).get("keystone");
      return quota.status?.used?.[key] === value || `${quota.status?.used?.[key]}`;
    });
  const patch = (name: string, spec: Record<string, unknown>) =>
    cluster.grants.patch(name, { spec }, { type: "merge" });

  await step(t, "before its expiry: on notice, nothing grows, and a renewal lifts that", async () => {
    await cluster.createRealm("renew-home");
    await cluster.create({
      name: "renew",
      to: "renew-home",
      hard: { cpu: "3", memory: "1Gi" },
      until: secondsFromNow(3600).text,
      termination: { noticeSeconds: 300 },
    });
    await cluster.grantIn("Active", "renew");
    assert.equal(await pod("one", "renew-home", "1"), "created");
    await used("renew-home", "requests.cpu", "1");
    const end = secondsFromNow(120);
    await cluster.grants.patch("renew", {
      spec: { validity: { validFrom: secondsFromNow(-600).text, validUntil: end.text } },
    }, { type: "merge" });
    const grant = await draining("renew", "Expiring");
    assert.equal(grant.status!.phase, "Active");
    assert.match(condition(grant, "Draining")!.message, new RegExp(`Ends at ${end.text}: its validity ends then`));
    await enforces("renew-home", ["requests.cpu", "pods"], "1 1");
    assert.match(await pod("two", "renew-home", "1"), /exceeded quota: keystone/);
    await patch("renew", { validity: { validUntil: secondsFromNow(7200).text } });
    await draining("renew", "NotDraining");
    await enforces("renew-home", ["requests.cpu", "pods"], "3 50");
    assert.equal(await pod("two", "renew-home", "1"), "created");
  });

  await step(t, "revoked: the end is written once, and a restart doesn't change it", async () => {
    await cluster.createRealm("revoke-home");
    await cluster.create({
      name: "revoke",
      to: "revoke-home",
      termination: { noticeSeconds: 6, drainSeconds: 0 },
    });
    await cluster.grantIn("Active", "revoke");
    const before = Date.now();
    await patch("revoke", { revocation: { reason: "moving" } });
    const { status } = await draining("revoke", "Revoked");
    const end = Date.parse(status!.effectiveUntil!);
    assert.ok(end - before >= 6000 && end - before < 8500, `${end - before} ms`);
    await operator.stop();
    await using _next = await startOperator(lab, { realm: "alice-home" });
    const revoked = await cluster.grantIn("Revoked", "revoke", 12_000);
    const late = Date.now() - end;
    assert.ok(late >= 0 && late < 1500, `${late} ms after its end`);
    assert.equal(revoked.status!.effectiveUntil, status!.effectiveUntil);
    await draining("revoke", "Drained");
    assert.match(condition(await cluster.grants.get("revoke"), "Ready")!.message, /Revoked by the grantor: moving/);
  });

  await using _operator = await startOperator(lab, { realm: "alice-home" });

  await step(t, "lower hard or a removed destination: in force after its notice; higher hard: at once", async () => {
    await cluster.createRealm("cut-home");
    await cluster.create({
      name: "cut",
      to: "cut-home",
      hard: { cpu: "4", memory: "1Gi" },
      destinations: ["203.0.113.0/24", "198.51.100.0/24"],
      termination: { noticeSeconds: 4, drainSeconds: 0 },
    });
    await cluster.grantIn("Active", "cut");
    assert.equal(await pod("one", "cut-home", "2"), "created");
    await used("cut-home", "requests.cpu", "2");
    await patch("cut", {
      hard: { cpu: "1" },
      networkPolicy: { egressAllowed: true, allowedDestinations: ["203.0.113.0/24"] },
    });
    const grant = await draining("cut", "Reduced");
    assert.deepEqual(grant.status!.reductions![0]!.allowedDestinations, ["198.51.100.0/24"]);
    const { message } = conditionOf(grant.status, "Draining")!;
    assert.match(
      message,
      /reduces limits\.cpu from 4 to 1, requests\.cpu from 4 to 1, and closes 198\.51\.100\.0\/24\. /,
    );
    assert.doesNotMatch(message, /memory|ends at/);
    assert.equal(grant.status!.hard!["requests.cpu"], "1");
    await enforces("cut-home", ["requests.cpu"], "2");
    await enforces("cut-home", ["requests.memory"], "1Gi");
    const opened = async () => {
      const policy = await cluster.policies.namespace("guest-cut-home").get("grant-cut");
      return policy.spec!.egress!.flatMap(({ to }) => to!.map(({ ipBlock }) => ipBlock!.cidr)).join();
    };
    assert.equal(await opened(), "198.51.100.0/24,203.0.113.0/24");
    const until = Date.parse(grant.status!.reductions![0]!.until);
    await enforces("cut-home", ["requests.cpu"], "1", 8000);
    assert.ok(Date.now() >= until && Date.now() - until < 1500, `${Date.now() - until} ms`);
    await eventually("the destination is closed", async () => await opened() === "203.0.113.0/24" || await opened());
    // No kubelet has to end the pod: the API server deletes a pod that was never scheduled at once.
    await used("cut-home", "requests.cpu", "0");
    await eventually("the cut is over", async () => {
      const { status } = await cluster.grants.get("cut");
      return status!.reductions === undefined || JSON.stringify(status!.reductions);
    });
    await patch("cut", { hard: { cpu: "8" } });
    await enforces("cut-home", ["requests.cpu"], "8", 1000);
  });

  await step(t, "a new grant during the notice of another: enforced in full", async () => {
    await cluster.createRealm("next-home");
    await cluster.create({ name: "old", to: "next-home", hard: { cpu: "2" }, termination: { noticeSeconds: 60 } });
    await cluster.grantIn("Active", "old");
    await cluster.grants.delete("old");
    await draining("old", "Deleted");
    await enforces("next-home", ["requests.cpu"], "0");
    await cluster.create({ name: "new", to: "next-home", hard: { cpu: "5" } });
    await cluster.grantIn("Active", "new");
    await enforces("next-home", ["requests.cpu"], "5");
    await cluster.grants.patch("old", { spec: { termination: { noticeSeconds: 0 } } }, { type: "merge" });
    await eventually("old is deleted", async () => {
      const { items } = await cluster.grants.list();
      return items.every(({ metadata }) => metadata.name !== "old") || "held";
    }, 3000);
    assert.equal(await enforced("next-home", "requests.cpu"), "5");
  });

  await step(
    t,
    "the last grant ends: its namespace closes; without volumes it is deleted after the retention, with volumes it stays",
    async () => {
      await _operator.stop();
      const { defaultSettings } = await import("../../src/api/mod.ts");
      await using _short = await startOperator(lab, {
        realm: "alice-home",
        settings: { ...defaultSettings, namespaceRetentionSeconds: 2 },
      });
      for (
        const [realm, volumes] of [["empty-home", "Retain"], ["kept-home", "Retain"], ["gone-home", "Delete"]] as const
      ) {
        await cluster.createRealm(realm);
        await cluster.create({
          name: realm,
          to: realm,
          hard: { cpu: "1", "requests.storage": "1Gi" },
          termination: { noticeSeconds: 0, volumes },
        });
        await cluster.grantIn("Active", realm);
        if (realm === "empty-home") continue;
        const claim = {
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          metadata: { name: "data", namespace: `guest-${realm}` },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        };
        assert.equal((await cluster.apply(claim)).code, 0);
        await used(realm, "persistentvolumeclaims", "1");
      }
      for (const realm of ["empty-home", "kept-home", "gone-home"]) await patch(realm, { revocation: {} });
      const gone = (realm: string) =>
        eventually(`namespace guest-${realm} is deleted`, async () => {
          const { items } = await cluster.namespaces.list();
          return items.every(({ metadata }) => metadata.name !== `guest-${realm}`) || "still exists";
        }, 20_000);
      await Promise.all([gone("empty-home"), gone("gone-home")]);
      const { metadata } = await cluster.namespaces.get("guest-kept-home");
      assert.equal(metadata.labels!["keystone.io/locked"], "true");
      const { stdout } = await lab.kubectl(["get", "pvc", "-n", "guest-kept-home", "-o", "name"]);
      assert.equal(stdout.trim(), "persistentvolumeclaim/data");
      const events = await lab.kubectl(["get", "events", "-n", "default"]);
      assert.match(events.stdout, /LastGrantEnded.*guest-kept-home is closed; its volume claims \(1\) are kept/);
      await cluster.create({ name: "again", to: "kept-home" });
      await cluster.grantIn("Active", "again");
      const back = await cluster.namespaces.get("guest-kept-home");
      assert.equal(back.metadata.labels!["keystone.io/locked"], undefined);
    },
  );

  await step(t, "a clock jumps ahead: nothing ends, and due grants end once the clock is right", async () => {
    let offset = 0;
    const clock = { ...systemClock, now: () => Date.now() + offset };
    clock.monotonic = () => systemClock.monotonic();
    clock.setTimer = (ms, fire) => systemClock.setTimer(ms, fire);
    await using _skewed = await startOperator(lab, { realm: "alice-home", clock });
    await cluster.createRealm("clock-home");
    await cluster.create({
      name: "clock",
      to: "clock-home",
      until: secondsFromNow(1800).text,
      termination: { noticeSeconds: 0 },
    });
    await cluster.grantIn("Active", "clock");
    offset = 3_600_000;
    await cluster.grants.patch("clock", { metadata: { labels: { touched: "1" } } }, { type: "merge" });
    await eventually("its condition says so", async () => {
      const grant = await cluster.grants.get("clock");
      return /3600 s behind the operator's, so no grant is ended permanently/.test(condition(grant, "Ready")!.message)
        ? true
        : condition(grant, "Ready")!.message;
    });
    assert.equal((await cluster.grants.get("clock")).status!.phase, "Active");
    await enforces("clock-home", ["requests.cpu"], "0");
    offset = 0;
    await eventually("the operator ends grants again", async () => {
      const grant = await cluster.grants.get("clock");
      return condition(grant, "Draining")!.reason === "NotDraining" || condition(grant, "Draining")!.message;
    });
    await enforces("clock-home", ["requests.cpu"], "1");
  });
});
