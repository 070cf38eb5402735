/** Attempts to stay past an end: with a namespace in deletion, an object that can't be written, or a special name. */
import assert from "node:assert/strict";
import { eventually, secondsFromNow, step } from "../fixtures/test_operator.ts";
import { policiesInForce } from "../fixtures/in_force.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { deadNode } from "./dead_node.ts";
import { type HostileGuest, type HostileScene, hostileScene } from "./hostile_scene.ts";

/** A policy that refuses writes in one namespace, as another policy engine in the cluster could. */
const refusal = (name: string, namespace: string, resource: string, operations: string[], expression: string) => [
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
        resourceRules: [{
          apiGroups: ["*"],
          apiVersions: ["*"],
          resources: [resource],
          operations,
        }],
      },
      validations: [{ expression, message: "frozen by somebody's policy" }],
    },
  },
  {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name },
    spec: { policyName: name, validationActions: ["Deny"] },
  },
];

Deno.test("a guest tries to stay past the end", async (t) => {
  await using scene = await hostileScene();
  const { lab, admin, cluster, mallory, bob } = scene;
  const suffix = mallory.realm.slice(-6);
  const applied = (...objects: unknown[]) =>
    admin(["apply", "-f", "-"], objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  const of = (guest: HostileGuest, kind: string, name: string, path: string) =>
    admin(["get", kind, name, "--namespace", guest.namespace, "--ignore-not-found", `--output=jsonpath={${path}}`]);
  const condition = async (grant: string, type: string): Promise<string> => {
    const { status } = await cluster.grants.get(grant);
    const found = status?.conditions?.find((each) => each.type === type);
    return found ? `${found.status} ${found.reason}: ${found.message}` : "none";
  };
  const says = (grant: string, type: string, wanted: RegExp, withinMs = 10_000) =>
    eventually(`${type} of ${grant} is ${wanted}`, async () => {
      const said = await condition(grant, type);
      return wanted.test(said) || said;
    }, withinMs);
  const accessEnds = (guest: HostileGuest, at: number) =>
    eventually("access is removed", async () => {
      const { said } = await guest.kubectl(["get", "pods"]);
      return said.includes("cannot list resource") || said;
    }, at - Date.now() + 3000);

  await step(
    t,
    "namespace deleted shortly before the end, with a pod of one hour's grace: the pod gets 30 s",
    async () => {
      const node = await deadNode(scene, { podCIDRs: ["10.99.0.0/24"] });
      const pod = JSON.parse(guestPod("miner", { cpu: "1", memory: "64Mi" }, mallory.namespace));
      pod.spec.terminationGracePeriodSeconds = 3600;
      const { code, said } = await mallory.apply(pod);
      assert.equal(code, 0, said);
      await node.bind("miner");
      const end = secondsFromNow(7);
      await cluster.grants.patch(mallory.grant, { spec: { validity: { validUntil: end.text } } }, { type: "merge" });
      await admin(["delete", "namespace", mallory.namespace, "--wait=false"]);
      await eventually("the pod is terminating, with one hour's grace", async () => {
        const grace = await of(mallory, "pod", "miner", ".metadata.deletionGracePeriodSeconds");
        return grace === "3600" || grace;
      });
      assert.equal((await mallory.kubectl(["get", "pods"])).code, 0, "the guest has access until the end");
      await accessEnds(mallory, end.at);
      await eventually("the pod gets 30 s", async () => {
        const grace = await of(mallory, "pod", "miner", ".metadata.deletionGracePeriodSeconds");
        return grace === "30" || grace;
      });
      await eventually("all policies that open are deleted", async () => {
        const left = await cluster.policiesOf(mallory.realm);
        return left.join() === "default-deny" || left.join();
      });
      await cluster.grantIn("Expired", mallory.grant);
      assert.match(await condition(mallory.grant, "Draining"), /^True Evicting/, "the pod still exists");
      // In place of its kubelet.
      await admin(["delete", "pod", "miner", "--namespace", mallory.namespace, "--grace-period=0", "--force"]);
      await says(mallory.grant, "Draining", /^False Drained/);
    },
  );

  await step(t, "the guest makes the operator's ConfigMap immutable: refused, or replaced", async () => {
    const before = await of(bob, "configmap", "keystone", ".metadata.uid");
    const change = JSON.stringify({ immutable: true, data: { "grants.yaml": "mine" } });
    const patch = ["patch", "configmap", "keystone", "--type=merge", "--patch", change];
    const { code, said } = await bob.kubectl(patch);
    // Where a guard refuses this, there is nothing to replace.
    if (code !== 0) {
      assert.match(said, /keystone/);
      return;
    }
    await eventually("the ConfigMap is replaced", async () => {
      const now = await of(bob, "configmap", "keystone", ".metadata.uid");
      const text = await of(bob, "configmap", "keystone", ".data.grants\\.yaml");
      return now !== before && text.includes(bob.grant) || text;
    });
    await says(bob.grant, "Ready", /^True Enforced/);
  });

  await step(t, "another policy refuses the operator's writes: the Grant reports it, all else ends", async () => {
    const { realm, grant, guest } = await another(scene, "frozen", { volumes: "Delete" });
    await applied(
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { name: "data", namespace: guest.namespace },
        spec: {
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "1Gi" } },
        },
      },
      ...refusal(`frozen-maps-${suffix}`, guest.namespace, "configmaps", ["CREATE", "UPDATE", "DELETE"], "false"),
      ...refusal(
        `frozen-dns-${suffix}`,
        guest.namespace,
        "networkpolicies",
        ["DELETE"],
        "request.name != 'dns'",
      ),
    );
    await policiesInForce(lab);
    // The guide contains the end, so a changed end causes a write, which is refused. At an end, another write is reported.
    const later = secondsFromNow(3600);
    await cluster.grants.patch(grant, { spec: { validity: { validUntil: later.text } } }, { type: "merge" });
    await says(
      grant,
      "Ready",
      /^False WriteRefused: Writing ConfigMap .*keystone failed: .*frozen by somebody's policy/,
      30_000,
    );
    const end = secondsFromNow(5);
    await cluster.grants.patch(grant, { spec: { validity: { validUntil: end.text } } }, { type: "merge" });
    await eventually("access is removed", async () => {
      const binding = await of(guest, "rolebinding", "keystone-guest", ".metadata.name");
      return binding === "" || binding;
    }, end.at - Date.now() + 10_000);
    await eventually("only the open policy that can't be deleted is left", async () => {
      const left = await cluster.policiesOf(realm);
      return left.join() === "default-deny,dns" || left.join();
    }, 30_000);
    await eventually("the volume claim is deleted", async () => {
      const left = await of(guest, "persistentvolumeclaim", "data", ".metadata.deletionTimestamp");
      const there = await of(guest, "persistentvolumeclaim", "data", ".metadata.name");
      return there === "" || left !== "" || there;
    }, 30_000);
    await says(
      grant,
      "Ready",
      /^False WriteRefused: Deleting NetworkPolicy .*dns failed: .*frozen by somebody's policy/,
      30_000,
    );
    assert.equal((await cluster.grants.get(grant)).status!.phase, "Active", "the grant has not ended");
    await admin([
      "delete",
      "validatingadmissionpolicybinding",
      `frozen-maps-${suffix}`,
      `frozen-dns-${suffix}`,
    ]);
    await cluster.grantIn("Expired", grant, 90_000);
  });

  await step(t, "a Realm named constructor: ends like any other", async () => {
    const { realm, grant, guest } = await another(scene, "constructor", { destination: "constructor:22" });
    const stays = `${grant}-stays`;
    await cluster.create({ name: stays, to: realm, hard: { pods: "1" }, termination: { noticeSeconds: 0 } });
    await cluster.grantIn("Active", stays);
    // Its node is known, as on a tailnet, so the policy to it is planned by the realm's name.
    await admin(["annotate", "realm", realm, "keystone.io/trusted-node=n1"]);
    await eventually("its node is trusted", async () => {
      const { status } = await cluster.realms.get(realm);
      return status?.trustedNode === "n1" || JSON.stringify(status);
    });
    const { spec, status } = await cluster.realms.get(realm);
    const conditions = status!.conditions!.map((each) =>
      each.type === "IdentityVerified"
        ? { ...each, status: "True", reason: "NodePinned", message: "The node was observed." }
        : each
    );
    const node = { stableID: "n1", name: spec!.identity!, addresses: ["100.64.0.9"] };
    await cluster.realms.patch(realm, { status: { conditions, node } }, { type: "merge", subresource: "status" });
    const endsIn = async (name: string, seconds: number) => {
      const end = secondsFromNow(seconds);
      await cluster.grants.patch(name, { spec: { validity: { validUntil: end.text } } }, { type: "merge" });
      return end.at;
    };
    const at = await endsIn(grant, 3);
    await eventually("the ended grant's share is removed while the other grant stays", async () => {
      const pods = (await cluster.quotaOf(realm))?.["pods"];
      return pods === "1" || `pods: ${pods}`;
    }, at - Date.now() + 3000);
    assert.ok((await cluster.policiesOf(realm)).includes("realm"), "the policy to its node exists");
    await cluster.grantIn("Expired", grant);
    await eventually("access is removed", async () => {
      const binding = await of(guest, "rolebinding", "keystone-guest", ".metadata.name");
      return binding === "" || binding;
    }, await endsIn(stays, 1) - Date.now() + 3000);
    await cluster.grantIn("Expired", stays);
    await admin(["delete", "grant", grant, stays]);
    await admin(["delete", "realm", "constructor"]);
    await admin(["delete", "namespace", "guest-constructor"]);
  });
});

/** Creates one more realm with an active grant. */
async function another(
  { cluster, mallory }: HostileScene,
  name: string,
  { volumes, destination }: { volumes?: "Delete"; destination?: string } = {},
): Promise<{ realm: string; grant: string; guest: HostileGuest }> {
  const realm = name === "constructor" ? name : `${name}-${mallory.realm.slice(-6)}`;
  const grant = `${name}-${mallory.realm.slice(-6)}`;
  await cluster.createRealm(realm, { trustLevel: "partner" });
  await cluster.create({
    name: grant,
    to: realm,
    hard: { cpu: "1", memory: "1Gi", pods: "4", "requests.storage": "2Gi" },
    termination: { noticeSeconds: 0, drainSeconds: 10, ...(volumes ? { volumes } : {}) },
    ...(destination ? { destinations: [destination] } : {}),
  });
  await cluster.grantIn("Active", grant);
  return { realm, grant, guest: { ...mallory, realm, grant, namespace: `guest-${realm}` } };
}
