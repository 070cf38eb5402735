/** One object as a readable block: a title, and fields with one or more lines. */
import { inLine } from "../session.ts";
import { type TableColumn, tableLayout, tableRow } from "../table_layout.ts";
import { textWidth, wrapped, wrappedCommand } from "../wrapped_text.ts";

export interface DetailBlock {
  title: string;
  fields: readonly DetailField[];
}

/** A field of a block. */
export interface DetailField {
  name: string;
  lines: readonly DetailLine[];
}

/** A text, possibly by others, which is wrapped as one line; or a function of the width that returns lines. */
export type DetailLine = string | ((width: number) => string[]);

/** Returns a field; undefined lines are left out. */
export const field = (name: string, ...lines: (DetailLine | undefined)[]): DetailField => ({
  name,
  lines: lines.filter((line): line is DetailLine => line !== undefined && line !== ""),
});

/** Columns by which fields are indented. */
const margin = 2;

/** Returns the lines of a block. Fields without lines are left out. */
export function blockLines({ title, fields }: DetailBlock, width: number): string[] {
  const shown = fields.filter(({ lines }) => lines.length > 0);
  const names = Math.max(...shown.map(({ name }) => name.length)) + 2;
  // On a narrow terminal the texts go below the names.
  const beside = width >= 50;
  const indent = margin + (beside ? names : 2);
  return [
    title,
    ...shown.flatMap(({ name, lines }) => {
      const texts = lines.flatMap((line) =>
        typeof line === "string" ? wrapped(inLine(line), width - indent, 2).split("\n") : line(width - indent)
      );
      const placed = texts.map((text) => `${" ".repeat(indent)}${text}`);
      const head = `${" ".repeat(margin)}${name}`;
      return beside ? [head.padEnd(indent) + texts[0], ...placed.slice(1)] : [head, ...placed];
    }),
  ].map((line) => line.trimEnd());
}

/** Returns a command with a text before it, on a line of its own if it doesn't fit beside the text. */
export const commandLine = (text: string, command: string): DetailLine => (width) => {
  const line = `${text}: ${command}`;
  if (textWidth(line) <= width) return [line];
  const indented = wrappedCommand(command, width - 2).split("\n").map((each) => `  ${each}`);
  return [...wrapped(`${text}:`, width, 2).split("\n"), ...indented];
};

/** Returns the rows of a table without its head, as lines of a field. */
export const fieldTable = <T>(rows: readonly T[], columns: readonly TableColumn<T>[]): DetailLine => (width) => {
  const layout = tableLayout(rows, columns.map((column) => ({ ...column, name: "" })), width);
  return rows.flatMap((row) => tableRow(layout, row));
};
