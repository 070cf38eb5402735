/** Lines at the end of the terminal that are written again as they change. */

/** Access to a terminal. */
export interface LineScreen {
  /** Writes text and escape sequences as they are. */
  write(text: string): void;
  /** Columns and rows. */
  size(): { columns: number; rows: number };
}

const clearToEnd = "\x1b[J";
const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";

/** Frames of a wheel that shows that the command is working. */
const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/** Shows lines in place of those that it has shown before. */
export class LiveLines {
  readonly #screen: LineScreen;
  #shown = 0;

  constructor(screen: LineScreen) {
    this.#screen = screen;
  }

  /** Columns of the terminal that a line can use. */
  get columns(): number {
    return Math.max(20, this.#screen.size().columns - 1);
  }

  /** Replaces the lines. Each is cut to the width of the terminal, and those that don't fit below each other are counted. */
  show(lines: readonly string[]): void {
    const { columns } = this;
    const { rows } = this.#screen.size();
    const most = Math.max(1, rows - 2);
    const fitting = lines.length <= most
      ? lines
      : [...lines.slice(0, most - 1), `… and ${lines.length - most + 1} more`];
    const text = fitting.map((line) => `${cut(line, columns)}\n`).join("");
    this.#screen.write(`${this.#up()}${hideCursor}${clearToEnd}${text}`);
    this.#shown = fitting.length;
  }

  /** Removes the lines, so that other text can be written. */
  clear(): void {
    if (this.#shown === 0) return;
    this.#screen.write(`${this.#up()}${clearToEnd}${showCursor}`);
    this.#shown = 0;
  }

  #up(): string {
    return this.#shown === 0 ? "" : `\x1b[${this.#shown}A\r`;
  }
}

/** Returns the frame of the wheel at an instant. */
export const wheelAt = (epochMs: number): string => frames[Math.floor(epochMs / 120) % frames.length]!;

/** Cuts a line without escape sequences to a number of columns. */
function cut(line: string, columns: number): string {
  const letters = [...line];
  return letters.length <= columns ? line : `${letters.slice(0, Math.max(1, columns - 1)).join("")}…`;
}
