import type { StyledSpan } from "./terminal_screen.ts";

/** Rows of a block that are drawn; what is longer is cut. */
const mostRows = 12;

const textOf = (spans: readonly StyledSpan[]): string => spans.map(({ text }) => text).join("");

/**
 * The head of the demo's output and the sections whose titles match, in their order; long blocks are cut.
 *
 * @throws when a pattern matches no title
 */
export function sectionsOf(rows: readonly StyledSpan[][], chosen: readonly RegExp[]): StyledSpan[][] {
  const isTitle = (spans: readonly StyledSpan[]): boolean => spans[0]?.column === 0 && spans[0].bold === true;
  const sections: StyledSpan[][][] = [];
  for (const row of rows) {
    if (isTitle(row)) sections.push([row]);
    else sections.at(-1)?.push(row);
  }
  const titles = sections.map(([title]) => textOf(title!));
  for (const pattern of chosen) {
    if (!titles.some((title) => pattern.test(title))) {
      throw new Error(`No section's title matches ${pattern}; the titles are:\n${titles.join("\n")}`);
    }
  }
  return sections
    .filter((_, index) => index === 0 || chosen.some((pattern) => pattern.test(titles[index]!)))
    .flatMap((section, index) => [...(index === 0 ? [] : [[]]), ...cut(withoutEmptyEnd(section))]);
}

function withoutEmptyEnd(rows: readonly StyledSpan[][]): StyledSpan[][] {
  return rows.slice(0, rows.findLastIndex((row) => row.length > 0) + 1);
}

/** Cuts blocks of indented rows. */
function cut(rows: readonly StyledSpan[][]): StyledSpan[][] {
  const out: StyledSpan[][] = [];
  let block = 0;
  for (const row of rows) {
    block = textOf(row).startsWith("    ") || row[0]?.column === 4 ? block + 1 : 0;
    if (block <= mostRows) out.push(row);
    else if (block === mostRows + 1) out.push([{ column: 4, text: "…", dim: true }]);
  }
  return out;
}
