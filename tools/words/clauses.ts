import { lineAt, type Prose, type StyleFinding } from "./prose.ts";

/** Doc comments that may begin with a clause, of all doc comments. */
export const mostClauses = 0.02;

const clause = /^\s*(What|Whether|How|Who|Where|When)\b/;

/** Doc comments that begin with a clause in place of a noun or a verb. */
export function clauseFindings(prose: readonly Prose[], textOf: (file: string) => string): StyleFinding[] {
  return prose.filter(({ kind }) => kind === "doc comment").flatMap(({ file, offset, text }) => {
    const match = clause.exec(text);
    if (!match) return [];
    return [{
      file,
      line: lineAt(textOf(file), offset + match[0].length),
      rule: "clause",
      message: `begins with "${
        match[1]
      }": begin with a noun or a verb in the third person ("Returns …", "Quota keys that …")`,
    }];
  });
}
