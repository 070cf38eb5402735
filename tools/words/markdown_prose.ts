import { mask, type Prose, type Source } from "./prose.ts";

/** A Markdown file as one stretch of prose: code, addresses and HTML are blanked, inline code counts as one word. */
export function markdownProse({ path, text }: Source): Prose {
  const fences = /^[ \t]*(```+|~~~+)[\s\S]*?^[ \t]*\1[ \t]*$/gm;
  let out = mask(text, fences);
  out = mask(out, /<!--[\s\S]*?-->|<\/?[a-z][^>\n]*>/gi);
  // A capital after code begins a sentence only after a full stop: code keeps one letter.
  out = out.replaceAll(/(`+)[^`\n](?:[^`]*?[^`\n])?\1/g, (code) => `x${mask(code.slice(1), /./g)}`);
  out = mask(out, /(?<=\])\([^()\s]*(?:\([^()]*\)[^()\s]*)*\)/g);
  out = mask(out, /^\[[^\]]+\]:.*$/gm);
  return { file: path, kind: "page", offset: 0, text: mask(out, /https?:\/\/\S+/g) };
}

/** Paragraphs, items of lists, headings and parts of tables' cells of a page, each by itself. */
export function blocks({ text }: Pick<Prose, "text">): { offset: number; text: string }[] {
  const out: { offset: number; text: string }[] = [];
  let offset = 0;
  let open: { offset: number; text: string } | undefined;
  for (const line of text.split("\n")) {
    const start = offset;
    offset += line.length + 1;
    if (/^\s*\|/.test(line)) {
      open = undefined;
      let at = start;
      for (const cell of line.split(/(?<!\\)\||; /)) {
        if (/\p{L}/u.test(cell)) out.push({ offset: at, text: cell });
        at += cell.length + (line.startsWith("; ", at + cell.length - start) ? 2 : 1);
      }
    } else if (!/\S/.test(line)) {
      open = undefined;
    } else if (!open || /^\s*(?:[-*+]|\d+[.)]|#+|>)\s/.test(line)) {
      open = { offset: start, text: line };
      out.push(open);
      if (/^#+\s/.test(line)) open = undefined;
    } else {
      open.text += `\n${line}`;
    }
  }
  return out;
}

/** Sentences of a block. Full stops in numbers, names and abbreviations end none. */
export function sentences(block: { offset: number; text: string }): { offset: number; text: string }[] {
  const out: { offset: number; text: string }[] = [];
  const ends = /(?<!\b(?:e\.g|i\.e|etc|vs|cf|approx))[.!?][)"'”’*_]*(?=\s|$)/gi;
  let from = 0;
  const push = (to: number): void => {
    const text = block.text.slice(from, to);
    const lead = /^\s*/.exec(text)![0].length;
    if (/\p{L}/u.test(text)) out.push({ offset: block.offset + from + lead, text: text.slice(lead) });
    from = to;
  };
  for (const { index, 0: { length } } of block.text.matchAll(ends)) push(index + length);
  push(block.text.length);
  return out;
}
