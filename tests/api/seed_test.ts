/** The specification's Grant and Realm on a real control plane. */
import assert from "node:assert/strict";
import { sharedLab } from "../lab/shared.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { eventually, prepared, secondsFromNow, startOperator, step } from "../fixtures/test_operator.ts";
import { seed } from "../fixtures/seed.ts";
import { load } from "js-yaml";

Deno.test("the seed's Grant and Realm", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, { realm: "alice-home" });
  const apply = async (text: string) => {
    const { code, stderr } = await lab.kubectl(["apply", "-f", "-"], { stdin: text });
    assert.equal(code, 0, stderr);
  };

  await step(t, "verbatim: its date has passed, so it is Expired and nothing is enforced", async () => {
    await apply(seed);
    await cluster.grantIn("Expired", "alice-to-bob-compute");
    const { items } = await cluster.namespaces.list();
    assert.ok(!items.some(({ metadata }) => metadata.name === "guest-bob-home"));
    const { spec } = load(seed.split("---")[0]!) as { spec: { hard: unknown } };
    assert.deepEqual(
      (await cluster.grants.get("alice-to-bob-compute")).spec.hard,
      spec.hard,
      "the object is unchanged",
    );
  });

  await step(t, "ended: the API server refuses to revive it", async () => {
    const { code, stderr } = await lab.kubectl(["apply", "-f", "-"], {
      stdin: seed.replace("2026-01-01", "2099-01-01"),
    });
    assert.equal(code, 1);
    assert.match(stderr, /this grant has ended \(Expired\); create a new grant or delete this one/);
    await cluster.grants.delete("alice-to-bob-compute");
  });

  await step(t, "with its end in the future: enforced within a second", async () => {
    const began = performance.now();
    await apply(seed.replace("2026-01-01", "2099-01-01"));
    const applied = performance.now();
    const grant = await cluster.grantIn("Active", "alice-to-bob-compute");
    assert.ok(performance.now() - applied < 1000, `${performance.now() - began} ms`);
    assert.equal(grant.status!.guestNamespace, "guest-bob-home");
    const { hard } = (load(seed.split("---")[0]!) as { spec: { hard: Record<string, string> } }).spec;
    const quota = (await cluster.quotaOf("bob-home"))!;
    assert.deepEqual(Object.fromEntries(Object.keys(hard).map((key) => [key, quota[key]])), hard);
    assert.deepEqual(
      [quota["pods"], quota["services.loadbalancers"]],
      ["50", "0"],
      "a resource that isn't named isn't granted",
    );
    assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny", "dns", "guest-internal"]);
    const { metadata } = await cluster.namespaces.get("guest-bob-home");
    assert.equal(metadata.labels!["keystone.io/realm"], "bob-home");
    assert.equal(metadata.labels!["pod-security.kubernetes.io/enforce"], "restricted");
  });

  await step(t, "a pod that fits: admitted, and the Grant reports its usage as soon as the quota does", async () => {
    await apply(guestPod("fits", { cpu: "1500m", memory: "1Gi" }));
    await eventually("the quota counts the pod", async () => {
      const { status } = await cluster.quotas.namespace("guest-bob-home").get("keystone");
      return status?.used?.["requests.cpu"] === "1500m" ? true : `used: ${status?.used?.["requests.cpu"]}`;
    });
    await eventually("actualUsage follows", async () => {
      const { status } = await cluster.grants.get("alice-to-bob-compute");
      return status?.actualUsage?.["requests.cpu"] === "1500m" ? true : JSON.stringify(status?.actualUsage);
    }, 1000);
  });

  await step(t, "a pod beyond the grant: refused", async () => {
    const { code, stderr } = await lab.kubectl(["create", "-f", "-"], {
      stdin: guestPod("too-big", { cpu: "1", memory: "1Gi" }),
    });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /exceeded quota: keystone, requested: requests\.cpu=1, used: requests\.cpu=1500m, limited: requests\.cpu=2/,
    );
  });

  await step(t, "kubectl get and describe: show phase, amounts and end", async () => {
    const { stdout } = await lab.kubectl(["get", "grants,realms"]);
    assert.match(stdout, /GRANTOR +GRANTEE +PHASE +CPU +MEMORY +ENDS +AGE/);
    assert.match(stdout, /alice-home +bob-home +Active +2 +4Gi +2099-01-01T00:00:00Z/);
    assert.match(stdout, /IDENTITY +TRUST +STATE +LAST-SEEN +AGE/);
    assert.match(stdout, /bob-home\.tailnet-name\.ts\.net +partner +Unknown/);
    const described = await lab.kubectl(["describe", "kgrant", "alice-to-bob-compute"]);
    assert.match(described.stdout, /Enforced in namespace guest-bob-home until 2099/);
  });

  await step(t, "at validUntil: Expired, and its share of the quota is removed, within a second", async () => {
    const { text, at } = secondsFromNow(1.2);
    await cluster.grants.patch("alice-to-bob-compute", { spec: { validity: { validUntil: text } } }, { type: "merge" });
    await cluster.grantIn("Expired", "alice-to-bob-compute");
    const late = Date.now() - at;
    assert.ok(late >= 0 && late < 1000, `${late} ms after its end`);
    const hard = await cluster.quotaOf("bob-home");
    assert.deepEqual(new Set(Object.values(hard!)), new Set(["0"]));
    assert.equal(hard!.pods, "0");
    assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny"]);
  });

  await step(t, "deleted: only the closed namespace is left", async () => {
    await cluster.grants.delete("alice-to-bob-compute");
    await eventually(
      "the Grant is deleted",
      async () => (await cluster.grants.list()).items.length === 0 || "its finalizer is left",
    );
    assert.deepEqual(operator.log.filter((line) => !/Enforcing grants/.test(line)), []);
  });
});
