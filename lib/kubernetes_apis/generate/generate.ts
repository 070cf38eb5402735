import { fileText } from "./file_text.ts";
import { documentOf, generatedOf, type Group } from "./groups.ts";
import type { Document } from "./openapi.ts";

/** Returns the generated files by path, from the committed documents: without network, and deterministic. */
export async function generate(groups: readonly Group[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const group of [undefined, ...groups]) {
    const document: Document = JSON.parse(await Deno.readTextFile(documentOf(group)));
    texts.set(generatedOf(group).pathname, fileText(groups, document, group));
  }
  return await format(texts);
}

/** Writes the files that differ and returns their paths. With `check` it writes nothing. */
export async function writeGenerated(groups: readonly Group[], { check }: { check: boolean }): Promise<string[]> {
  const differing: string[] = [];
  for (const [path, text] of await generate(groups)) {
    const present = await Deno.readTextFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    if (present === text) continue;
    differing.push(path);
    if (!check) await Deno.writeTextFile(path, text);
  }
  return differing;
}

/** Formats all files with one `deno fmt`, in a separate folder, so that a check doesn't change the real ones. */
async function format(texts: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const dir = await Deno.makeTempDir({ prefix: "kubernetes-apis-" });
  try {
    const files = [...texts].map(([path, text], index) => ({ path, text, file: `${dir}/${index}.ts` }));
    for (const { file, text } of files) await Deno.writeTextFile(file, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", "--no-config", "--line-width", "120", dir],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`deno fmt failed on the generated files: ${new TextDecoder().decode(stderr)}`);
    const formatted = new Map<string, string>();
    for (const { file, path } of files) formatted.set(path, await Deno.readTextFile(file));
    return formatted;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
