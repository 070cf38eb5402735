/** Documents of a text, separated as kubectl separates them: JSON values one after another, or YAML between `---`. */
import {
  type DuplicateKey,
  type JSONValue,
  KubernetesYamlError,
  lineCounter,
  LOSES_DIGITS,
  readKubernetesYaml,
} from "../../lib/kubernetes/mod.ts";

/** One document that isn't empty. */
export interface InputDocument {
  value: JSONValue;
  /** Position among the documents, from 1; empty ones don't count. */
  number: number;
  /** Line of its start, from 1. */
  line: number;
  duplicates: DuplicateKey[];
}

/** A document that kubectl can't read either. */
export class UnreadableDocument extends Error {
  constructor(readonly number: number, problem: string) {
    super(problem);
  }
}

/** Returns the documents of a text; throws {@linkcode UnreadableDocument}. */
export function documentsIn(text: string): InputDocument[] {
  const documents: InputDocument[] = [];
  const lineAt = lineCounter(text);
  const add = (value: JSONValue, offset: number, duplicates: DuplicateKey[] = []): void => {
    if (value === null) return;
    documents.push({ value, number: documents.length + 1, line: lineAt(offset), duplicates });
  };
  let offset = 0;
  let isNoJson = false;
  if (/^\s*\{/.test(text)) {
    for (let count = 0;; count++) {
      const rest = /\S/.exec(text.slice(offset));
      if (!rest) return documents;
      const start = offset + rest.index;
      const read = jsonAt(text, start);
      if ("problem" in read) {
        // As in kubectl: the rest of a stream with more than one value must be JSON; otherwise it may be YAML.
        if (count > 1 || read.problem === LOSES_DIGITS) {
          throw new UnreadableDocument(documents.length + 1, `line ${lineAt(read.at)}: ${read.problem}`);
        }
        isNoJson = true;
        offset = count === 0 ? 0 : offset + /^[^\S\n]*\n?/.exec(text.slice(offset))![0].length;
        break;
      }
      add(read.value, start);
      offset = read.end;
    }
  }
  for (const chunk of yamlChunks(text.slice(offset), lineAt(offset), () => documents.length + 1)) {
    try {
      const { value, duplicates } = readKubernetesYaml(chunk.text);
      const before = chunk.line - 1;
      if (value === null) continue;
      documents.push({
        value,
        number: documents.length + 1,
        line: chunk.line + /^(?:[^\S\n]*(?:#.*)?\n)*/.exec(chunk.text)![0].split("\n").length - 1,
        duplicates: duplicates.map(({ key, line }) => ({ key, line: line + before })),
      });
    } catch (error) {
      if (!(error instanceof KubernetesYamlError)) throw error;
      const { line, column } = error;
      const at = `line ${line + chunk.line - 1}${column === undefined ? "" : `, column ${column}`}`;
      throw new UnreadableDocument(
        documents.length + 1,
        !isNoJson ? `${at}: ${error.problem}` : `neither JSON nor YAML (${at}: ${error.problem})`,
      );
    }
  }
  return documents;
}

/** Splits at lines that begin with `---`, wherever they are, as kubectl does. */
function* yamlChunks(text: string, from: number, number: () => number): Generator<{ text: string; line: number }> {
  let line = from;
  let chunk: string[] = [];
  let start = line;
  for (const each of text.replace(/\r?\n$/, "").split(/\r?\n/)) {
    if (each.startsWith("---")) {
      const rest = each.slice(3).trim();
      if (rest !== "" && !rest.startsWith("#")) {
        throw new UnreadableDocument(
          number(),
          `line ${line}: only a comment may follow the separator --- on its line, as in kubectl`,
        );
      }
      if (chunk.length > 0) yield { text: `${chunk.join("\n")}\n`, line: start };
      chunk = [];
      start = line + 1;
    } else chunk.push(each);
    line++;
  }
  if (chunk.length > 0) yield { text: `${chunk.join("\n")}\n`, line: start };
}

/** Thrown for an integer of this text. */
class LosesDigits extends Error {}

/** Refuses integers that would lose digits; kubectl keeps those of up to 64 bits, and rounds larger ones too. */
function exactly(_key: string, value: JSONValue, context?: { source?: string }): JSONValue {
  const source = context?.source ?? "";
  if (typeof value !== "number" || !/^-?\d{16,19}$/.test(source) || BigInt(value) === BigInt(source)) return value;
  throw new LosesDigits(source);
}

/** Reads the JSON value that begins at `start`. */
function jsonAt(text: string, start: number): { value: JSONValue; end: number } | { problem: string; at: number } {
  const token = /\s*("(?:[^"\\]|\\[^])*"|[[\]{}]|[^"[\]{}\s]+)/y;
  token.lastIndex = start;
  let depth = 0;
  let end = start;
  do {
    const found = token.exec(text)?.[1];
    if (found === undefined) return { problem: "unexpected end of JSON", at: text.length };
    end = token.lastIndex;
    if (found === "{" || found === "[") depth++;
    else if (found === "}" || found === "]") depth--;
  } while (depth > 0);
  try {
    return { value: JSON.parse(text.slice(start, end), exactly), end };
  } catch (error) {
    if (error instanceof LosesDigits) return { problem: LOSES_DIGITS, at: text.indexOf(error.message, start) };
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    return { problem: "invalid JSON", at: start + Number(position ?? 0) };
  }
}
