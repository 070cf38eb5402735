/** Ends of grants on a node with real pods: evicted pods and their order, the protection by budgets, kept volumes. */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import type { ResourceApi } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { parseSettings } from "../../src/api/mod.ts";
import { eventually, prepared, root, startOperator, step } from "../fixtures/test_operator.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { nodeTest } from "../lab/needs_node.ts";
import { poll } from "../lab/poll.ts";
import { addVolume, premadeStorage } from "../lab/volumes.ts";
import { agnhostPod, deploymentOf } from "../lab/lab_workloads.ts";

const namespace = "guest-bob-home";

/** Bob: kubectl as the guest's user. */
class Bob {
  constructor(readonly lab: Lab, readonly kubeconfig: string) {}

  kubectl(args: string[], stdin?: string) {
    return this.lab.kubectl(["--namespace", namespace, ...args], {
      kubeconfig: this.kubeconfig,
      ...(stdin === undefined ? {} : { stdin }),
    });
  }

  async create(object: unknown): Promise<void> {
    const text = typeof object === "string" ? object : JSON.stringify(object);
    const { code, stderr } = await this.kubectl(["create", "-f", "-"], text);
    assert.equal(code, 0, stderr);
  }

  async pod(name: string, extra: Record<string, unknown> = {}): Promise<void> {
    const pod = JSON.parse(agnhostPod({ name, namespace, labels: { app: name } }, ["netexec"]));
    await this.create({ ...pod, spec: { ...pod.spec, ...extra } });
    const { code, stderr } = await this.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=30s"]);
    assert.equal(code, 0, stderr);
  }
}

/** Waits for the next second, because creation times of pods are whole seconds. */
async function nextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1000);
  await poll("the next second", () => Math.floor(Date.now() / 1000) > second || "not yet", {
    withinMs: 2000,
    everyMs: 5,
  });
}

const claim = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name: "data", namespace },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
};

function deployment(name: string) {
  const { spec } = JSON.parse(agnhostPod({ name, namespace }, ["netexec"], { claim: "data" }));
  return deploymentOf({ name, namespace }, spec);
}

const budget = (name: string) => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name, namespace },
  spec: { minAvailable: 1, selector: { matchLabels: { app: name } } },
});

async function admin(lab: Lab, args: string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await lab.kubectl(args, stdin === undefined ? {} : { stdin });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Returns running pods that aren't terminating, by their label `app`. */
async function staying(api: ResourceApi<Pod>): Promise<string[]> {
  const { items } = await api.list();
  return items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === "Running")
    .map(({ metadata }) => metadata.labels!["app"]!).sort();
}

