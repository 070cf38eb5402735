import assert from "node:assert/strict";
import { clauseFindings } from "./clauses.ts";
import { densityFindings } from "./density.ts";
import { blocks, markdownProse, sentences } from "./markdown_prose.ts";
import { phraseFindings, phrases } from "./phrases.ts";
import type { Prose, Source, StyleFinding } from "./prose.ts";
import { aboveCeilings, longSentences, lowered } from "./sentence_length.ts";
import { spellingFindings } from "./spelling.ts";
import { isProseFile, proseOf } from "./tree.ts";

const source = (path: string, text: string): Source => ({ path, text });
const places = (found: readonly StyleFinding[]): string[] => found.map(({ file, line }) => `${file}:${line}`);

function judged(
  rule: (prose: Prose[], textOf: (file: string) => string) => StyleFinding[],
  path: string,
  text: string,
) {
  return rule(proseOf(source(path, text)), () => text);
}

Deno.test("doc comment that begins with a clause: named by its line, other comments are not", () => {
  const text = [
    "/** Returns the end. */",
    "export const a = 1;",
    "/**",
    " * What is left of it.",
    " */",
    "export const b = 2;",
    "// When it ends.",
    "/** Whatever is left. */",
    "export const c = 3;",
  ].join("\n");
  assert.deepEqual(places(judged(clauseFindings, "a.ts", text)), ["a.ts:4"]);
});

Deno.test("each word that begins a clause is found", () => {
  for (const word of ["What", "Whether", "How", "Who", "Where", "When"]) {
    assert.equal(judged(clauseFindings, "a.ts", `/** ${word} it is. */\nexport const a = 1;\n`).length, 1, word);
  }
});

const examples: Readonly<Record<string, string>> = {
  anew: "read anew",
  mend: "it is mended",
  foretell: "what it foretold",
  told: "unless told",
  lets: "the guard lets them pass",
  "comes to": "this comes to 3",
  "stands for": "whom it stands for",
  "goes by": "it goes by the clock",
  stands: "the policy stands",
  "as ever": "as ever",
  "be it": "be it open",
  "so much": "so much is left",
  "nobody's business": "is nobody's business",
  "of its own": "a network of its own",
  manieth: "the how manieth time",
  "is no end": "that is no end",
  whoever: "whoever may",
  he: "what she gave him",
  ", since": "refused, since it ended",
  ladder: "steps of the ladder",
  sighting: "the last sighting",
  theatre: "in the theatre",
  universe: "the universe of hosts",
  "the way to": "the way to its node",
};

Deno.test("each phrase not to use is found in a comment, a message, a page and a manifest", () => {
  assert.equal(Object.keys(examples).length, phrases.length, "an example for each phrase");
  for (const text of Object.values(examples)) {
    const [, rest] = text.split(/ (.*)/s);
    const broken = rest === undefined ? text : text.replace(" ", "\n * ");
    assert.ok(judged(phraseFindings, "a.ts", `/** ${broken} */\nexport const a = 1;\n`).length > 0, `comment: ${text}`);
    assert.ok(judged(phraseFindings, "a.ts", `throw new Error("${text}");\n`).length > 0, `message: ${text}`);
    assert.ok(judged(phraseFindings, "a.md", `${text}\n`).length > 0, `page: ${text}`);
    assert.ok(judged(phraseFindings, "a.yaml", `a:\n  description: ${text}\n`).length > 0, `description: ${text}`);
  }
});

Deno.test("phrases: plain words that look like them pass", () => {
  const plain = "Since 1.30 it amends what stand-ins retold. A ladder-like standard; the mender comes to an end. ";
  const found = judged(phraseFindings, "a.md", plain);
  assert.deepEqual(found.map(({ message }) => message.split(":")[0]), ['"ladder"']);
});

Deno.test("phrases: idioms of plain English pass; their use in place of a plain word is found", () => {
  const passes = [
    "a module that has no types of its own",
    "evictions of its own pods, for reasons of\ntheir own group",
    "all comes to rest",
    "the known node may still be it. The",
  ];
  for (const text of passes) assert.deepEqual(judged(phraseFindings, "a.md", text), [], text);
  const found = [
    "a proxy of its own, and",
    "a namespace of\nits own with rules",
    "groups of their own.",
    "be it open or",
  ];
  for (const text of found) assert.equal(judged(phraseFindings, "a.md", text).length, 1, text);
});

Deno.test("phrases in code, in addresses and in identifiers pass", () => {
  assert.deepEqual(
    judged(phraseFindings, "a.md", "`whoever`\n\n```\nanew\n```\n[x](whoever.md) https://e.org/anew\n"),
    [],
  );
  assert.deepEqual(judged(phraseFindings, "a.ts", "// `anew`\nconst anew = `${told} x y`;\n"), []);
  assert.deepEqual(judged(phraseFindings, "a.yaml", "anew: told # right\n"), []);
});

