/**
 * `deno task package`: builds the npm package that brings the keystone command with its runtime. The same source gives the
 * same bytes, also for the tarball.
 */
import { parseArgs } from "node:util";
import { commandNames, packageJson } from "./package_json.ts";
import { type BundledPackage, licensesText, packagesOf } from "./licenses.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Programs by the names of their bundles. `keystone use` starts the other two by their names. */
const programs = {
  "keystone.js": "src/cli/main.ts",
  "credential_main.js": "src/cli/use/credential_main.ts",
  "forwarder_main.js": "src/cli/use/forwarder_main.ts",
} as const;

/** Files of the package, sorted. */
export const packageFiles: readonly string[] = [
  ...Object.keys(programs),
  "LICENSE",
  "README.md",
  "THIRD_PARTY_LICENSES",
  "launcher.js",
  "package.json",
].sort();

/** A package that was built. */
export interface BuiltPackage {
  /** Folder with its files, which npm can publish. */
  folder: string;
  /** Path of the tarball, which npm can install. */
  tarball: string;
}

/** Builds the package's folder and tarball in a folder, in place of earlier ones. Needs npm. */
export async function buildPackage(output: string): Promise<BuiltPackage> {
  const pinned = await pinnedDeno();
  if (Deno.version.deno !== pinned) {
    throw new Error(`This is Deno ${Deno.version.deno}, but the package brings ${pinned}. Run npx -y deno@${pinned}.`);
  }
  const folder = `${output}/package`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  const packages = await Promise.all(
    Object.entries(programs).map(([name, source]) => bundle(`${root}${source}`, folder, name)),
  );
  const bundled = new Map(packages.flat().map((each) => [each.folder, each]));
  await Deno.writeTextFile(`${folder}/THIRD_PARTY_LICENSES`, await licensesText([...bundled.values()]));
  await Deno.copyFile(`${root}LICENSE`, `${folder}/LICENSE`);
  await Deno.copyFile(`${root}deploy/npm/README.md`, `${folder}/README.md`);
  await Deno.copyFile(`${root}deploy/npm/launcher.js`, `${folder}/launcher.js`);
  await Deno.writeTextFile(`${folder}/package.json`, `${JSON.stringify(packageJson(pinned), null, 2)}\n`);
  for (const name of packageFiles) await Deno.chmod(`${folder}/${name}`, name === "launcher.js" ? 0o755 : 0o644);
  const packed = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", output], folder);
  // Newer versions of npm list packages by their names.
  const [{ filename }] = Object.values(JSON.parse(packed)) as [{ filename: string }];
  return { folder, tarball: `${output}/${filename}` };
}

/**
 * Bundles a program into one file, and returns the packages in it. It is not minified: the minifier drops a `using` whose
 * variable is read once, and so the lock that it would give back.
 */
async function bundle(source: string, folder: string, name: string): Promise<BundledPackage[]> {
  const path = `${folder}/${name}`;
  await run(Deno.execPath(), [
    ...["bundle", "--quiet", "--frozen", "--platform=deno", "--sourcemap=external", `--output=${path}`],
    source,
  ], root);
  const { sources } = JSON.parse(await Deno.readTextFile(`${path}.map`)) as { sources: string[] };
  await Deno.remove(`${path}.map`);
  // Names of modules in the bundle contain the path of this machine's cache and the registry's host.
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.replaceAll(/(?:\.\.\/)+[^"\n]*?\/npm\/[^/"\n]+\//g, "npm/"));
  return packagesOf(sources, folder);
}

/** Returns the version of Deno that the image has. */
async function pinnedDeno(): Promise<string> {
  return /^ARG DENO_VERSION=(\S+)$/m.exec(await Deno.readTextFile(`${root}deploy/Containerfile`))![1]!;
}

/** Runs a program and returns its output. Rejects with its complaints if it fails. */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], cwd, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} ${args[0]} failed: ${text(stderr).trim() || text(stdout).trim()}`);
  return text(stdout);
}

const usage = `Builds the npm package of the keystone command.

  deno task package --output FOLDER

  --output FOLDER   gets the package as a folder, and as a tarball for npm install
`;

if (import.meta.main) {
  try {
    const { values } = parseArgs({
      args: Deno.args.filter((arg, index) => !(arg === "--" && index === 0)),
      options: { output: { type: "string", short: "o" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) {
      console.log(usage);
      Deno.exit(0);
    }
    if (!values.output) throw new Error(`--output is not set. Set it to a folder.\n\n${usage}`);
    const from = Deno.env.get("INIT_CWD") ?? Deno.cwd();
    const output = values.output.startsWith("/") ? values.output : `${from}/${values.output}`;
    const { tarball } = await buildPackage(output);
    console.log(
      `Wrote ${tarball}, with the commands ${commandNames.slice(0, 2).join(" and ")}. Try it: npx ${tarball}`,
    );
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
