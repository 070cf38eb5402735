/** Grants on a real control plane: sums, order, drift, conflicts, deletion, and the number of writes. */
import assert from "node:assert/strict";
import { sharedLab } from "../lab/shared.ts";
import { eventually, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";

const local = { realm: "alice-home" };

Deno.test("grants", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, local);
  /** Waits until the quota includes these values. */
  const quotaIs = (grantee: string, hard: Record<string, string>) =>
    eventually(`the quota of ${grantee} is ${JSON.stringify(hard)}`, async () => {
      const found = await cluster.quotaOf(grantee);
      const same = Object.entries(hard).every(([key, value]) => String(found?.[key]) === value);
      return same ? true : JSON.stringify(found);
    });
  const atOnce = { noticeSeconds: 0 };

  await step(t, "to an unknown realm: Pending, and Active within a second of the Realm's creation", async () => {
    await cluster.create({ name: "early", to: "early-home", termination: atOnce });
    const pending = await cluster.grantIn("Pending", "early");
    assert.match(pending.status!.message!, /There is no Realm early-home; create it/);
    assert.equal(pending.metadata!.finalizers, undefined, "a Grant that isn't enforced needs no finalizer");
    await cluster.createRealm("early-home");
    await cluster.grantIn("Active", "early", 1000);
  });

  await step(t, "hard becomes empty: the Grant's status follows", async () => {
    await cluster.create({ name: "emptied", to: "nobody-yet", hard: { cpu: 1 } });
    await cluster.grantIn("Pending", "emptied");
    await cluster.grants.patch("emptied", { spec: { hard: { cpu: null } } } as never, { type: "merge" });
    await eventually("its status follows", async () => {
      const { metadata, status } = await cluster.grants.get("emptied");
      return status!.observedGeneration === metadata.generation && status!.hard === undefined ||
        JSON.stringify(status);
    });
  });

  await step(t, "two grants to one realm: add up; one ends: the other's is left, within a second", async () => {
    await cluster.createRealm("sum-home");
    const { text, at } = secondsFromNow(2);
    await cluster.create({ name: "two", to: "sum-home", hard: { cpu: 2, pods: 2 } });
    await cluster.create({ name: "three", to: "sum-home", hard: { "requests.cpu": "3", pods: "4" }, until: text });
    await cluster.grantIn("Active", "three");
    await quotaIs("sum-home", { pods: "6", "requests.cpu": "5" });
    await cluster.grantIn("Expired", "three");
    assert.ok(Date.now() - at < 1000);
    await quotaIs("sum-home", { pods: "2", "requests.cpu": "2" });
    assert.equal((await cluster.grants.get("two")).status!.phase, "Active");
  });

  await step(t, "beyond the realm's trust level: Pending, and Active once the trust level is raised", async () => {
    await cluster.createRealm("trust-home", { trustLevel: "public" });
    await cluster.create({ name: "trust", to: "trust-home", until: secondsFromNow(40 * 86_400).text });
    const pending = await cluster.grantIn("Pending", "trust");
    assert.match(
      pending.status!.message!,
      /spec\.validity\.validUntil is .* trust level public allows at most 30 days after the start/,
    );
    await cluster.realms.patch("trust-home", { spec: { trustLevel: "partner" } }, { type: "merge" });
    await cluster.grantIn("Active", "trust", 1000);
    await cluster.realms.patch("trust-home", { spec: { trustLevel: "public" } }, { type: "merge" });
    const lowered = await eventually("its condition says so", async () => {
      const grant = await cluster.grants.get("trust");
      const ready = grant.status!.conditions!.find(({ type }) => type === "Ready")!;
      return ready.reason === "ExceedsTrustCeiling" ? grant : ready.reason;
    }, 2000);
    assert.equal(lowered.status!.phase, "Active", "an active grant stays active");
  });

  await step(t, "validFrom in the future: begins at that time", async () => {
    await cluster.createRealm("later-home");
    const { text, at } = secondsFromNow(1);
    await cluster.create({ name: "later", to: "later-home", from: text });
    assert.match((await cluster.grantIn("Pending", "later")).status!.message!, /Starts at/);
    await cluster.grantIn("Active", "later");
    assert.ok(Date.now() >= at && Date.now() - at < 1000, `${Date.now() - at}`);
  });

  await step(t, "validUntil is null: Pending, not endless", async () => {
    await cluster.createRealm("null-home");
    await cluster.grants.create(
      {
        metadata: { name: "null-end" },
        spec: {
          grantorRealm: "alice-home",
          granteeRealm: "null-home",
          hard: { cpu: 1 },
          validity: { validUntil: null },
        },
      } as never,
    );
    assert.match((await cluster.grantIn("Pending", "null-end")).status!.message!, /validUntil is null/);
  });

  await step(t, "another grantor's grant: not enforced here", async () => {
    await cluster.create({ name: "foreign", to: "early-home", grantor: "carol-home" });
    assert.match(
      (await cluster.grantIn("Pending", "foreign")).status!.message!,
      /The grantor carol-home is not this cluster, which is alice-home/,
    );
    await quotaIs("early-home", { "requests.cpu": "1" });
  });

  await step(t, "allowed destinations: opened, changed and closed", async () => {
    await cluster.createRealm("net-home");
    await cluster.create({
      name: "net",
      to: "net-home",
      destinations: ["203.0.113.7/24:443", "nobody", "2001:db8::/32"],
      termination: atOnce,
    });
    const grant = await cluster.grantIn("Active", "net");
    assert.deepEqual(grant.status!.resolvedDestinations, [
      { destination: "203.0.113.7/24:443", addresses: ["203.0.113.0/24"], ports: "443/TCP" },
      { destination: "nobody", error: "There is no Realm nobody." },
      { destination: "2001:db8::/32", addresses: ["2001:db8::/32"] },
    ]);
    assert.deepEqual(await cluster.policiesOf("net-home"), ["default-deny", "dns", "grant-net", "guest-internal"]);
    await cluster.grants.patch("net", { spec: { networkPolicy: { egressAllowed: false } } }, { type: "merge" });
    await eventually(
      "the destinations are closed",
      async () => !(await cluster.policiesOf("net-home")).includes("grant-net") || "still open",
    );
  });

  await step(t, "drift: repaired within a second", async () => {
    const net = cluster.policies.namespace("guest-sum-home");
    const repaired = (what: string, look: () => Promise<boolean>) =>
      eventually(what, async () => await look().catch(() => false) ? true : "not yet", 1000);
    await net.delete("default-deny");
    await repaired(
      "the default deny is restored",
      async () => (await net.get("default-deny")).spec!.policyTypes!.length === 2,
    );
    await net.patch("default-deny", { spec: { podSelector: { matchLabels: { only: "these" } } } }, { type: "merge" });
    await repaired(
      "the default deny selects all pods",
      async () => Object.keys((await net.get("default-deny")).spec!.podSelector!).length === 0,
    );
    await cluster.quotas.namespace("guest-sum-home").patch("keystone", { spec: { hard: { "requests.cpu": "99" } } }, {
      type: "merge",
    });
    await quotaIs("sum-home", { "requests.cpu": "2" });
    await cluster.quotas.namespace("guest-sum-home").delete("keystone");
    await quotaIs("sum-home", { "requests.cpu": "2" });
    await cluster.namespaces.patch("guest-sum-home", {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged", team: "kept" } },
    }, { type: "merge" });
    await repaired("Pod Security is restored", async () => {
      const { labels } = (await cluster.namespaces.get("guest-sum-home")).metadata;
      return labels!["pod-security.kubernetes.io/enforce"] === "restricted" && labels!["team"] === "kept";
    });
  });

  await step(t, "a namespace that Keystone didn't create: left alone until it is handed over", async () => {
    await cluster.namespaces.create({ metadata: { name: "guest-taken-home" } });
    await cluster.createRealm("taken-home");
    await cluster.create({ name: "taken", to: "taken-home" });
    const grant = await cluster.grantIn("Pending", "taken");
    assert.equal(grant.status!.conditions!.find(({ type }) => type === "Ready")!.reason, "NamespaceConflict");
    assert.equal(await cluster.quotaOf("taken-home"), undefined);
    const command = grant.status!.message!.match(/kubectl (annotate .*)$/)![1]!;
    assert.equal((await lab.kubectl(command.split(" "))).code, 0);
    await cluster.grantIn("Active", "taken", 1000);
  });

  await step(t, "revoked: stays Revoked", async () => {
    await cluster.createRealm("revoked-home");
    await cluster.create({ name: "revoked", to: "revoked-home", termination: atOnce });
    await cluster.grantIn("Active", "revoked");
    await cluster.grants.patch("revoked", { spec: { revocation: { reason: "the fan is loud" } } }, { type: "merge" });
    assert.match((await cluster.grantIn("Revoked", "revoked")).status!.message!, /the fan is loud/);
    assert.equal((await cluster.quotaOf("revoked-home"))!["requests.cpu"], "0");
  });

  await step(t, "the Realm is deleted: its grant stays active, and continues with a new Realm", async () => {
    await cluster.realms.delete("early-home");
    await eventually("GranteeKnown is False", async () => {
      const { status } = await cluster.grants.get("early");
      const known = status!.conditions!.find(({ type }) => type === "GranteeKnown")!;
      return known.status === "False" && status!.phase === "Active" ? true : `${known.status}, ${status!.phase}`;
    });
    await quotaIs("early-home", { "requests.cpu": "0" });
    await cluster.createRealm("early-home");
    await eventually(
      "Ready",
      async () =>
        (await cluster.grants.get("early")).status!.conditions!.find(({ type }) => type === "Ready")!.status ===
          "True" || "not yet",
    );
    await quotaIs("early-home", { "requests.cpu": "1" });
  });

  await step(t, "the Grant is deleted: its enforcement is removed first", async () => {
    await cluster.grants.delete("early");
    await eventually(
      "the Grant is deleted",
      async () =>
        (await cluster.grants.list()).items.every(({ metadata }) => metadata.name !== "early") ||
        "held by its finalizer",
    );
    assert.equal((await cluster.quotaOf("early-home"))!["requests.cpu"], "0");
  });

  await step(t, "deleted while no operator ran: closed by the next one", async () => {
    await cluster.createRealm("down-home");
    await cluster.create({ name: "down", to: "down-home" });
    await cluster.grantIn("Active", "down");
    await operator.stop();
    await cluster.grants.patch("down", { metadata: { finalizers: [] } }, { type: "merge" });
    await cluster.grants.delete("down");
    await using _next = await startOperator(lab, local);
    await eventually(
      "the quota is closed",
      async () => (await cluster.quotaOf("down-home"))!["requests.cpu"] === "0" || "still open",
    );
  });
});

