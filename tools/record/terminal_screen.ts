/** Looks of a cell; a color is a name of the palette, or `#rrggbb`. */
export interface CellStyle {
  color?: string;
  bold?: boolean;
  dim?: boolean;
  underline?: boolean;
}

/** Letters of one style after each other, from a column on. */
export interface StyledSpan extends CellStyle {
  column: number;
  text: string;
}

/** Names of the eight colors of a terminal; each also has a bright one. */
export const colorNames = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

/** One escape sequence: of control, of the operating system (titles, links), or a short one. */
// deno-lint-ignore no-control-regex
const sequence = /^\x1b(?:\[([\d;?]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])/;

/** Follows the output of a program on a terminal and keeps all rows, those that have scrolled away too. */
export class TerminalScreen {
  readonly #rows: { letter: string; style: CellStyle }[][] = [[]];
  #row = 0;
  #column = 0;
  readonly #columns: number;
  #style: CellStyle = {};

  /** @param columns width, at which lines go on in the next row */
  constructor(columns = Infinity) {
    this.#columns = columns;
  }

  write(text: string): void {
    for (let at = 0; at < text.length;) {
      const match = text[at] === "\x1b" ? sequence.exec(text.slice(at, at + 4096)) : null;
      if (match) {
        if (match[2] !== undefined) this.#control(match[2], match[1]!);
        at += match[0].length;
        continue;
      }
      const letter = String.fromCodePoint(text.codePointAt(at)!);
      this.#letter(letter);
      at += letter.length;
    }
  }

  #letter(letter: string): void {
    if (letter === "\n") return this.#moveTo(this.#row + 1, this.#column);
    if (letter === "\r") return this.#moveTo(this.#row, 0);
    if (letter === "\b") return this.#moveTo(this.#row, this.#column - 1);
    if (letter === "\t") return this.#moveTo(this.#row, (Math.floor(this.#column / 8) + 1) * 8);
    if (letter < " " || letter === "\x7f") return;
    if (this.#column >= this.#columns) this.#moveTo(this.#row + 1, 0);
    const row = this.#rows[this.#row]!;
    while (row.length < this.#column) row.push({ letter: " ", style: {} });
    row[this.#column++] = { letter, style: this.#style };
  }

  #moveTo(row: number, column: number): void {
    this.#row = Math.max(0, row);
    this.#column = Math.max(0, column);
    while (this.#rows.length <= this.#row) this.#rows.push([]);
  }

  #control(final: string, parameters: string): void {
    const numbers = parameters.split(";").map((each) => each === "" ? undefined : Number(each));
    const count = numbers[0] ?? 1;
    const row = this.#rows[this.#row]!;
    if (final === "m") this.#style = styleAfter(this.#style, numbers.map((each) => each ?? 0));
    if (final === "A") this.#moveTo(this.#row - count, this.#column);
    if (final === "B") this.#moveTo(this.#row + count, this.#column);
    if (final === "C") this.#moveTo(this.#row, this.#column + count);
    if (final === "D") this.#moveTo(this.#row, this.#column - count);
    if (final === "G") this.#moveTo(this.#row, count - 1);
    if (final === "K" && (numbers[0] ?? 0) === 0) row.length = Math.min(row.length, this.#column);
    if (final === "K" && numbers[0] === 1) row.fill({ letter: " ", style: {} }, 0, this.#column + 1);
    if (final === "K" && numbers[0] === 2) row.length = 0;
    if (final === "J" && (numbers[0] ?? 0) === 0) {
      row.length = Math.min(row.length, this.#column);
      this.#rows.length = this.#row + 1;
    }
  }

  /** All rows, without blanks at their ends and empty rows at the end. */
  rows(): StyledSpan[][] {
    const rows = this.#rows.map((row) => {
      const spans: StyledSpan[] = [];
      const last = row.findLastIndex(({ letter }) => letter !== " ");
      for (const [column, { letter, style }] of row.slice(0, last + 1).entries()) {
        const open = spans.at(-1);
        if (open && isSame(open, style)) open.text += letter;
        else spans.push({ ...style, column, text: letter });
      }
      return spans;
    });
    return rows.slice(0, rows.findLastIndex((spans) => spans.length > 0) + 1);
  }
}

function isSame(a: CellStyle, b: CellStyle): boolean {
  return a.color === b.color && a.bold === b.bold && a.dim === b.dim && a.underline === b.underline;
}

function styleAfter(style: CellStyle, codes: number[]): CellStyle {
  let { color, bold, dim, underline } = style;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!;
    if (code === 0) {
      color =
        bold =
        dim =
        underline =
          undefined;
    } else if (code === 1) bold = true;
    else if (code === 2) dim = true;
    else if (code === 4) underline = true;
    else if (code === 22) bold = dim = undefined;
    else if (code === 24) underline = undefined;
    else if (code === 39) color = undefined;
    else if (code >= 30 && code <= 37) color = colorNames[code - 30]!;
    else if (code >= 90 && code <= 97) color = `bright-${colorNames[code - 90]!}`;
    else if (code === 38 && codes[at + 1] === 5) color = indexed(codes[at += 2] ?? 0);
    else if (code === 38 && codes[at + 1] === 2) {
      color = hex(codes.slice(at + 2, at + 5));
      at += 4;
    }
  }
  return {
    ...(color === undefined ? {} : { color }),
    ...(bold === undefined ? {} : { bold }),
    ...(dim === undefined ? {} : { dim }),
    ...(underline === undefined ? {} : { underline }),
  };
}

/** A color of the table of 256. */
function indexed(index: number): string {
  if (index < 8) return colorNames[index]!;
  if (index < 16) return `bright-${colorNames[index - 8]!}`;
  if (index >= 232) return hex([8, 8, 8].map((first) => first + (index - 232) * 10));
  const part = (divisor: number): number => Math.floor((index - 16) / divisor) % 6;
  return hex([part(36), part(6), part(1)].map((level) => level === 0 ? 0 : 55 + level * 40));
}

function hex(parts: number[]): string {
  return `#${parts.map((part) => Math.min(255, part).toString(16).padStart(2, "0")).join("")}`;
}
