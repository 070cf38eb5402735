/** A stretch of text that people read, in its file. Letters that aren't prose, such as code, are replaced one for one. */
export interface Prose {
  /** Path from the project's root. */
  file: string;
  kind: "doc comment" | "comment" | "text" | "page";
  /** Offset of `text` in the file. */
  offset: number;
  /** As long as the original, so that offsets in it lead back into the file. */
  text: string;
}

/** A place that breaks a rule, and the remedy. */
export interface StyleFinding {
  file: string;
  line: number;
  rule: string;
  message: string;
}

/** A file of the tree. */
export interface Source {
  path: string;
  text: string;
}

/** Number of the line, from 1, in which an offset lies. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** Replaces all but line breaks by a letter, so that lengths and lines stay. */
export function blank(text: string, by = " "): string {
  return text.replaceAll(/[^\n]/g, by);
}

/** Replaces each match by blanks. */
export function mask(text: string, pattern: RegExp, by?: string): string {
  return text.replaceAll(pattern, (match) => blank(match, by));
}

/** The words of a text; numbers and code don't count. */
export function wordsOf(text: string): string[] {
  return text.match(/\p{L}[\p{L}’'-]*/gu) ?? [];
}
