/** FitsCluster: what grants promise against what the nodes have, on a real API server. */
import assert from "node:assert/strict";
import { conditionOf } from "../../src/core/conditions.ts";
import { eventually, prepared, startOperator, step } from "../fixtures/test_operator.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { startLab } from "../lab/lab.ts";

Deno.test("grants and the nodes' capacity", {
  // The test adds nodes.
  ignore: Deno.env.get("KEYSTONE_LAB") === "external",
}, async (t) => {
  await using lab = await startLab();
  using cluster = await prepared(lab);
  await using operator = await startOperator(lab, { realm: "alice-home" });
  const kubectl = async (args: string[], object?: unknown) => {
    const { code, stdout, stderr } = await lab.kubectl(args, object ? { stdin: JSON.stringify(object) } : {});
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const amounts = { cpu: "8", memory: "16Gi", pods: "110" };
  /** Writes a node's status, as its kubelet does. */
  const beat = (name: string, status: object = {}) =>
    kubectl([
      "patch",
      "node",
      name,
      "--subresource=status",
      "--type=merge",
      "-p",
      JSON.stringify({
        status: {
          capacity: amounts,
          allocatable: amounts,
          conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: new Date().toISOString() }],
          ...status,
        },
      }),
    ]);
  const fits = async (name: string) => {
    const grant = await cluster.grants.get(name);
    const { reason, message } = conditionOf(grant.status, "FitsCluster") ?? { reason: "no condition", message: "" };
    return `${reason}: ${message}`;
  };
  const says = (name: string, pattern: RegExp) =>
    eventually(`FitsCluster of ${name} matches ${pattern}`, async () => {
      const said = await fits(name);
      return pattern.test(said) || said;
    });

  await step(
    t,
    "1000 cpu on no nodes: Active, and kubectl, explain and doctor say, without a warning, that there are none",
    async () => {
      await cluster.createRealm("bob-home");
      await cluster.create({
        name: "huge",
        to: "bob-home",
        hard: { "requests.cpu": "1000" },
        termination: { noticeSeconds: 0 },
      });
      await cluster.grantIn("Active", "huge");
      await says("huge", /^NoNodes: The cluster has no node that takes guests' pods/);
      const described = (await kubectl(["describe", "grant", "huge"])).replaceAll(/\s+/g, " ");
      assert.match(described, /no node that takes.*Reason: NoNodes Status: Unknown Type: FitsCluster/);
      const explained = await keystone(lab.kubeconfig, ["explain", "grant", "huge"]);
      assert.match(explained.out, /✓ FitsCluster \(NoNodes\): The cluster has no node/);
      const { checks } = (await keystone(lab.kubeconfig, ["doctor", "-o", "json"])).json();
      const found = checks.find(({ name }: { name: string }) => name === "capacity");
      assert.equal(found.status, "unknown");
      assert.match(found.message, /no node that takes guests' pods/);
    },
  );

  await step(t, "a node joins: the condition has its amounts; heartbeats of the node write no status", async () => {
    await kubectl(["create", "-f", "-"], { apiVersion: "v1", kind: "Node", metadata: { name: "big" } });
    await beat("big");
    await says("huge", /^ExceedsCapacity: .*1k requests\.cpu \(the nodes have 8\)/);
    const { checks } = (await keystone(lab.kubeconfig, ["doctor", "-o", "json"])).json();
    const found = checks.find(({ name }: { name: string }) => name === "capacity");
    assert.match(found.message, /1 grant promises 1k requests\.cpu \(huge 1k\), but the nodes have 8/);
    const from = operator.writes().length;
    for (let heartbeat = 0; heartbeat < 5; heartbeat++) await beat("big");
    // A write that would follow a heartbeat comes before the answer to this one.
    await cluster.createRealm("carol-home");
    await cluster.create({ name: "small", to: "carol-home", hard: { "requests.cpu": "1", "requests.memory": "1Gi" } });
    await cluster.grantIn("Active", "small");
    const of = operator.writes().slice(from).map(({ path }) => path);
    assert.deepEqual(of.filter((path) => path.includes("/grants/huge")), []);
  });

  await step(
    t,
    "more is promised together than there is: each of these grants says so; then there is enough again",
    async () => {
      await says("small", /^Overbooked: All grants together promise more requests\.cpu than the nodes have/);
      await cluster.grants.delete("huge");
      await eventually("the grant is gone", async () => {
        const { items } = await cluster.grants.list();
        return items.every(({ metadata }) => metadata.name !== "huge") || "it is still there";
      }, 60_000);
      await says("small", /^Fits: /);
    },
  );

  await step(t, "a device and a storage class that the cluster doesn't have: named; then they exist", async () => {
    const key = "fast.storageclass.storage.k8s.io/requests.storage";
    await cluster.create({ name: "devices", to: "bob-home", hard: { "requests.nvidia.com/gpu": "1", [key]: "1Gi" } });
    await says("devices", /1 requests\.nvidia\.com\/gpu \(no node has any\).*There is no StorageClass fast/);
    await beat("big", { allocatable: { ...amounts, "nvidia.com/gpu": "1" } });
    await says("devices", /^NoStorageClass: There is no StorageClass fast/);
    await kubectl(["create", "-f", "-"], {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: "fast" },
      provisioner: "example.com/fast",
    });
    await says("devices", /^Fits: /);
  });
});
