/** Reads and applies the mutants, `*.patch` beside this file. */

/** A possible bug as a patch; the file name describes it. */
export interface Mutant {
  name: string;
  /** The promise that it breaks. */
  promise: string;
  /** Paths of the tests that must detect it. */
  tests: string[];
  /** Plans of the fault campaign, one of which must detect it. */
  plans: string[];
}

const folder = new URL(".", import.meta.url).pathname;

/** Returns the path of a mutant's patch. */
export const patchOf = (name: string): string => `${folder}${name}.patch`;

/** Parses the header of a patch: `Promise:`, then `Tests:` (paths) or `Plans:` (one per line). */
export function parseMutant(name: string, patch: string): Mutant {
  const header = patch.slice(0, patch.search(/^--- /m)).split("\n");
  const values = (key: string) =>
    header.filter((line) => line.startsWith(`${key}: `)).map((line) => line.slice(key.length + 2));
  const [promise, ...more] = values("Promise");
  const tests = values("Tests").flatMap((line) => line.split(" "));
  const plans = values("Plans");
  if (!promise || more.length > 0) throw new Error(`${name}.patch must have one line "Promise: …" above its diff.`);
  if (tests.length > 0 === plans.length > 0) {
    throw new Error(`${name}.patch must have either "Tests: PATH…" or "Plans: PLAN" above its diff.`);
  }
  return { name, promise, tests, plans };
}

/** Reads all mutants, sorted by name. */
export async function readMutants(): Promise<Mutant[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".patch")) names.push(name.slice(0, -".patch".length));
  }
  return await Promise.all(names.sort().map(async (name) => parseMutant(name, await Deno.readTextFile(patchOf(name)))));
}

/** Runs `git apply` in a folder, which may be outside a repository. Returns the error, or an empty string. */
export async function gitApply(dir: string, args: string[]): Promise<string> {
  const { success, stderr } = await new Deno.Command("git", {
    args: ["apply", "--whitespace=nowarn", ...args],
    cwd: dir,
    // Inside a repository with another root, git would resolve the patch's paths from that root.
    env: { GIT_CEILING_DIRECTORIES: new URL("..", `file://${await Deno.realPath(dir)}/`).pathname },
    stdin: "null",
    stdout: "null",
  }).output();
  return success ? "" : new TextDecoder().decode(stderr).trim();
}
