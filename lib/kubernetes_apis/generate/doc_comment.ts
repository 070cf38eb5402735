const width = 116;
const enough = 280;

/**
 * Returns the beginning of a schema's description as a doc comment, or nothing: whole sentences of the first
 * paragraph, up to about 280 characters, without links to more. That is enough to know a field's purpose; `kubectl
 * explain` has all of it.
 *
 * @param indent text before the comment on each line
 */
export function docComment(description: string | undefined, indent = ""): string {
  const text = shorten(description ?? "").replaceAll("*/", "*\\/");
  if (text === "") return "";
  if (indent.length + text.length + 7 <= width) return `${indent}/** ${text} */\n`;
  return `${indent}/**\n${
    wrap(text, width - indent.length - 3).map((line) => `${indent} * ${line}\n`).join("")
  }${indent} */\n`;
}

function shorten(description: string): string {
  const paragraph = description.trim().split(/\n\s*\n|```/, 1)[0]!
    .replace(/\s*(More info|For more info(rmation)?,? see|See):? *\(?https?:\S+/gi, "")
    .replace(/\s+https?:\/\/\S*api-conventions\S*/g, "")
    .replace(/\s+/g, " ").trim();
  // A period before a capital letter ends a sentence, except in "e.g. X" or "i.e. X".
  const [first = "", ...others] = paragraph.split(/(?<=(?<!\b[ei]\.[ge])[.!?]) (?=[A-Z"'`])/);
  let text = first;
  for (const sentence of others) {
    // A colon at the end announces a list, which has been removed.
    if (text.length + 1 + sentence.length > enough || sentence.endsWith(":")) break;
    text += ` ${sentence}`;
  }
  return text;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
