import type { StyleFinding } from "./prose.ts";

/** Misspelled words of these files, by cspell with the project's settings and dictionary (cspell.json). */
export async function spellingFindings(
  files: readonly string[],
  root: string,
  { cache = true }: { cache?: boolean } = {},
): Promise<StyleFinding[]> {
  const found: StyleFinding[] = [];
  if (files.length === 0) return found;
  // Loaded only here: loading it reads files in the background, and the other rules need none of it.
  const { lint } = await import("cspell");
  const nothing = () => {};
  await lint(files.map((file) => `${root}${file}`), {
    root,
    config: `${root}cspell.json`,
    progress: false,
    // Files that haven't changed aren't read again.
    cache,
    cacheStrategy: "content",
    cacheLocation: `${root}.cspellcache`,
    showSuggestions: true,
    mustFindFiles: false,
  }, {
    issue({ uri, row, text, suggestions = [] }) {
      const remedy = suggestions.length > 0 ? `write ${suggestions.slice(0, 3).join(" or ")}, or add it` : "add it";
      found.push({
        file: decodeURI(new URL(uri!).pathname).slice(root.length),
        line: row,
        rule: "spelling",
        message: `"${text}" is no word: ${remedy} to tools/words/dictionary.txt`,
      });
    },
    error(message, error) {
      throw new Error(message, { cause: error });
    },
    info: nothing,
    debug: nothing,
    progress: nothing,
    result: nothing,
  });
  return found;
}
