/** Commands in the documentation exist as they are written. */
import assert from "node:assert/strict";
import { packageName } from "../deploy/npm/package_json.ts";
import { version } from "../src/version.ts";
import { codeBlocks, commandsIn, type PageCommand, shellCommands } from "./support/code_blocks.ts";
import { pagesOf } from "./support/documentation_pages.ts";
import { parseProblem } from "./support/parsed_command.ts";

/** Problems of a command that is only named, such as `keystone explain`. */
const incomplete = /missingArgument|missingMandatoryOptionValue|optionMissingArgument|commander\.help/;

Deno.test("keystone in code blocks: each verb, argument and flag exists", () => {
  let checked = 0;
  const wrong: string[] = [];
  for (const { path, text } of pagesOf()) {
    for (const block of codeBlocks(path, text)) {
      for (const { words: [program, ...words] } of commandsIn(block)) {
        if (program !== "keystone") continue;
        checked++;
        const problem = parseProblem(words);
        if (problem) wrong.push(`${path}:${block.line}: keystone ${words.join(" ")}: ${problem.message}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(checked > 25, `${checked} commands`);
});

Deno.test("keystone in sentences: each verb and flag exists", () => {
  let checked = 0;
  const wrong: string[] = [];
  for (const { path, text } of pagesOf()) {
    for (const [, code] of text.replaceAll(/^ *```[^]*?^ *```/gm, "").matchAll(/`(keystone [^`]+)`/g)) {
      checked++;
      const [{ words }] = shellCommands(code!.replaceAll(/\s+/g, " ").replace("…", "")) as [PageCommand];
      const problem = parseProblem(words.slice(1));
      if (problem && !incomplete.test(problem.code)) wrong.push(`${path}: ${code}: ${problem.message}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(checked > 20, `${checked} commands`);
});

Deno.test("the command has one name: keystone, defined once in the README and in docs/cli.md", () => {
  const other = /\b(deno task (--quiet )?keystone|kubectl[ -]keystone|alias keystone)\b/;
  const allowed = new Set(["README.md", "docs/cli.md", "docs/cli-reference.md"]);
  const wrong = pagesOf().filter(({ path, text }) => !allowed.has(path) && other.test(text)).map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

Deno.test("the command as the pages install it, from a clone: runs from any folder, and bash completes it", async () => {
  const blocks = (path: string) =>
    pagesOf().filter((page) => page.path === path).flatMap(({ text }) => codeBlocks(path, text)).map(({ text }) =>
      text
    );
  const released = (path: string) => blocks(path).find((text) => /^npm install --global @/m.test(text));
  assert.ok(released("README.md")?.includes(`npm install --global ${packageName}\n`));
  assert.equal(released("README.md"), released("docs/cli.md"));
  const fromClone = blocks("docs/cli.md").find((text) => text.includes("task package"));
  assert.ok(fromClone);
  const home = await Deno.makeTempDir();
  try {
    // Instead of the package from the registry: the Deno that runs the tests.
    const npx = `#!/bin/sh\n[ "$1 $2" = "-y deno@2.9.6" ] || exit 9\nshift 2\nexec '${Deno.execPath()}' "$@"\n`;
    await Deno.mkdir(`${home}/tools`);
    await Deno.writeTextFile(`${home}/tools/npx`, npx, { mode: 0o755 });
    const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
    const env = {
      HOME: home,
      DENO_DIR: cache,
      PATH: `${home}/prefix/bin:${home}/tools:${Deno.env.get("PATH")}`,
      KUBECONFIG: `${home}/none`,
      npm_config_prefix: `${home}/prefix`,
      npm_config_cache: Deno.env.get("npm_config_cache") ?? `${Deno.env.get("HOME")}/.npm`,
      npm_config_userconfig: Deno.env.get("npm_config_userconfig") ?? `${Deno.env.get("HOME")}/.npmrc`,
      npm_config_prefer_offline: "true",
    };
    const shell = async (script: string, cwd: string) => {
      const { success, stdout, stderr } = await new Deno.Command("bash", { args: ["-ec", script], cwd, env }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim();
    };
    await shell(fromClone, new URL("../", import.meta.url).pathname);
    assert.equal(await shell("keystone --version", home), version);
    assert.match(await shell("keystone version", home), /^keystone \d+\.\d+\.\d+\noperator unknown: .*kubeconfig/);
    const typed = 'COMP_LINE="keystone grant re" COMP_POINT=17; _keystone; echo "${COMPREPLY[@]}"';
    assert.equal(await shell(`source <(keystone completion bash); ${typed}`, home), "revoke");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("examples that pages, messages and tests name: each file exists", async () => {
  const root = new URL("../", import.meta.url);
  const texts = pagesOf();
  for (const folder of ["src", "tests"]) texts.push(...await sourcesIn(root, folder));
  const named = texts.flatMap(({ path, text }) =>
    [...text.matchAll(/deploy\/examples\/([\w-]+\.yaml)/g)].map(([, name]) => ({ path, name: name! }))
  );
  const present = new Set([...Deno.readDirSync(new URL("deploy/examples/", root))].map(({ name }) => name));
  assert.deepEqual(named.filter(({ name }) => !present.has(name)), []);
  assert.ok(named.length >= 3);
});

async function sourcesIn(root: URL, folder: string): Promise<{ path: string; text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, root))) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await sourcesIn(root, path));
    else if (name.endsWith(".ts")) found.push({ path, text: await Deno.readTextFile(new URL(path, root)) });
  }
  return found;
}