nodeTest("grants end on a node with real pods", async (t) => {
  await using lab = await startLab({ node: true });
  using cluster = await prepared(lab);
  await admin(lab, ["apply", "-k", `${root}deploy/kustomize/base`]);
  await admin(lab, [
    "create",
    "priorityclass",
    "dear",
    "--value=1000",
  ]);
  await addVolume(lab, "volume");
  await using operator = await startOperator(lab, {
    realm: "alice-home",
    kubeconfig: await lab.user("system:serviceaccount:keystone-system:keystone-operator"),
    // For the pod with a higher priority than the others.
    settings: parseSettings({ maxPriority: 1000 }),
  });
  const bob = new Bob(lab, await lab.user("bob", { groups: ["keystone:realm:bob-home"] }));
  const pods = new CoreV1Api(cluster.rest).namespace(namespace).pods;
  const hardOf = async (...keys: string[]) => {
    const quota = await cluster.quotas.namespace(namespace).get("keystone");
    return keys.map((key) => quota.status?.hard?.[key]);
  };

  await step(t, "two grants of 2 and 3 cpu: add up to 5, and Bob runs the pods that fit", async () => {
    await cluster.createRealm("bob-home");
    await cluster.create({
      name: "two",
      to: "bob-home",
      hard: { "requests.cpu": "2", "limits.cpu": "20", "requests.memory": "2Gi", pods: "2", ...premadeStorage("1Gi") },
      termination: { noticeSeconds: 4, drainSeconds: 4 },
    });
    await cluster.create({
      name: "three",
      to: "bob-home",
      hard: { "requests.cpu": "3", "limits.cpu": "20", "requests.memory": "2Gi", pods: "3" },
      termination: { noticeSeconds: 0, drainSeconds: 12 },
    });
    await Promise.all([cluster.grantIn("Active", "two"), cluster.grantIn("Active", "three")]);
    assert.deepEqual(await hardOf("requests.cpu", "pods"), ["5", "5"]);
    await bob.create(claim);
    await bob.create(deployment("web"));
    await eventually("web runs", async () => (await staying(pods)).includes("web") || "not yet", 30_000);
    for (const name of ["first", "second", "guarded"]) {
      await nextSecond();
      await bob.pod(name);
    }
    await nextSecond();
    await bob.pod("vip", { priorityClassName: "dear" });
    await bob.create(budget("guarded"));
    const { code, stderr } = await bob.kubectl(["create", "-f", "-"], agnhostPod({ name: "sixth", namespace }, []));
    assert.equal(code, 1);
    assert.match(stderr, /exceeded quota: keystone.*limited: pods=5/);
  });

  let ended = 0;
  await step(
    t,
    "one grant ends: 2 cpu are left within a second, and only surplus pods are evicted, lowest priority and newest first",
    async () => {
      await eventually("the budget is counted", async () => {
        const text = await admin(lab, [
          "get",
          "pdb",
          "guarded",
          "-n",
          namespace,
          "-o",
          "jsonpath={.status.currentHealthy}",
        ]);
        return text === "1" || `healthy: ${text}`;
      });
      await cluster.grants.patch("three", { spec: { revocation: { reason: "enough" } } }, { type: "merge" });
      ended = Date.now();
      await eventually("2 cpu are left", async () => (await hardOf("requests.cpu"))[0] === "2" || "not yet", 1000);
      await cluster.grantIn("Revoked", "three", 1000);
      await eventually("the surplus pods are evicted", async () => {
        const names = await staying(pods);
        return names.join() === "guarded,vip,web" || names.join();
      }, 10_000);
      const grant = await cluster.grants.get("three");
      const draining = grant.status!.conditions!.find(({ type }) => type === "Draining")!;
      assert.deepEqual([draining.status, draining.reason], ["True", "Evicting"]);
    },
  );

  await step(t, "a PodDisruptionBudget: protects a pod until the deadline, and no longer", async () => {
    await eventually("the guarded pod is deleted", async () => {
      const names = await staying(pods);
      if (names.includes("guarded")) return "it still exists";
      assert.deepEqual(names, ["vip", "web"]);
      return true;
    }, 30_000);
    const after = Date.now() - ended;
    assert.ok(after >= 11_500 && after < 16_000, `deleted ${after} ms after the end, with drainSeconds: 12`);
    await eventually("the grant is drained", async () => {
      const grant = await cluster.grants.get("three");
      const draining = grant.status!.conditions!.find(({ type }) => type === "Draining")!;
      return draining.reason === "Drained" || draining.message;
    }, 40_000);
    assert.deepEqual(await staying(pods), ["vip", "web"]);
  });

  await step(
    t,
    "a Grant is deleted: notice is shown on both sides, running pods continue, and nothing grows",
    async () => {
      await cluster.grants.delete("two");
      ended = Date.now() + 4000;
      await eventually("the Grant is on notice", async () => {
        const { stdout } = await lab.kubectl(["describe", "grant", "two"]);
        return /Notice .*Grant two: Ends at .*it was deleted/.test(stdout) || stdout.slice(-500);
      }, 2000);
      const { stdout } = await bob.kubectl(["get", "events"]);
      assert.match(stdout, /Notice.*Grant two: Ends at/);
      assert.deepEqual(await staying(pods), ["vip", "web"]);
      const { stderr } = await bob.kubectl(["create", "-f", "-"], agnhostPod({ name: "more", namespace }, []));
      assert.match(stderr, /exceeded quota/);
      const guide = await bob.kubectl(["get", "configmap", "keystone", "-o", "jsonpath={.data.grants\\.yaml}"]);
      const entries = load(guide.stdout) as { name: string; notice?: { reason: string; ends: string } }[];
      const { reason, ends } = entries.find(({ name }) => name === "two")!.notice!;
      assert.equal(reason, "Deleted");
      assert.ok(Math.abs(Date.parse(ends) - ended) < 2000, ends);
    },
  );

  await step(
    t,
    "the last grant ends: access ends at once, pods are evicted and not replaced, the volume stays",
    async () => {
      await eventually("Bob has no access", async () => {
        const { code, stderr } = await bob.kubectl(["get", "pods"]);
        return code !== 0 && /forbidden/i.test(stderr) || "Bob can still list pods";
      }, 6000);
      const late = Date.now() - ended;
      assert.ok(late < 2500, `${late} ms after the end`);
      await eventually("no pod is left", async () => {
        const { items } = await pods.list();
        return items.length === 0 || items.map(({ metadata }) => metadata.name).join();
      }, 45_000);
      await eventually("the Grant is deleted", async () => {
        const { items } = await cluster.grants.list();
        return items.every(({ metadata }) => metadata.name !== "two") || "its finalizer is left";
      });
      assert.equal(
        await admin(lab, ["get", "pvc", "data", "-n", namespace, "-o", "jsonpath={.status.phase}"]),
        "Bound",
      );
      const namespaceNow = await cluster.namespaces.get(namespace);
      assert.equal(namespaceNow.metadata.labels!["keystone.io/locked"], "true");
      assert.equal((await hardOf("pods"))[0], "0");
      const { stdout } = await lab.kubectl(["describe", "namespace", namespace]);
      assert.ok(stdout.includes("guest-bob-home"));
      assert.deepEqual(await cluster.policiesOf("bob-home"), ["default-deny"]);
      const events = await admin(lab, ["get", "events", "-n", "default"]);
      assert.match(events, /LastGrantEnded.*its volume claims \(1\) are kept/);
      assert.deepEqual(operator.log.filter((line) => /error|forbidden/i.test(line)), []);
    },
  );
});
