/** Guests' requests other than create and update: deletions, evictions and scales. */
import assert from "node:assert/strict";
import type { RequestOptions } from "../../lib/kubernetes/mod.ts";
import { eventually, step } from "../fixtures/test_operator.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { ordinaryOf, paths } from "./guard_cases.ts";
import { refusal, refusalOf } from "./requests.ts";
import { deadNode } from "./dead_node.ts";
import { hostileScene } from "./hostile_scene.ts";

Deno.test("a guest's deletions, evictions and scales", async (t) => {
  await using scene = await hostileScene();
  const { admin, mallory } = scene;
  const { namespace, rest } = mallory;
  const core = `/api/v1/namespaces/${namespace}`;
  const node = await deadNode(scene);

  /** Creates a pod that runs as far as the API server knows. */
  const run = async (name: string) => {
    const pod = JSON.parse(guestPod(name, { cpu: "1", memory: "64Mi" }, namespace));
    pod.spec.terminationGracePeriodSeconds = 3600;
    const { code, said } = await mallory.apply(pod);
    assert.equal(code, 0, said);
    await node.bind(name);
  };
  const grace = (gracePeriodSeconds: number) => ({ apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds });
  const evict = (name: string, gracePeriodSeconds: number): RequestOptions => ({
    method: "POST",
    path: `${core}/pods/${name}/eviction`,
    bodyJson: {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name, namespace },
      deleteOptions: { gracePeriodSeconds },
    },
  });
  const deletion = (name: string, options: Partial<RequestOptions>): RequestOptions => ({
    method: "DELETE",
    path: name === "" ? `${core}/pods` : `${core}/pods/${name}`,
    ...options,
  });

  await step(t, "a running pod is deleted without grace: refused in every form", async () => {
    await run("miner");
    const asked = new URLSearchParams({ gracePeriodSeconds: "0" });
    const attacks: Record<string, RequestOptions> = {
      "with options": deletion("miner", { bodyJson: grace(0) }),
      "by the query": deletion("miner", { querystring: asked }),
      "with all others": deletion("", { bodyJson: grace(0) }),
      "as an eviction": evict("miner", 0),
    };
    for (const [how, attack] of Object.entries(attacks)) {
      assert.match(await refusalOf(rest, attack), /gracePeriodSeconds is 0: .*\(guard forced-end\)/, how);
    }
    assert.equal(await refusal(rest, evict("miner", 1)), "", "one second of grace is allowed");
    assert.equal(await refusalOf(rest, deletion("miner", { bodyJson: grace(1) })), "");
    assert.match(
      await refusalOf(rest, deletion("miner", { bodyJson: grace(0) })),
      /guard forced-end/,
      "refused for a terminating pod too",
    );
    await admin(["delete", "pod", "miner", "--namespace", namespace, "--grace-period=0", "--force"]);
  });

  await step(t, "a pod that no node runs: may be deleted without grace", async () => {
    const { code, said } = await mallory.apply(JSON.parse(guestPod("idle", { cpu: "1", memory: "64Mi" }, namespace)));
    assert.equal(code, 0, said);
    assert.equal(await refusalOf(rest, deletion("idle", { bodyJson: grace(0) })), "");
  });

  await step(t, "a scale beyond the highest number of replicas: refused", async () => {
    for (const kind of ["ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"]) {
      const { code, said } = await mallory.apply(ordinaryOf(kind));
      assert.equal(code, 0, said);
      const path = `${paths[kind]!.replace("NS", namespace)}/x-${kind.toLowerCase()}/scale`;
      const scale = (replicas: number) =>
        refusal(rest, {
          method: "PATCH",
          path,
          bodyJson: { spec: { replicas } },
          contentType: "application/merge-patch+json",
        });
      await eventually(`${kind} is refused 2147483647 replicas`, async () => {
        const said = await scale(2_147_483_647);
        return /spec\.replicas is 2147483647 \(allowed: 100\).*\(guard replicas\)/.test(said) || said ||
          "it goes through";
      });
      assert.equal(await scale(100), "", kind);
    }
  });
  await admin(["delete", "node", node.name]);
});
