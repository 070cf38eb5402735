import assert from "node:assert/strict";
import { codeBlocks, commandsIn, shellCommands } from "./code_blocks.ts";

const words = (text: string) => shellCommands(text).map((command) => command.words.join("·"));

const cases: [string, string, string[]][] = [
  ["words, quotes and escapes", `a 'b c' "d \\" e" f\\ g`, ['a·b c·d \\" e·f g']],
  ["pipes, lists and lines", "a | b && c; d || e\nf", ["a", "b", "c", "d", "e", "f"]],
  ["a continued line", "a \\\n  --b c", ["a·--b·c"]],
  ["variables, redirection and comments", "X=1 Y=z a > f 2>&1 # b\n# c", ["a"]],
  ["commands in a command", 'a "$(b c)" <(d) $(e (f))', ["a·…·…·…", "b·c", "d", "e·(f)"]],
];
for (const [that, text, expected] of cases) {
  Deno.test(`shell: ${that}`, () => assert.deepEqual(words(text), expected));
}

Deno.test("shell: a here-document is the command's input", () => {
  assert.deepEqual(shellCommands("a -f - <<EOF\nb\nEOF\nc"), [
    { words: ["a", "-f", "-"], input: "b\n" },
    { words: ["c"] },
  ]);
});

Deno.test("code blocks: their language, place and text without the list's indentation", () => {
  const page =
    "x\n\n   ```sh\n   a\n\n     b\n   ```\n\n```console\n$ c \\\n  d\nout\n$ e -f - <<EOF\nf\nEOF\n$ g\n```\n";
  const [sh, console] = codeBlocks("p.md", page);
  assert.deepEqual(sh, { page: "p.md", line: 4, language: "sh", text: "a\n\n  b\n" });
  assert.deepEqual(commandsIn(console!).map(({ words, input }) => [words.join(" "), input]), [
    ["c d", undefined],
    ["e -f -", "f\n"],
    ["g", undefined],
  ]);
  assert.deepEqual(commandsIn({ language: "text", text: "$ a" }), []);
});
