/** Widest line of a page's table that is aligned. A wider table would be all spaces, and change as a whole with each cell. */
const widest = 120;

/** Formats Markdown files, given by their names: as `deno fmt` does, but wide tables are left compact. */
export async function formatMarkdown(files: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "keystone-pages-" });
  try {
    const names = [...files.keys()];
    const copies = names.map((_, index) => `${folder}/${index}.md`);
    await Promise.all(copies.map((copy, index) => Deno.writeTextFile(copy, files.get(names[index]!)!)));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      // Its own folder, and no settings: those of the project leave Markdown to this.
      args: ["fmt", "--quiet", "--no-config", "--line-width=120", ...copies],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
    const formatted = copies.map(async (copy, index) =>
      [names[index]!, compactWideTables(await Deno.readTextFile(copy))] as const
    );
    return new Map(await Promise.all(formatted));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Takes the alignment out of tables that are wider than a line. */
export function compactWideTables(text: string): string {
  let fence: string | undefined;
  let table: string[] = [];
  const out: string[] = [];
  const endTable = (): void => {
    out.push(...(table.some((line) => line.length > widest) ? table.map(compactRow) : table));
    table = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || mark === fence)) fence = fence === undefined ? mark : undefined;
    if (fence === undefined && /^\s*\|.*\|$/.test(line)) {
      table.push(line);
      continue;
    }
    endTable();
    out.push(line);
  }
  endTable();
  return out.join("\n");
}

function compactRow(row: string): string {
  const indent = /^\s*/.exec(row)![0];
  const cells = row.trim().split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  const isDelimiter = cells.every((cell) => /^:?-+:?$/.test(cell));
  return `${indent}|${cells.map((cell) => ` ${isDelimiter ? cell.replace(/-+/, "---") : cell} `).join("|")}|`;
}
