import assert from "node:assert/strict";
import { compactWideTables, formatMarkdown } from "./format_markdown.ts";

const long = "word ".repeat(25).trim();

Deno.test("narrow table: aligned; wide table: compact, with its alignment marks", async () => {
  const text = `| a | bb |\n|---|:-:|\n| ccc | d |\n\ntext\n\n| a | b |\n|:--|---|\n| ${long} | \`x\\|y\` |\n`;
  const formatted = (await formatMarkdown(new Map([["a.md", text]]))).get("a.md")!;
  const [narrow, , wide] = formatted.trim().split("\n\n");
  assert.equal(new Set(narrow!.split("\n").map(({ length }) => length)).size, 1);
  assert.equal(wide, `| a | b |\n| :--- | --- |\n| ${long} | \`x\\|y\` |`);
});

Deno.test("paragraphs: wrapped at 120 columns", async () => {
  const formatted = (await formatMarkdown(new Map([["a.md", `${long} ${long}\n`]]))).get("a.md")!;
  assert.ok(formatted.split("\n").every((line) => line.length <= 120));
  assert.equal(formatted.trim().split("\n").length, 3);
});

Deno.test("formatted twice: the same", async () => {
  const once = await formatMarkdown(new Map([["a.md", `# A\n* x\n* y\n\n| a | b |\n|-|-|\n| ${long} | ${long} |\n`]]));
  assert.deepEqual(await formatMarkdown(once), once);
});

Deno.test("lines of code that look like a table: left as they are", () => {
  const text = `\`\`\`\n| a    | ${long} |\n\`\`\`\n`;
  assert.equal(compactWideTables(text), text);
});
