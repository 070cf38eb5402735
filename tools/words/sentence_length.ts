import { blocks, sentences } from "./markdown_prose.ts";
import { lineAt, type Prose, type StyleFinding, wordsOf } from "./prose.ts";

/** The most words of a sentence in docs. */
export const mostWords = 25;

/** Names in code after each other count as one word. */
const codeList = /\bx\s*(?:,\s*(?:and\s+|or\s+)?x\b\s*)+/g;

/** Sentences of the docs that are too long, history and decisions of the past left out. */
export function longSentences(pages: readonly Prose[]): StyleFinding[] {
  return pages.filter(({ file }) => file === "README.md" || /^docs\/[^/]+\.md$/.test(file)).flatMap((page) =>
    blocks(page).flatMap(sentences).flatMap(({ offset, text }) => {
      const count = wordsOf(text.replaceAll(codeList, "x ")).length;
      if (count <= mostWords) return [];
      return [{
        file: page.file,
        line: lineAt(page.text, offset),
        rule: "sentence",
        message: `${count} words in "${text.replaceAll(/\s+/g, " ").slice(0, 40)}…": split it; ${mostWords} are enough`,
      }];
    })
  );
}

/** Long sentences that each page may have for now; a page without a ceiling may have none. */
export type Ceilings = Readonly<Record<string, number>>;

/** Findings of pages with more long sentences than their ceiling. */
export function aboveCeilings(found: readonly StyleFinding[], ceilings: Ceilings): StyleFinding[] {
  const byFile = Map.groupBy(found, ({ file }) => file);
  return [...byFile].flatMap(([file, of]) => of.length > (ceilings[file] ?? 0) ? of : []);
}

/** The ceilings after a count: none is higher than before. */
export function lowered(found: readonly StyleFinding[], ceilings: Ceilings): Ceilings {
  const byFile = Map.groupBy(found, ({ file }) => file);
  const entries = Object.entries(ceilings)
    .map(([file, ceiling]) => [file, Math.min(ceiling, byFile.get(file)?.length ?? 0)] as const)
    .filter(([, ceiling]) => ceiling > 0);
  return Object.fromEntries(entries);
}
