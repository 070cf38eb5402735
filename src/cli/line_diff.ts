/** The difference between two texts, line by line. */
import { diffArrays } from "diff";

/** A line that only the text before (`-`) or only the text after (`+`) has. */
export interface ChangedLine {
  mark: "-" | "+";
  line: string;
}

/** Number of changes up to which the shortest difference is searched; that takes half a second. */
const mostChanges = 2000;

/** Returns the lines that differ, in order: at each place the lines before, then those after. */
export function changedLines(before: readonly string[], after: readonly string[]): ChangedLine[] {
  const parts = diffArrays([...before], [...after], { maxEditLength: mostChanges }) ??
    [{ added: false, removed: true, value: before }, { added: true, removed: false, value: after }];
  return parts.flatMap(({ added, removed, value }) =>
    added || removed ? value.map((line) => ({ mark: added ? "+" as const : "-" as const, line })) : []
  );
}
