import assert from "node:assert/strict";
import { enableControllers } from "./cgroup_controllers.ts";

Deno.test("control groups of version 2: the kubelet's controllers are enabled, as far as the kernel has them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/cgroup.controllers`, "cpuset cpu io memory\n");
    const written: string[] = [];
    const write = Deno.writeTextFileSync;
    Deno.writeTextFileSync = (path, text) => void written.push(`${path} ${text}`);
    try {
      enableControllers([folder]);
    } finally {
      Deno.writeTextFileSync = write;
    }
    const control = `${folder}/cgroup.subtree_control`;
    assert.deepEqual(written, [`${control} +cpu`, `${control} +cpuset`, `${control} +memory`]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
