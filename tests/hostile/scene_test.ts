/**
 * The scene before any attack: a guest works within the grant, as docs/guests.md describes it, and is denied everything
 * else.
 */
import assert from "node:assert/strict";
import { eventually, root } from "../fixtures/test_operator.ts";
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

  const page = await Deno.readTextFile(`${root}docs/guests.md`);
  const manifests = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text!);
  assert.ok(manifests.length >= 2);
  for (const manifest of manifests) {
    const { code, said } = await mallory.kubectl(["apply", "-f", "-"], manifest);
    assert.equal(code, 0, said);
    assert.doesNotMatch(said, /warning/i);
  }
  await eventually("the workloads of docs/guests.md have their pods", async () => {
    const { said } = await mallory.kubectl(["get", "pods", "-o", "name"]);
    return /pod\/once-/.test(said) && said.match(/pod\/web-/g)?.length === 2 || said;
  });
});
