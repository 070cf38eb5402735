/** Others' changes to a guest namespace, with and without a running operator: repaired, or reported with the reason. */
import assert from "node:assert/strict";
import type { Grant } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { sharedLab } from "../lab/shared.ts";
import { guestPod } from "../lab/lab_workloads.ts";

const conditionOf = ({ status }: Grant, type: string) => status?.conditions?.find((each) => each.type === type);

Deno.test("others' changes to a guest namespace", async (t) => {
  await using lab = await sharedLab();
  using cluster = await prepared(lab);
  const local = { realm: "alice-home" };
  await using leaving = new AsyncDisposableStack();
  let operator = await startOperator(lab, local);
  leaving.defer(() => operator.stop());
  const restarted = async (meanwhile: () => Promise<void>) => {
    await operator.stop();
    await meanwhile();
    operator = await startOperator(lab, local);
  };
  const says = (name: string, type: string, pattern: RegExp, withinMs?: number) =>
    eventually(`${type} of ${name} says ${pattern}`, async () => {
      const condition = conditionOf(await cluster.grants.get(name), type);
      const text = `${condition?.status} ${condition?.reason} ${condition?.message}`;
      return pattern.test(text) ? true : text;
    }, withinMs);
  const applied = async (...objects: unknown[]) => {
    const { code, said } = await cluster.apply(...objects);
    assert.equal(code, 0, said);
  };
  const unlabelled = { metadata: { labels: { "app.kubernetes.io/managed-by": null } } };

  await step(
    t,
    "objects lost their label while no operator ran: still managed, and kept or deleted as planned",
    async () => {
      await cluster.createRealm("label-home");
      await cluster.create({ name: "label-stays", to: "label-home", hard: { cpu: "2" } });
      await cluster.create({
        name: "label-goes",
        to: "label-home",
        destinations: ["203.0.113.7:443"],
        termination: { noticeSeconds: 0 },
      });
      await cluster.grantIn("Active", "label-goes");
      const policies = cluster.policies.namespace("guest-label-home");
      const quotas = cluster.quotas.namespace("guest-label-home");
      await restarted(async () => {
        await policies.patch("grant-label-goes", unlabelled, { type: "merge" });
        await policies.patch("default-deny", unlabelled, { type: "merge" });
        await quotas.patch("keystone", { ...unlabelled, spec: { hard: { "requests.cpu": "50" } } }, { type: "merge" });
        await cluster.grants.patch("label-goes", { spec: { revocation: {} } }, { type: "merge" });
      });
      await cluster.grantIn("Revoked", "label-goes");
      const { items } = await policies.list();
      assert.deepEqual(items.filter(({ metadata }) => metadata.name!.startsWith("grant-")), []);
      await eventually("the labels are restored", async () => {
        const objects = [await policies.get("default-deny"), await quotas.get("keystone")];
        return objects.every(({ metadata }) => metadata.labels?.["app.kubernetes.io/managed-by"] === "keystone") ||
          "not yet";
      });
      assert.equal((await cluster.quotaOf("label-home"))!["requests.cpu"], "2");
    },
  );

  await step(t, "a NetworkPolicy that isn't Keystone's: left alone, and reported on the grants", async () => {
    const open = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "anywhere", namespace: "guest-label-home" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    };
    await applied(open);
    await says("label-stays", "NetworkApplied", /^True .*NetworkPolicies not made by Keystone .*: anywhere\./, 2000);
    assert.equal((await lab.kubectl(["delete", "networkpolicy", "anywhere", "-n", "guest-label-home"])).code, 0);
    await says("label-stays", "NetworkApplied", /^True (?!.*Others)/, 2000);
  });

  await step(t, "a foreign key in the quota: stays, and only tightens the quota", async () => {
    await cluster.quotas.namespace("guest-label-home").patch(
      "keystone",
      { spec: { hard: { "count/foos.example.com": "3" } } },
      { type: "merge" },
    );
    await cluster.grants.patch("label-stays", { spec: { hard: { cpu: "3" } } }, { type: "merge" });
    await eventually(
      "the quota follows",
      async () => (await cluster.quotaOf("label-home"))!["requests.cpu"] === "3" || "no",
    );
    assert.equal((await cluster.quotaOf("label-home"))!["count/foos.example.com"], "3");
  });

  await step(
    t,
    "the API server refuses a write: reported on the grant in its words, until it accepts the write",
    async () => {
      const policy = {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingAdmissionPolicy",
        metadata: { name: "repair-no-quota" },
        spec: {
          matchConstraints: {
            resourceRules: [{
              apiGroups: [""],
              apiVersions: ["v1"],
              operations: ["CREATE"],
              resources: ["resourcequotas"],
            }],
          },
          validations: [{
            expression: "object.metadata.namespace != 'guest-refused-home'",
            message: "not on a Tuesday",
          }],
        },
      };
      const binding = {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name: "repair-no-quota" },
        spec: { policyName: "repair-no-quota", validationActions: ["Deny"] },
      };
      const takenAway = () =>
        lab.kubectl([
          "delete",
          "validatingadmissionpolicy,validatingadmissionpolicybinding",
          "repair-no-quota",
          "--ignore-not-found",
        ]);
      leaving.defer(async () => void await takenAway());
      await applied({ apiVersion: "v1", kind: "Namespace", metadata: { name: "guest-refused-home" } });
      await applied(policy, binding);
      const quota = {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "probe", namespace: "guest-refused-home" },
        spec: {},
      };
      await eventually("the policy is in force", async () => {
        const { code } = await lab.kubectl(["create", "--dry-run=server", "-f", "-"], { stdin: JSON.stringify(quota) });
        return code !== 0 || "not yet";
      });
      assert.equal((await lab.kubectl(["delete", "namespace", "guest-refused-home"])).code, 0);
      await cluster.createRealm("refused-home");
      await cluster.create({ name: "refused", to: "refused-home" });
      await says("refused", "Ready", /^False WriteRefused .*not on a Tuesday/);
      assert.equal((await cluster.grants.get("refused")).status!.phase, "Pending");
      const { items } = await cluster.policies.namespace("guest-refused-home").list();
      assert.deepEqual(items.map(({ metadata }) => metadata.name), ["default-deny"], "nothing is open");
      await takenAway();
      await cluster.grantIn("Active", "refused", 20_000);
      await says("refused", "Ready", /^True Enforced/);
    },
  );

  await step(t, "a pod held by a finalizer: reported once its time is up, and holds up no Grant", async () => {
    await cluster.createRealm("held-home");
    const termination = { noticeSeconds: 0, drainSeconds: 0 };
    await cluster.create({ name: "held", to: "held-home", hard: { cpu: "1", memory: "1Gi" }, termination });
    await cluster.grantIn("Active", "held");
    const pod = JSON.parse(guestPod("stuck", { cpu: "100m", memory: "64Mi" }, "guest-held-home"));
    pod.metadata.finalizers = ["example.com/hold"];
    await applied(pod);
    await eventually("the pod is counted", async () => {
      const quota = await cluster.quotas.namespace("guest-held-home").get("keystone");
      return quota.status?.used?.["pods"] === "1" || "not yet";
    });
    await cluster.grants.patch("held", { spec: { revocation: {} } }, { type: "merge" });
    await says("held", "Draining", /^True HeldByFinalizers .*stuck \(example\.com\/hold\)/);
    assert.equal((await cluster.grants.get("held")).status!.phase, "Revoked");
    await lab.kubectl([
      "patch",
      "pod",
      "stuck",
      "-n",
      "guest-held-home",
      "--type=merge",
      "-p",
      '{"metadata":{"finalizers":null}}',
    ]);
    await says("held", "Draining", /^False Drained/);
  });

  await step(t, "a namespace whose deletion is held up: reports the cause", async () => {
    await cluster.createRealm("leaving-home");
    await cluster.create({ name: "leaving", to: "leaving-home", hard: { cpu: "1" } });
    await cluster.grantIn("Active", "leaving");
    await applied({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "kept", namespace: "guest-leaving-home", finalizers: ["example.com/backup"] },
    });
    await lab.kubectl(["delete", "namespace", "guest-leaving-home", "--wait=false"]);
    await says("leaving", "Ready", /^False NamespaceConflict .*is being deleted.*example\.com\/backup/, 20_000);
    await lab.kubectl([
      "patch",
      "configmap",
      "kept",
      "-n",
      "guest-leaving-home",
      "--type=merge",
      "-p",
      '{"metadata":{"finalizers":null}}',
    ]);
    await says("leaving", "Ready", /^True Enforced/, 20_000);
  });
});
