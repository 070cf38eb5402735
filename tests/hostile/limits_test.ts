/** Objects that a guest makes as large as can be stored, so that no write may make them larger. */
import assert from "node:assert/strict";
import { eventually, secondsFromNow, step } from "../fixtures/test_operator.ts";
import { guestPod } from "../lab/lab_workloads.ts";
import { refusalOf } from "./requests.ts";
import { deadNode } from "./dead_node.ts";
import { type HostileGuest, hostileScene } from "./hostile_scene.ts";

const hard = { cpu: "4", memory: "4Gi", pods: "40", "services.nodeports": "10" };

/** Filler; with the longest pad the object exceeds the size that etcd accepts. */
const mostPad = 250_000;
const bulk = "x".repeat(1_350_000);

/** Pads a guest's object to the largest size that the API server stores. */
async function fill({ rest }: HostileGuest, path: string, padded: (pad: string) => unknown): Promise<void> {
  const said = (length: number) =>
    refusalOf(rest, {
      method: "PATCH",
      path,
      contentType: "application/strategic-merge-patch+json",
      bodyJson: padded("x".repeat(length)),
    });
  let [least, beyond] = [1, mostPad];
  assert.equal(await said(least), "");
  assert.match(await said(beyond), /request is too large/);
  while (beyond - least > 1) {
    const middle = Math.floor((least + beyond) / 2);
    if (await said(middle) === "") least = middle;
    else beyond = middle;
  }
  assert.equal(await said(least), "");
}

Deno.test("objects of the largest size that can be stored", async (t) => {
  await using scene = await hostileScene({ hard, trustLevel: "internal" });
  const { lab, admin, cluster, mallory } = scene;
  const { namespace } = mallory;
  const core = `/api/v1/namespaces/${namespace}`;
  const node = await deadNode(scene);

  /** Creates a pod that runs as far as the API server knows; returns its container's name. */
  const run = async (name: string) => {
    const pod = JSON.parse(guestPod(name, { cpu: "1", memory: "64Mi" }, namespace));
    pod.spec.containers[0].args = [bulk];
    await mallory.rest.performRequest({ method: "POST", path: `${core}/pods`, bodyJson: pod });
    await node.bind(name);
    return String(pod.spec.containers[0].name);
  };

  await step(t, "a pod without room for its deletion timestamp: ended all the same", async () => {
    await run("annotated");
    await fill(mallory, `${core}/pods/annotated`, (pad) => ({ metadata: { annotations: { pad } } }));
    const container = await run("plain");
    await fill(mallory, `${core}/pods/plain`, (pad) => ({
      spec: { containers: [{ name: container, image: `example.com/${pad}` }] },
    }));
    for (const name of ["annotated", "plain"]) {
      const { stderr } = await lab.kubectl(["delete", "pod", name, "-n", namespace, "--force", "--grace-period=0"]);
      assert.match(stderr, /request is too large/, "not even a cluster admin can delete it");
    }
    const end = secondsFromNow(2);
    await cluster.grants.patch(mallory.grant, {
      spec: { validity: { validUntil: end.text }, termination: { noticeSeconds: 0, drainSeconds: 3 } },
    }, { type: "merge" });
    await cluster.grantIn("Expired", mallory.grant);
    for (const name of ["annotated", "plain"]) {
      await eventually(`${name} is terminating, with 30 s of grace`, async () => {
        const pod = JSON.parse(await admin(["get", "pod", name, "-n", namespace, "-o", "json"]));
        return pod.metadata.deletionGracePeriodSeconds === 30 || JSON.stringify(pod.status);
      }, 20_000);
      // In place of its kubelet.
      await admin(["delete", "pod", name, "-n", namespace, "--force", "--grace-period=0"]);
    }
    await eventually("the Grant reports that nothing is left", async () => {
      const { status } = await cluster.grants.get(mallory.grant);
      const draining = status?.conditions?.find(({ type }) => type === "Draining");
      return draining?.reason === "Drained" || JSON.stringify(draining);
    });
  });
  await admin(["delete", "node", node.name]);
});
