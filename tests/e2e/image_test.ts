/** The published image: its user, contents and permissions. */
import assert from "node:assert/strict";
import { buildImage, imageName } from "../../deploy/build_image.ts";
import { version } from "../../src/version.ts";
import { runCommand } from "../lab/command.ts";
import { nodeTest } from "../lab/needs_node.ts";

nodeTest("the operator's image", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const archive = `${folder}/image.tar`;
    await buildImage({ output: archive, version: "1.2.3", say: () => {} });
    const read = async (...args: string[]) => {
      const { code, stdout, stderr } = await runCommand("tar", [
        "--extract",
        "--to-stdout",
        `--file=${archive}`,
        ...args,
      ]);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const [{ Config, RepoTags, Layers }] = JSON.parse(await read("manifest.json"));
    const { config } = JSON.parse(await read(Config));

    await t.step("has the manifests' name, and labels that describe it", () => {
      assert.deepEqual(RepoTags, [imageName]);
      assert.ok(imageName.endsWith(`:${version}`));
      const { Labels } = config;
      assert.equal(Labels["org.opencontainers.image.version"], "1.2.3");
      assert.equal(Labels["org.opencontainers.image.licenses"], "Apache-2.0");
      assert.ok(Labels["org.opencontainers.image.title"]);
    });

    await t.step("runs as a numeric user, with named permissions, and downloads nothing", () => {
      assert.equal(config.User, "65532:65532");
      const entry: string[] = config.Entrypoint;
      assert.equal(entry[0], "/bin/deno");
      for (const flag of ["--cached-only", "--frozen"]) assert.ok(entry.includes(flag), flag);
      for (const flag of ["-A", "--allow-all", "--allow-read", "--allow-run", "--allow-net", "--allow-write"]) {
        assert.ok(!entry.includes(flag), flag);
      }
      assert.ok(entry.every((flag) => !flag.startsWith("--allow-net") && !flag.startsWith("--allow-write")));
    });

    await t.step("contains the source without tests, and no shell", async () => {
      const files: string[] = [];
      for (const layer of Layers as string[]) {
        const { stdout } = await runCommand("sh", ["-c", `tar -xOf '${archive}' '${layer}' | tar -t`]);
        files.push(...stdout.split("\n"));
      }
      assert.ok(files.includes("keystone/src/main.ts"));
      assert.ok(files.includes("keystone/src/uninstall_main.ts"));
      assert.deepEqual(files.filter((file) => /^keystone\/(tests|\.git|docs|deploy)|_test\.ts$/.test(file)), []);
      assert.deepEqual(files.filter((file) => /^(usr\/)?s?bin\/(ba|da|a)?sh$/.test(file)), []);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}, { image: true });
