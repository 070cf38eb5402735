import assert from "node:assert/strict";
import { version } from "../../src/version.ts";
import { buildPackage, packageFiles } from "./package.ts";

const sum = async (path: string): Promise<string> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))).toHex();

Deno.test("the npm package: its files, their size, and the same bytes from the same source", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [one, two] = await Promise.all(["one", "two"].map((name) => buildPackage(`${folder}/${name}`)));
    const { stdout } = await new Deno.Command("npm", {
      args: ["pack", "--dry-run", "--json", "--ignore-scripts"],
      cwd: one!.folder,
    }).output();
    const [packed] = Object.values(JSON.parse(new TextDecoder().decode(stdout))) as [{
      version: string;
      size: number;
      files: { path: string; mode: number }[];
    }];
    assert.deepEqual(packed.files.map(({ path }) => path).sort(), [
      "LICENSE",
      "README.md",
      "THIRD_PARTY_LICENSES",
      "credential_main.js",
      "forwarder_main.js",
      "keystone.js",
      "launcher.js",
      "package.json",
    ]);
    assert.deepEqual(packageFiles, packed.files.map(({ path }) => path).sort());
    assert.deepEqual(packed.files.filter(({ mode }) => mode & 0o111).map(({ path }) => path), ["launcher.js"]);
    assert.equal(packed.version, version);
    assert.ok(packed.size < 3_000_000, `${packed.size} bytes`);
    const credential = await Deno.readTextFile(`${one!.folder}/credential_main.js`);
    assert.match(credential, /using lock = await/, "The bundler drops a using, and with it the end of a lock.");
    assert.equal(await sum(one!.tarball), await sum(two!.tarball));
    const described = JSON.parse(await Deno.readTextFile(`${one!.folder}/package.json`));
    assert.equal(described.scripts, undefined);
    for (const pinned of Object.values(described.optionalDependencies)) assert.equal(pinned, Deno.version.deno);
    for (const name of packageFiles) {
      const text = await Deno.readTextFile(`${one!.folder}/${name}`);
      for (const here of [folder, new URL("../../", import.meta.url).pathname, Deno.env.get("HOME")!]) {
        assert.ok(here === "/" || !text.includes(`${here.replace(/\/$/, "")}/`), `${name} contains ${here}`);
      }
    }
    const licenses = await Deno.readTextFile(`${one!.folder}/THIRD_PARTY_LICENSES`);
    for (const name of ["commander", "zod", "js-yaml", "@clack/prompts"]) {
      assert.match(licenses, new RegExp(`^${name} \\d`, "m"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
