import assert from "node:assert/strict";

/** Runs deno in a copy of the project. @throws its output when it fails */
export async function deno(cwd: string, ...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, stdin: "null" }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(success, `deno ${args.join(" ")}:\n${out}${errors}`);
}
