import assert from "node:assert/strict";
import { docComment } from "./doc_comment.ts";

const cases: [what: string, description: string | undefined, comment: string][] = [
  ["nothing of nothing", undefined, ""],
  ["a sentence on one line", "Name of it.", "/** Name of it. */\n"],
  [
    "links to more are removed",
    "Standard object's metadata. More info: https://git.k8s.io/x.md#y",
    "/** Standard object's metadata. */\n",
  ],
  ["only the first paragraph", "Set by the system.\n\nRead-only.", "/** Set by the system. */\n"],
  ["code, which would run as an example, is removed", "A number. ``` <digit> ```", "/** A number. */\n"],
  [
    "an announcement of a removed list is removed",
    "It is checked. These are allowed:\n\n- a",
    "/** It is checked. */\n",
  ],
  ["the end of a comment is escaped", "Matches */5.", "/** Matches *\\/5. */\n"],
  ["spaces and line breaks become one space", "Two\n  words.", "/** Two words. */\n"],
  [
    "a period in an abbreviation doesn't end a sentence",
    "Such as e.g. Pods. Or not.",
    "/** Such as e.g. Pods. Or not. */\n",
  ],
];

for (const [what, description, comment] of cases) {
  Deno.test(`doc comment: ${what}`, () => assert.equal(docComment(description), comment));
}

Deno.test("doc comment: long text: cut after a sentence and wrapped, including the indentation", () => {
  const sentence =
    "Every sentence of this one has exactly one hundred characters, the final period and all else counted.";
  const comment = docComment(Array(5).fill(sentence).join(" "), "  ");
  assert.equal(comment.match(/counted\./g)?.length, 2);
  assert.match(comment, /^ {2}\/\*\*\n( {3}\* .+\n)+ {3}\*\/\n$/);
  for (const line of comment.split("\n")) assert.ok(line.length <= 118, line);
});
