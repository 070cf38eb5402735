import type { StyleFinding } from "./prose.ts";

/**
 * The spelling checker, with a separate lock file: all packages of deno.lock are fetched into the operator's image, and
 * its dictionaries are large. For another version: `deno run --no-config --lock=tools/words/cspell.lock -A npm:cspell@…`.
 */
const checker = "npm:cspell@10.4.1";
const lock = new URL("./cspell.lock", import.meta.url).pathname;

/** Columns of a line of its output; separated by tabs. */
const template = ["$uri", "$row", "$text", "$suggestions"].join("\t");

/** Misspelled words of these files, by cspell with the project's settings and dictionary (cspell.json). */
export async function spellingFindings(
  files: readonly string[],
  root: string,
  { cache = true }: { cache?: boolean } = {},
): Promise<StyleFinding[]> {
  if (files.length === 0) return [];
  // Files that haven't changed aren't read again.
  const caching = cache ? ["--cache", "--cache-strategy=content", `--cache-location=${root}.cspellcache`] : [];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-config", `--lock=${lock}`, "--frozen", "-A", checker, "lint"],
      ...["--no-color", "--no-progress", "--no-summary", "--no-must-find-files", "--show-suggestions"],
      ...[`--config=${root}cspell.json`, `--root=${root}`, `--issue-template=${template}`, ...caching],
      ...["--file-list", "stdin"],
    ],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(files.map((file) => `${root}${file}\n`).join("")));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  // 1: words were found.
  if (code > 1) throw new Error(`cspell failed: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes("\t")).map((line) =>
    findingOf(line, root)
  );
}

function findingOf(line: string, root: string): StyleFinding {
  const [uri, row, text, suggestions] = line.split("\t");
  const words = (suggestions ?? "").replaceAll(/[\[\]()]/g, "").split(/,\s*/).filter((word) => word !== "").slice(0, 3);
  const remedy = words.length > 0 ? `write ${words.join(" or ")}, or add it` : "add it";
  return {
    file: decodeURI(new URL(uri!).pathname).slice(root.length),
    line: Number(row),
    rule: "spelling",
    message: `"${text}" is no word: ${remedy} to tools/words/dictionary.txt`,
  };
}
