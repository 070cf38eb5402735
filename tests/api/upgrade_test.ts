/**
 * The way from the version before the hardening and back, by kustomize and by Helm, with its true operator: whoever was in
 * stays in, nobody comes in, no pod goes, what ends ends on time, and every change is said on the Grant. The moments in which
 * what is installed is of two versions are held open on purpose.
 */
import assert from "node:assert/strict";
import { root, step } from "../fixtures/operator.ts";
import { differences, type Standing, standingIn } from "../fixtures/standing.ts";
import { unexplained, upgraded } from "../fixtures/upgrade/explained.ts";
import { Scene, system } from "../fixtures/upgrade/scene.ts";
import { nodeTest } from "../lab/needs_node.ts";

/** Realms in which nothing ends by itself meanwhile. */
const steady = /^(guest-(bob|dave|frank)-home|)$/;

async function changedSince(before: Standing, scene: Scene) {
  return differences(before, await standingIn(scene.lab)).filter(({ place }) => steady.test(place));
}

nodeTest("an upgrade by kustomize, and back", async (t) => {
  await using scene = await Scene.start();
  const { lab, previous, cluster, kubectl } = Object.assign(scene, { kubectl: scene.kubectl.bind(scene) });
  const kustomize = `${root}deploy/kustomize`;

  await step(t, "the version before is installed, and guests work", async () => {
    await kubectl(["create", "namespace", system]);
    await kubectl(["apply", "-f", previous.crds]);
    await kubectl(["wait", "--for=condition=Established", "-f", previous.crds, "--timeout=30s"]);
    for (const name of ["base", "webhook"]) await kubectl(["apply", "-k", previous.kustomize(name)]);
    await scene.handOver("previous");
    await scene.furnish();
  });
  await using probing = await scene.probe();
  const before = await standingIn(lab);
  console.log(
    [...before.values()].filter((x) => steady.test(x.place)).map((x) => `${x.place} ${x.object} ${x.part} = ${x.value}`)
      .join("\n"),
  );

  await step(t, "new custom resources, new rights and the new operator, while the old guards stand", async () => {
    const short = await scene.lendShortly("in-the-window", 20);
    await kubectl(["apply", "-f", `${root}crds/`]);
    assert.deepEqual(await changedSince(before, scene), []);
    for (const name of ["rbac", "guest-role", "viewer-role", "priority"]) {
      await kubectl(["apply", "-f", `${kustomize}/base/${name}.yaml`]);
    }
    await kubectl(["apply", "-k", `${kustomize}/webhook`]);
    const operator = await scene.handOver("today");
    await scene.ends(short);
    console.log(operator.log.join("\n"));
    console.log((await unexplained(await changedSince(before, scene), upgraded, cluster)).join("\n"));
    console.log(await kubectl(["get", "grants", "-o", "yaml"]));
    console.log(probing.complaints.join("\n"));
  });
});
