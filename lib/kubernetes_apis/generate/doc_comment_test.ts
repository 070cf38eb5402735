import assert from "node:assert/strict";
import { docComment } from "./doc_comment.ts";

const cases: [what: string, description: string | undefined, comment: string][] = [
  ["nothing of nothing", undefined, ""],
  ["a sentence on one line", "Name of it.", "/** Name of it. */\n"],
  [
    "pointers to more go",
    "Standard object's metadata. More info: https://git.k8s.io/x.md#y",
    "/** Standard object's metadata. */\n",
  ],
  ["only the first paragraph", "Set by the system.\n\nRead-only.", "/** Set by the system. */\n"],
  ["no code, which would run as an example", "A number. ``` <digit> ```", "/** A number. */\n"],
  ["no announcement of a list that isn't there", "It is checked. These are allowed:\n\n- a", "/** It is checked. */\n"],
  ["the comment can't be ended from within", "Matches */5.", "/** Matches *\\/5. */\n"],
  ["spaces and line breaks are one space", "Two\n  words.", "/** Two words. */\n"],
  ["a period in an abbreviation ends no sentence", "Such as e.g. Pods. Or not.", "/** Such as e.g. Pods. Or not. */\n"],
];

for (const [what, description, comment] of cases) {
  Deno.test(`doc comment: ${what}`, () => assert.equal(docComment(description), comment));
}

Deno.test("doc comment: a long text is cut after a sentence and wrapped at the width, indentation included", () => {
  const sentence =
    "Every sentence of this one has exactly one hundred characters, the final period and all else counted.";
  const comment = docComment(Array(5).fill(sentence).join(" "), "  ");
  assert.equal(comment.match(/counted\./g)?.length, 2);
  assert.match(comment, /^ {2}\/\*\*\n( {3}\* .+\n)+ {3}\*\/\n$/);
  for (const line of comment.split("\n")) assert.ok(line.length <= 118, line);
});