Deno.test("phrase findings name the line of the phrase and the word to use", () => {
  const [found] = judged(phraseFindings, "a.ts", "const a = 1;\n/**\n * Reads\n * it anew.\n */\nconst b = 2;\n");
  assert.deepEqual([found?.line, found?.message], [4, '"anew": use again']);
});

Deno.test("what/who/whose: more than 5 per 1,000 words of README, 6 of docs", () => {
  const page = (file: string, clauses: number) =>
    markdownProse(source(file, `${"who ".repeat(clauses)}${"word ".repeat(1000 - clauses)}`));
  assert.equal(densityFindings([page("README.md", 5)]).length, 0);
  assert.equal(densityFindings([page("README.md", 6)]).length, 1);
  assert.equal(densityFindings([page("docs/a.md", 6)]).length, 0);
  assert.equal(densityFindings([page("docs/a.md", 7)]).length, 1);
  assert.equal(densityFindings([page("docs/adr/a.md", 7)]).length, 0);
});

Deno.test("sentence of docs with more than 25 words: found in text and in cells; cells and items are sentences by themselves", () => {
  const words = (count: number) => Array.from({ length: count }, () => "word").join(" ");
  const page = (text: string) => markdownProse(source("docs/a.md", text));
  assert.deepEqual(longSentences([page(`${words(25)}. ${words(25)}`)]), []);
  assert.deepEqual(places(longSentences([page(`One.\n\n${words(13)}\n${words(13)}.\n`)])), ["docs/a.md:3"]);
  assert.deepEqual(places(longSentences([page(`| a |\n| - |\n| ${words(26)} |\n`)])), ["docs/a.md:3"]);
  assert.deepEqual(longSentences([page(`| ${words(20)} | ${words(20)} |\n- ${words(20)}\n- ${words(20)}\n`)]), []);
  assert.deepEqual(longSentences([page(`| ${words(20)}; ${words(20)} |\n\nKeys: ${"`a`, ".repeat(30)}\n`)]), []);
  assert.deepEqual(places(longSentences([page(`| a; ${words(26)} |\n\n${words(20)}; ${words(20)}\n`)])), [
    "docs/a.md:1",
    "docs/a.md:3",
  ]);
});

Deno.test("full stops of numbers, names and abbreviations end no sentence", () => {
  const [block] = blocks({ text: "See v1.2 of a.ts, e.g. here (there.) Next one! Last" });
  assert.deepEqual(sentences(block!).map(({ text }) => text), [
    "See v1.2 of a.ts, e.g. here (there.)",
    "Next one!",
    "Last",
  ]);
});

Deno.test("ceilings: a page above its own fails, and a lowered ceiling never rises", () => {
  const found = ["docs/a.md", "docs/a.md", "docs/b.md"].map((file) => ({
    file,
    line: 1,
    rule: "sentence",
    message: "",
  }));
  assert.deepEqual(places(aboveCeilings(found, { "docs/a.md": 2 })), ["docs/b.md:1"]);
  assert.deepEqual(places(aboveCeilings(found, { "docs/a.md": 1, "docs/b.md": 1 })), ["docs/a.md:1", "docs/a.md:1"]);
  assert.deepEqual(lowered(found, { "docs/a.md": 5, "docs/b.md": 0, "docs/c.md": 3 }), { "docs/a.md": 2 });
});

Deno.test({
  name: "spelling: a word in no dictionary is found, with a remedy; the project's own words pass",
  // cspell goes on reading its settings in the background.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const root = new URL("../../", import.meta.url).pathname;
    const folder = await Deno.makeTempDir({ dir: root, prefix: ".words-" });
    try {
      await Deno.writeTextFile(`${folder}/a.md`, "The tailnet's quota\nis enfroced.\n");
      const found = await spellingFindings([`${folder.slice(root.length)}/a.md`], root, { cache: false });
      assert.deepEqual(places(found), [`${folder.slice(root.length)}/a.md:2`]);
      assert.match(found[0]!.message, /"enfroced".*dictionary\.txt/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("generated clients, fixtures and caches aren't read; code, pages and manifests are", () => {
  assert.deepEqual(
    ["src/a.ts", "docs/a.md", "crds/a.yaml", ".ci/run", "deploy/Containerfile"].filter((path) => !isProseFile(path)),
    [],
  );
  assert.deepEqual(
    ["lib/kubernetes_apis/core@v1.ts", "src/api/client/a@v1.ts", "tests/fixtures/a.md", "a.png"].filter(isProseFile),
    [],
  );
});
