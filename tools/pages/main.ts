/** `deno task fmt` for Markdown: formats the project's pages; `--check` names those that differ and fails. */
import { formatMarkdown } from "./format_markdown.ts";

const root = new URL("../../", import.meta.url).pathname;
const skipped = new Set([".git", "node_modules", ".lab", ".faults", "coverage"]);
const isCheck = Deno.args.includes("--check");

const pages = new Map<string, string>();
function enter(folder: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}${folder}`)) {
    if (isDirectory && !skipped.has(name)) enter(`${folder}${name}/`);
    else if (name.endsWith(".md")) pages.set(`${folder}${name}`, Deno.readTextFileSync(`${root}${folder}${name}`));
  }
}
enter("");

for (const [name, text] of await formatMarkdown(pages)) {
  if (text === pages.get(name)) continue;
  console.log(isCheck ? `${name} isn't formatted: run \`deno task fmt\`.` : `wrote ${name}`);
  if (isCheck) Deno.exitCode = 1;
  else Deno.writeTextFileSync(`${root}${name}`, text);
}
