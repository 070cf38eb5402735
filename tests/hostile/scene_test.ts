/** The scene before any attack: a guest works within the grant and is denied everything else. */
import assert from "node:assert/strict";
import { guestPod } from "../lab/lab_workloads.ts";
import { hostileScene } from "./hostile_scene.ts";

Deno.test("the scene before any attack: a guest works within the grant and is denied everything else", async () => {
  await using scene = await hostileScene();
  const { mallory, bob } = scene;
  const pod = await mallory.kubectl(
    ["create", "-f", "-"],
    guestPod("one", { cpu: "1", memory: "64Mi" }, mallory.namespace),
  );
  assert.equal(pod.code, 0, pod.said);
  assert.match((await mallory.kubectl(["get", "pods", "--namespace", bob.namespace])).said, /cannot list resource/);
  assert.match((await mallory.kubectl(["delete", "networkpolicy", "default-deny"])).said, /cannot delete resource/);
});
