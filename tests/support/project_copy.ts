/** A copy of the project that can be changed and run. */
import { dirname } from "node:path";

const root = new URL("../../", import.meta.url).pathname;

/** Copies all files that git tracks or would track, with uncommitted changes, into a new folder; returns its path. */
export async function copyProject(prefix: string): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix });
  const args = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const { stdout } = await new Deno.Command("git", { args, cwd: root, stdin: "null" }).output();
  for (const path of new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "")) {
    await Deno.mkdir(dirname(`${dir}/${path}`), { recursive: true });
    await Deno.copyFile(`${root}${path}`, `${dir}/${path}`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  return dir;
}
