/** Tables for a given width: the columns that fit, in the forms that fit. */
import { textWidth, wrapped } from "./wrapped_text.ts";

/** One column of a table. */
export interface TableColumn<T> {
  name: string;
  value: (row: T) => string;
  /** A shorter form of the value, for a narrow terminal. */
  short?: (row: T) => string;
  /** Order in which columns are left out: those with the highest number first; 0 (default): never. */
  rank?: number;
  /** True if a cell may have several lines, which end between words. */
  wraps?: boolean;
}

/** The choice of columns and forms for a terminal. It is made once, so that the rows of a watch stay aligned. */
export interface TableLayout<T> {
  columns: readonly LaidOut<T>[];
  /** Names of the columns that were left out. */
  leftOut: readonly string[];
  /** True if even the most important columns have no room beside each other: each row becomes a block of lines. */
  stacked: boolean;
  width: number;
}

interface LaidOut<T> {
  name: string;
  cell: (row: T) => string;
  width: number;
  wraps: boolean;
  /** True if the cells have the short form. */
  isShort: boolean;
}

/** Blanks between columns, on a terminal and off it. */
const [narrowGap, wideGap] = [2, 3];

/** Least width of a column that wraps. */
const leastWrapped = 16;

/**
 * Chooses what fits into `width`, in this order: everything; short forms instead of bars; fewer columns, by their ranks;
 * cells of several lines. `width` is Infinity off a terminal, where nothing is ever left out.
 */
export function tableLayout<T>(
  rows: readonly T[],
  columns: readonly TableColumn<T>[],
  width: number,
): TableLayout<T> {
  const laidOut = (chosen: readonly TableColumn<T>[], short: boolean): LaidOut<T>[] =>
    chosen.map(({ name, value, short: shorter, wraps = false }) => {
      const cell = short && shorter ? shorter : value;
      const widest = rows.reduce((most, row) => Math.max(most, textWidth(cell(row))), textWidth(name));
      return { name, cell, wraps, isShort: short, width: widest };
    });
  const fitting = (chosen: readonly TableColumn<T>[], short: boolean): LaidOut<T>[] | undefined => {
    const all = laidOut(chosen, short);
    const excess = lineWidth(all, narrowGap) - width;
    if (excess <= 0) return all;
    // Only the last resort of one choice of columns: what wraps gives room.
    const last = all.findLast(({ wraps }) => wraps);
    if (!short || last === undefined || last.width - excess < leastWrapped) return undefined;
    return all.map((each) => each === last ? { ...each, width: each.width - excess } : each);
  };
  /** Adds columns that were left out before wider ones, if they fit after all. */
  const refilled = (found: LaidOut<T>[]) => {
    let now = found;
    const missing: string[] = [];
    for (const name of leftOut.toReversed()) {
      const more = columns.filter((each) => each.name === name || chosen.includes(each));
      const fits = fitting(more, true);
      if (!fits) missing.unshift(name);
      else [now, chosen] = [fits, more];
    }
    return { columns: now, leftOut: missing };
  };
  let chosen = [...columns];
  const leftOut: string[] = [];
  for (;;) {
    const found = (leftOut.length === 0 ? fitting(chosen, false) : undefined) ?? fitting(chosen, true);
    if (found) return { ...refilled(found), stacked: false, width };
    const next = chosen.reduce((most, each) => (each.rank ?? 0) > (most.rank ?? 0) ? each : most);
    if ((next.rank ?? 0) === 0) break;
    chosen = chosen.filter((each) => each !== next);
    leftOut.push(next.name);
  }
  return { columns: laidOut(columns, true), leftOut: [], stacked: true, width };
}

/** Returns the head of the table; none for blocks. */
export function tableHead<T>(layout: TableLayout<T>, style: (name: string) => string = (name) => name): string[] {
  return layout.stacked ? [] : lines(layout, layout.columns.map(({ name }) => style(name)));
}

/** Returns the lines of a row. A cell that is wider than its column moves the rest of its line to the right. */
export function tableRow<T>(layout: TableLayout<T>, row: T): string[] {
  const { columns, stacked, width } = layout;
  if (!stacked) return lines(layout, columns.map(({ cell }) => cell(row)));
  const [first, ...others] = columns;
  const heads = Math.max(...others.map(({ name }) => name.length));
  return [
    first!.cell(row),
    ...others.flatMap(({ name, cell }) =>
      wrapped(`  ${name.padEnd(heads)}  ${cell(row)}`, width, heads + 2).split("\n")
    ),
  ];
}

/** Returns the whole table. */
export const tableLines = <T>(
  rows: readonly T[],
  layout: TableLayout<T>,
  style?: (name: string) => string,
): string[] => [...tableHead(layout, style), ...rows.flatMap((row) => tableRow(layout, row))];

const lineWidth = (columns: readonly { width: number }[], gap: number): number =>
  columns.reduce((sum, { width }) => sum + width, 0) + gap * (columns.length - 1);

function lines<T>({ columns, width }: TableLayout<T>, cells: readonly string[]): string[] {
  const gap = " ".repeat(lineWidth(columns, wideGap) <= width ? wideGap : narrowGap);
  const parts = cells.map((cell, index) => {
    const column = columns[index]!;
    return column.wraps && Number.isFinite(width) ? wrapped(cell, column.width).split("\n") : [cell];
  });
  return Array.from(
    { length: Math.max(...parts.map(({ length }) => length)) },
    (_, line) =>
      parts.map((part, index) => {
        const text = part[line] ?? "";
        return text + " ".repeat(Math.max(0, columns[index]!.width - textWidth(text)));
      }).join(gap).trimEnd(),
  );
}

/** Returns a table of cells, with all columns. */
export function plainTable(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const columns = head.map((name, index) => ({ name, value: (row: readonly unknown[]) => String(row[index] ?? "") }));
  return tableLines(rows, tableLayout(rows, columns, Infinity)).join("\n");
}
