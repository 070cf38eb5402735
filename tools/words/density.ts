import { type Prose, type StyleFinding, wordsOf } from "./prose.ts";

const clauseWords = new Set(["what", "who", "whose"]);
/** Below this a page has too few words for a rate. */
const fewWords = 200;

/** The most what/who/whose per 1,000 words; undefined: the page has no limit. */
export function mostPerThousand(file: string): number | undefined {
  if (file === "README.md") return 5;
  return /^docs\/[^/]+\.md$/.test(file) ? 6 : undefined;
}

/** Pages that say what/who/whose too often. */
export function densityFindings(pages: readonly Prose[]): StyleFinding[] {
  return pages.flatMap(({ file, text }) => {
    const most = mostPerThousand(file);
    const words = wordsOf(text);
    const count = words.filter((word) => clauseWords.has(word.toLowerCase())).length;
    const rate = (count / Math.max(words.length, fewWords)) * 1000;
    if (most === undefined || rate <= most) return [];
    const message = `${count} × what/who/whose in ${words.length} words are ${rate.toFixed(1)} per 1,000, ` +
      `and ${most} may be: name the thing ("the entitlement", "cluster admins")`;
    return [{ file, line: 1, rule: "density", message }];
  });
}
