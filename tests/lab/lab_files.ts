/** The content of a text file, or undefined when there is none. */
export function readTextFileIfExists(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether there is a file or folder of this name. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes a file or a whole folder; nothing happens when there is none. */
export function removeIfExists(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The last lines of a text file, as far as they lie in its last 64 KiB; empty when there is no such file. */
export function tailOf(path: string, lines = 20): string {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
  using open = file;
  const size = open.statSync().size;
  open.seekSync(Math.max(0, size - 65_536), Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(size, 65_536));
  const read = open.readSync(buffer) ?? 0;
  const found = new TextDecoder().decode(buffer.subarray(0, read)).trimEnd().split("\n");
  if (size > buffer.length && found.length > 1) found.shift(); // the rest of a line whose beginning was not read
  return found.slice(-lines).join("\n");
}
