const width = 116;
const enough = 280;

/**
 * The beginning of a schema's description as a doc comment, or nothing: what is said before the first paragraph ends,
 * in whole sentences, up to about 280 characters, without pointers to more. What a field is about fits in that; whoever
 * needs all of it asks `kubectl explain`.
 *
 * @param indent what stands before the comment on each line
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
  // A period ends a sentence when a capital letter follows, but not in "e.g. X" or "i.e. X".
  const [first = "", ...others] = paragraph.split(/(?<=(?<!\b[ei]\.[ge])[.!?]) (?=[A-Z"'`])/);
  let text = first;
  for (const sentence of others) {
    // A colon at the end announces a list, which isn't there any more.
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
