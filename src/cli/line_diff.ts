/** The difference of two texts, line by line. */
import { diffArrays } from "diff";

/** A line that only the text before has (`-`), or only the one after (`+`). */
export interface ChangedLine {
  mark: "-" | "+";
  line: string;
}

/** Changes up to which the shortest difference is looked for; it takes half a second. */
const mostChanges = 2000;

/** Returns the lines that differ, in their order: at each place those before, then those after. */
export function changedLines(before: readonly string[], after: readonly string[]): ChangedLine[] {
  const parts = diffArrays([...before], [...after], { maxEditLength: mostChanges }) ??
    [{ added: false, removed: true, value: before }, { added: true, removed: false, value: after }];
  return parts.flatMap(({ added, removed, value }) =>
    added || removed ? value.map((line) => ({ mark: added ? "+" as const : "-" as const, line })) : []
  );
}