Deno.test("200 grants", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  const count = 200;
  await using operator = await startOperator(lab, local);
  const broken = { name: "broken", to: "broken-home" };
  await cluster.namespaces.create({ metadata: { name: "guest-broken-home" } });

  await step(t, "converge with the necessary writes and no reads", async () => {
    await cluster.createRealm("broken-home");
    await cluster.create(broken);
    await Promise.all(Array.from({ length: count }, (_, i) => cluster.createRealm(`r${i}`)));
    await eventually(
      "every Realm has a status",
      async () =>
        (await cluster.realms.list({ limit: 1000 })).items.every(({ status }) => status?.connectionState) || "not yet",
      30_000,
    );
    const began = operator.requests.length;
    await Promise.all(Array.from({ length: count }, (_, i) => cluster.create({ name: `g${i}`, to: `r${i}` })));
    await eventually("all are Active", async () => {
      const { items } = await cluster.grants.list({ limit: 1000 });
      const active = items.filter(({ status }) => status?.phase === "Active").length;
      return active === count || `${active} of ${count}`;
    }, 60_000);
    // Excluded: the database's size is read with a renewal of the Lease, once for hundreds of writes, and the pods'
    // addresses and pools are polled.
    const asked = operator.requests.slice(began).filter(({ path }) =>
      !path.includes("/leases") && !["/metrics", "/api/v1/pods", "/apis", "/livez"].includes(path)
    );
    assert.deepEqual(asked.filter(({ method }) => method === "GET"), []);
    const writes = asked.filter(({ path }) => !path.includes("/events")).length / count;
    // Namespace, default deny, LimitRange, ServiceAccount, quota, two policies, guide, binding; finalizer; one or two statuses.
    assert.ok(writes <= 12, `${writes} writes for each grant`);
    assert.deepEqual(asked.filter(({ code }) => code >= 400), []);
  });

  await step(t, "nothing changes: no writes", async () => {
    await quiet(operator);
  });

  await step(t, "the operator restarts: no writes", async () => {
    await operator.stop();
    await using next = await startOperator(lab, local);
    await eventually(
      "the operator enforces grants",
      () => Promise.resolve(next.log.some((line) => /Enforcing grants/.test(line)) || next.log.join("\n")),
    );
    await quiet(next);
    assert.deepEqual(next.writes(), []);
  });
});

/** Resolves once nothing has been written for 3 s; fails if that takes too long. */
async function quiet(operator: { writes(): unknown[] }): Promise<void> {
  let before = -1;
  let since = performance.now();
  await eventually("nothing is written for 3 s", () => {
    const now = operator.writes().length;
    if (now !== before) [before, since] = [now, performance.now()];
    return Promise.resolve(performance.now() - since > 3000 || `${now} writes`);
  }, 30_000);
}
