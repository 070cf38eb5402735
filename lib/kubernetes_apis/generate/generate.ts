import { fileText } from "./file_text.ts";
import { fileName, type Group, groups, sharedFile } from "./groups.ts";
import type { Document } from "./openapi.ts";
import { folder } from "./paths.ts";

/** The generated files by name, from the committed documents; without network, and the same every time. */
export async function generate(): Promise<Map<string, string>> {
  const files: [string, Group?][] = [[sharedFile], ...groups.map((group): [string, Group] => [fileName(group), group])];
  const texts = new Map<string, string>();
  for (const [file, group] of files) {
    const document: Document = JSON.parse(await Deno.readTextFile(new URL(`openapi/${file}.json`, folder)));
    texts.set(`${file}.ts`, fileText(file, document, group));
  }
  return await format(texts);
}

/** Writes what differs; returns the names of the files that did. With `check` it only looks. */
export async function writeGenerated({ check }: { check: boolean }): Promise<string[]> {
  const differing: string[] = [];
  for (const [name, text] of await generate()) {
    const file = new URL(name, folder);
    const present = await Deno.readTextFile(file).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    if (present === text) continue;
    differing.push(name);
    if (!check) await Deno.writeTextFile(file, text);
  }
  return differing;
}

/** Formats all files with one `deno fmt`, in a folder of their own, so that a check needn't touch the real ones. */
async function format(texts: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const dir = await Deno.makeTempDir({ prefix: "kubernetes-apis-" });
  try {
    for (const [name, text] of texts) await Deno.writeTextFile(`${dir}/${name}`, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", "--no-config", "--line-width", "120", dir],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`deno fmt failed on the generated files: ${new TextDecoder().decode(stderr)}`);
    const formatted = new Map<string, string>();
    for (const name of texts.keys()) formatted.set(name, await Deno.readTextFile(`${dir}/${name}`));
    return formatted;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
