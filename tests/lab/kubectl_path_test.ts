import assert from "node:assert/strict";
import { kubectlLine } from "./kubectl_path.ts";

Deno.test("kubectl: the lab's goes into PATH only where the machine has none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    assert.equal(kubectlLine("/lab/kubectl", `${folder}::/nowhere`), 'export PATH="/lab:$PATH"');
    await Deno.writeTextFile(`${folder}/kubectl`, "");
    assert.equal(kubectlLine("/lab/kubectl", `/nowhere:${folder}`), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
