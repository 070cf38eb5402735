/** Returns the content of a text file, or undefined if it doesn't exist. */
export function readTextFileIfExists(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Reports whether a file or folder exists. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes a file or a whole folder; does nothing if it doesn't exist. */
export function removeIfExists(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Returns the last lines of a text file, from its last 64 KiB; an empty string if it doesn't exist. */
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
  if (size > buffer.length && found.length > 1) found.shift(); // the end of a line whose beginning was not read
  return found.slice(-lines).join("\n");
}
