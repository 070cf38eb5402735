/** Files that `-f` names: a file, a folder or a pattern, as kubectl expands them. */
import { extname, join } from "node:path";
import { glob } from "node:fs/promises";

const EXTENSIONS = [".json", ".yaml", ".yml"];

/**
 * Returns the files of a path: the file itself; of a folder those with a known extension, sorted by name, of its
 * folders too if `recursive`; if nothing has this name, the files that it matches as a pattern. Returns none for an
 * empty folder; rejects with `Deno.errors.NotFound` if there is nothing.
 */
export async function inputFiles(path: string, recursive: boolean): Promise<string[]> {
  try {
    return (await Deno.stat(path)).isDirectory ? await filesIn(path, recursive) : [path];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || !/[*?[]/.test(path)) throw error;
    const matches = (await Array.fromAsync(glob(path))).sort();
    if (matches.length === 0) throw error;
    return (await Promise.all(matches.map((match) => inputFiles(match, recursive)))).flat();
  }
}

async function filesIn(folder: string, recursive: boolean): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  entries.sort((a, b) => a.name < b.name ? -1 : 1);
  const files: string[] = [];
  for (const { name, isDirectory } of entries) {
    const path = join(folder, name);
    if (isDirectory) files.push(...recursive ? await filesIn(path, true) : []);
    else if (EXTENSIONS.includes(extname(name))) files.push(path);
  }
  return files;
}

/** Returns the text of a file: UTF-8, or UTF-16 if it begins with that byte order mark; without the mark. */
export function inputText(bytes: Uint8Array): string {
  const utf16 = bytes[0] === 0xff && bytes[1] === 0xfe
    ? "utf-16le"
    : bytes[0] === 0xfe && bytes[1] === 0xff
    ? "utf-16be"
    : "utf-8";
  return new TextDecoder(utf16).decode(bytes);
}
