/** Text on a terminal: its width, and lines that end between words. */
import stringWidth from "fast-string-width";

/** Returns the columns that a text takes; colors take none. */
export const textWidth = (text: string): number => stringWidth(text);

/**
 * Returns the text with lines of at most `width` columns. A word stays whole, even if it is wider: the terminal breaks it
 * without a line end, so it can be copied.
 *
 * @param hang columns by which the continuation of a line is indented more than its beginning
 */
export const wrapped = (text: string, width: number, hang = 0): string =>
  text.split("\n").map((line) => wrappedLine(line, width, hang)).join("\n");

/** Returns a command that a shell reads as it is: lines of at most `width` columns end with a backslash. */
export const wrappedCommand = (command: string, width: number): string =>
  textWidth(command) <= width ? command : wrapped(command, width - 2, 2).replaceAll("\n", " \\\n");

function wrappedLine(line: string, width: number, hang: number): string {
  if (textWidth(line) <= width) return line;
  const indent = /^ */.exec(line)![0];
  // On a narrow terminal a hanging indentation would leave no room for words.
  const further = indent.length + hang > width / 3 ? indent : indent + " ".repeat(hang);
  const rows: string[] = [];
  let row = indent;
  let taken = indent.length;
  for (const [word] of line.slice(indent.length).matchAll(/\S+ */g)) {
    const visible = textWidth(word.trimEnd());
    if (taken + visible > width && row.trim() !== "") {
      rows.push(row.trimEnd());
      row = further;
      taken = further.length;
    }
    row += word;
    taken += visible + word.length - word.trimEnd().length;
  }
  return [...rows, row.trimEnd()].join("\n");
}
