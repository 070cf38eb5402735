/** Reads the mutants, `*.patch` beside this file, and plants them. */

/** A bug that somebody could make: a patch whose file name says it. */
export interface Mutant {
  name: string;
  /** Promise that it breaks. */
  promise: string;
  /** Tests, as paths, that have to notice. */
  tests: string[];
  /** Plans of the fault campaign one of which has to notice. */
  plans: string[];
}

const folder = new URL(".", import.meta.url).pathname;

/** Path of a mutant's patch. */
export const patchOf = (name: string): string => `${folder}${name}.patch`;

/** Reads the header of a patch: `Promise:`, then `Tests:` (paths) or `Plans:` (one a line). */
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

/** Runs `git apply` in a folder, in a repository or not. Returns the reasons for which it can't; "": it could. */
export async function gitApply(dir: string, args: string[]): Promise<string> {
  const { success, stderr } = await new Deno.Command("git", {
    args: ["apply", "--whitespace=nowarn", ...args],
    cwd: dir,
    // Inside a repository that isn't rooted here, git would take the patch's paths for those of that repository.
    env: { GIT_CEILING_DIRECTORIES: new URL("..", `file://${await Deno.realPath(dir)}/`).pathname },
    stdin: "null",
    stdout: "null",
  }).output();
  return success ? "" : new TextDecoder().decode(stderr).trim();
}
