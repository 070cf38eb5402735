/** Code in the project's pages: blocks, and the commands in them. */

/** A fenced block of a page. */
export interface CodeBlock {
  /** Path of the page from the project's root. */
  page: string;
  /** Line of its first row. */
  line: number;
  /** Info string, such as `sh`. */
  language: string;
  text: string;
}

/** A command without its redirection and variables. */
export interface PageCommand {
  words: string[];
  /** Text of its here-document. */
  input?: string;
}

/** Returns the blocks of a page, without the indentation of the list that they are in. */
export function codeBlocks(page: string, markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { indent: string; block: CodeBlock } | undefined;
  for (const [index, line] of markdown.split("\n").entries()) {
    const [, indent, language] = /^( *)```(\w*)\s*$/.exec(line) ?? [];
    if (indent === undefined) {
      if (open) open.block.text += `${line.startsWith(open.indent) ? line.slice(open.indent.length) : line}\n`;
    } else if (open) {
      blocks.push(open.block);
      open = undefined;
    } else {
      open = { indent, block: { page, line: index + 2, language: language!, text: "" } };
    }
  }
  return blocks;
}

/** Returns the commands of a block: in `console` those after a prompt, in `sh` all. */
export function commandsIn({ language, text }: Pick<CodeBlock, "language" | "text">): PageCommand[] {
  if (language === "sh") return shellCommands(text);
  if (language !== "console") return [];
  return text.split(/^\$ /m).slice(1).flatMap((typed) => shellCommands(firstCommand(typed)));
}

/** Returns what was typed at a prompt: lines go on after a backslash, in quotes and in a here-document. */
function firstCommand(typed: string): string {
  const end = /<<-?'?(\w+)/.exec(typed.split("\n")[0]!)?.[1];
  const lines = typed.split("\n");
  const count = end !== undefined ? lines.indexOf(end) + 1 : 1 + lines.findIndex((line, index) => {
    const before = lines.slice(0, index + 1).join("\n");
    return !line.endsWith("\\") && before.split("'").length % 2 === 1;
  });
  return lines.slice(0, count || 1).join("\n");
}

/** Splits shell text into simple commands; those in `$(…)` and `<(…)` follow the one that contains them. */
export function shellCommands(text: string): PageCommand[] {
  const commands: PageCommand[] = [];
  const inner: string[] = [];
  let words: string[] = [];
  let word: string | undefined;
  let input: string | undefined;
  let heredoc: string | undefined;
  let at = 0;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = () => {
    endWord();
    while (/^[A-Za-z_]\w*=/.test(words[0] ?? "")) words.shift();
    if (words.length > 0) commands.push({ words, ...(input === undefined ? {} : { input }) });
    words = [];
    input = undefined;
  };
  const add = (letters: string) => word = (word ?? "") + letters;
  /** Returns the end of a text that ends with `)` and may contain others. */
  const closing = (from: number): number => {
    let depth = 1;
    for (let end = from; end < text.length; end++) {
      if (text[end] === "(") depth++;
      if (text[end] === ")" && --depth === 0) return end;
    }
    throw new Error(`No ) follows ${text.slice(from, from + 40)}`);
  };
  const quote = (mark: string, until: number): number => {
    if (text[until] !== mark) throw new Error(`No ${mark} follows ${text.slice(at, at + 40)}`);
    return until;
  };
  while (at < text.length) {
    const rest = text.slice(at);
    const [substitution] = /^[$<]\(/.exec(rest) ?? [];
    const [redirection, file] = /^\d?>>?(&\d|\s*[^\s;|&]+)/.exec(rest) ?? [];
    const [here, end] = /^<<-?\s*'?(\w+)'?/.exec(rest) ?? [];
    if (substitution) {
      const until = closing(at + 2);
      inner.push(text.slice(at + 2, until));
      add("…");
      at = until + 1;
    } else if (rest.startsWith("\\\n")) {
      endWord();
      at += 2;
    } else if (rest[0] === "\\") {
      add(rest[1] ?? "");
      at += 2;
    } else if (rest[0] === "'") {
      const until = quote("'", text.indexOf("'", at + 1));
      add(text.slice(at + 1, until));
      at = until + 1;
    } else if (rest[0] === '"') {
      const until = quote('"', at + 1 + /^(?:\\[^]|[^"\\])*/.exec(text.slice(at + 1))![0].length);
      const quoted = text.slice(at + 1, until);
      for (const [, command] of quoted.matchAll(/\$\(([^)]*)\)/g)) inner.push(command!);
      add(quoted.replaceAll(/\$\([^)]*\)/g, "…"));
      at = until + 1;
    } else if (here) {
      endWord();
      heredoc = end;
      at += here.length;
    } else if (redirection && word === undefined && file) {
      at += redirection.length;
    } else if (rest[0] === "#" && word === undefined) {
      at += rest.indexOf("\n") < 0 ? rest.length : rest.indexOf("\n");
    } else if (rest[0] === "\n") {
      at++;
      if (heredoc !== undefined) {
        const until = new RegExp(`^${heredoc}$`, "m").exec(text.slice(at))!;
        input = text.slice(at, at + until.index);
        at += until.index + heredoc.length;
        heredoc = undefined;
      }
      endCommand();
    } else if (/^(\|\|?|&&?|;)/.test(rest)) {
      at += /^(\|\|?|&&?|;)/.exec(rest)![0].length;
      endCommand();
    } else if (/^\s/.test(rest)) {
      endWord();
      at++;
    } else {
      add(rest[0]!);
      at++;
    }
  }
  endCommand();
  return [...commands, ...inner.flatMap(shellCommands)];
}
