/**
 * Manifests as the real kubectl reads them: `kubectl label --local` decodes a file without a cluster and prints what it
 * would send. Each text must have the same objects here, or be refused by both.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Exit, exitCodes } from "../../src/cli/exit.ts";
import { inputFiles, inputText } from "../../src/cli/input_paths.ts";
import type { Io } from "../../src/cli/io.ts";
import { manifestsIn } from "../../src/cli/manifests.ts";
import { documentsIn } from "../../src/cli/manifest_stream.ts";
import { build } from "../lab/build.ts";
import { runCommand } from "../lab/command.ts";

/** A document with these lines after its head. */
const doc = (lines: string) => `apiVersion: v1\nkind: Odd\nmetadata: {name: a}\n${lines}\n`;
/** A document with one value. */
const value = (text: string) => doc(`v: ${text}`);
const json = (name: string) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${name}"}}`;
const named = (name: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n`;

const booleans = "y Y yes Yes YES yEs n N no No NO on On ON off Off OFF true True TRUE tRUE false False FALSE";
const nulls = "~ null Null NULL nULL";
const numbers =
  "0 -0 +1 007 0o17 0O17 0x1F 0X1f 0b101 -0b11 08 0.10 1. .5 -.5 +.5 1e3 1E+3 1e-3 1_000 0x_ff 1__0 _1 1_ " +
  "1_000.5 9007199254740991 9223372036854775808 18446744073709551616 -9223372036854775808 1:30 190:20:30 1.2.3 0x 0b2 " +
  "1e400 ._5 .5_0 0x1p3 -0x1F 12e03 .e1 . + -";
const times = "2001-12-14 2001-1-2 2001-13-14 2001-12-14T21:59:43Z 2001-12-14t21:59:43.10-05:00";

const texts: Record<string, string> = {
  // One text, because each costs a start of kubectl; a difference shows its key.
  "plain values": doc(
    [booleans, nulls, numbers, times].flatMap((each) => each.split(" ")).map((text) => `"is ${text}": ${text}`)
      .join("\n"),
  ),
  ...Object.fromEntries(
    [
      "~",
      "[a]",
      "{a: b}",
      "18446744073709551615",
    ]
      .map((text) => [`key ${text}`, doc(`? ${text}\n: 1`)]),
  ),
  ...Object.fromEntries(
    [
      ".inf",
      "-.Inf",
      ".NaN",
      "!!str 5",
      "!!int '5'",
      "!!int x",
      "!!float 1",
      "!!bool 'yes'",
      "!!null ''",
      "!!null x",
      "!!binary aGFsbG8=",
      "!!binary '***'",
      "!!timestamp 2001-12-14",
      "!!set {a, b}",
      "!custom 5",
      "! 5",
      "! '5'",
      "!<tag:yaml.org,2002:str> 5",
      "'yes'",
      '"\\x41\\u00e9\\n"',
      "'it''s'",
      "{a:1}",
      "{a: 1, b}",
      "[a, b: c]",
      '{"a":1}',
      "a: b",
      "@x",
      "`x`",
      "%x",
      "a #b",
      "a#b",
      "[a, b",
      "'a",
      "- a",
      "*none",
      "&a x",
      "[&a x, *a]",
      "&a [*a]",
      "<<",
      "=",
      "|\n  one\n   two\n  \n",
      ">-\n  one\n  two\n\n  three",
      "|+\n  one\n\n",
      "|2\n   one",
      "a\n  b\n  c",
      '"a\n  b"',
      "語 é 🎉",
    ].map((text) => [`value ${text.replaceAll("\n", "⏎")}`, value(text)]),
  ),
  "plain keys": doc(
    "1: a\n1.5: a\n1e3: a\n1e6: a\n0.00001: a\n123456789.5: a\nyes: a\n0x10: a\n010: a\n2001-12-14: a\n'2': a",
  ),
  "merge of a mapping": doc("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}"),
  "merge after the keys it overrides": doc("x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}"),
  "merge of a list": doc("x: &x {a: 1, b: 2}\nz: &z {b: 4, c: 5}\ny: {<<: [*x, *z], d: 6}"),
  "merge of an inline mapping": doc("y: {<<: {a: 1}, b: 2}"),
  "merge of a mapping with a merge": doc("x: &x {a: 1}\nz: &z {<<: *x, b: 2}\ny: {<<: *z, c: 3}"),
  "merge of a string": doc("y: {<<: a}"),
  "merge of null": doc("y: {<<: }"),
  "merge of a list with a string": doc("x: &x {a: 1}\ny: {<<: [*x, a]}"),
  "merge of an alias to a list": doc("x: &x [{a: 1}]\ny: {<<: *x}"),
  "two merges": doc("x: &x {a: 1}\nz: &z {a: 2}\ny: {<<: *x, <<: *z}"),
  "quoted merge key": doc("y: {'<<': {a: 1}}"),
  "tagged merge key": doc("y: {!!merge <<: {a: 1}}"),
  "container that repeats another": doc(
    "c:\n- &one {name: one, r: &big {cpu: 1}}\n- {<<: *one, name: two}\n- r: {<<: *big}",
  ),
  "anchor used before": doc("a: *x\nb: &x 1"),
  "anchor set twice": doc("a: &x 1\nb: *x\nc: &x 2\nd: *x"),
  "alias as a key": doc("a: &x k\nb: {*x : 1}"),
  "alias of another document": `${named("a")}d: &x 1\n---\n${named("b")}d: *x\n`,
  "duplicate key": doc("a: 1\na: 2"),
  "duplicate key, nested": doc("a: {b: 1, b: 2, c: {d: 1, d: [3]}}"),
  "duplicate metadata": `${named("a")}metadata: {name: b}\n`,
  "__proto__ as a key": doc("__proto__: {a: 1}\nconstructor: 2"),
  "billion laughs": doc(
    `a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${
      Array.from({ length: 7 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`)}]`).join("\n")
    }`,
  ),
  "many aliases, within the limit": doc(`x: &x {a: 1}\nb: [${Array(300).fill("*x")}]\nc: [${Array(900).fill("1")}]`),
  "empty text": "",
  "only comments": "# nothing\n# here\n",
  "only separators": "---\n---\n---\n",
  "empty documents between": `---\n# one\n---\n${named("a")}---\n---\n${named("b")}---\n`,
  "null document": `null\n---\n${named("a")}`,
  "separator with a comment": `--- # one\n${named("a")}---\t# two\n${named("b")}`,
  "separator with content": `--- {apiVersion: v1, kind: A, metadata: {name: a}}\n`,
  "four dashes": `${named("a")}----\n${named("b")}`,
  "separator within a literal": doc("a: |\n  x\n---\n  y"),
  "indented separator within a literal": doc("a: |\n  x\n  ---\n  y"),
  "document end": `${named("a")}...\n---\n${named("b")}...\n`,
  "document after an end": `${named("a")}...\n${named("b")}`,
  "YAML directive": `%YAML 1.1\n---\n${named("a")}`,
  "TAG directive": `%TAG ! tag:example.com,2000:\n---\n${named("a")}`,
  "carriage returns": `${named("a")}data:\n  t: |\n    x\n    y\n---\n${named("b")}`.replaceAll("\n", "\r\n"),
  "no line end": named("a").trimEnd(),
  "byte order mark": `\ufeff${named("a")}`,
  "byte order mark before JSON": `\ufeff${json("a")}`,
  "byte order mark within": `${named("a")}---\n\ufeff${named("b")}`,
  "tab as indentation": "apiVersion: v1\nkind: A\nmetadata:\n\tname: a\n",
  "tab after a colon": "apiVersion:\tv1\nkind: A\nmetadata:\n  name:\ta\n",
  "tab before a comment": "apiVersion: v1\t# x\nkind: A\nmetadata: {name: a}\n",
  "tab on an empty line in quotes": doc('a: "x\n  \t\n  y"'),
  "tab on an empty line in a literal": doc("a: |\n  x\n  \t\n  y"),
  "tab on an empty line in brackets": doc("a: [x,\n \t\n y]"),
  "tab before the closing bracket": doc("a: [x,\n\ty\n\t]\nb: {c: [d\n\t]\n\t}\ne: f"),
  "tab on an empty line after brackets": doc("a: [x,\n y]\n \t\nb: 1"),
  "tab on an empty line after plain text, indented": doc("a:\n  b: c\n  \t\n  d: e"),
  "tab on an empty line after plain text, more indented": doc("a: b\n  \t\nd: e"),
  "tab on an empty line after quotes": doc("a: 'b'\n  \t\nd: e"),
  "tab on an empty line after a literal": doc("a: |\n  b\n  \t\nd: e"),
  "tab on an empty line after a literal, less indented": doc("a: |\n   b\n \t\nd: e"),
  "tab on the last line": doc("a: b\n\t"),
  "tab after a dash": doc("a:\n-\tb\n"),
  "tab and blank after a dash": doc("a:\n- \t b\n"),
  "tab after a dash in text": doc("a: b\n  -\tc"),
  "tab after a complex key": doc("?\ta\n: b"),
  "tab before a comment on its line": doc("a: 'b'\n\t# c\nd: e"),
  "tab before a comment after plain text": doc("a: b\n  \t# c\nd: e"),
  "odd anchor": doc("a: &x/y b\nc: *x/y"),
  "tab on an empty line": "apiVersion: v1\n\t\nkind: A\nmetadata: {name: a}\n",
  "control character": "apiVersion: v1\nkind: A\nmetadata: {name: a}\nv: 'a\x07b'\n",
  "indented document": "  apiVersion: v1\n  kind: A\n  metadata: {name: a}\n",
  "wrong indentation": "apiVersion: v1\nkind: A\n metadata: {name: a}\n",
  "list as a document": "- a\n- b\n",
  "text as a document": "hello\n",
  "number as a document": "5\n",
  "one JSON object": json("a"),
  "JSON stream without separators": json("a") + json("b") + json("c"),
  "JSON stream with line ends": `${json("a")}\n\n${json("b")}\n${json("c")}\n`,
  "JSON with YAML separators": `${json("a")}\n---\n${json("b")}\n---\n${json("c")}`,
  "JSON, then YAML": `${json("a")}\n---\n${named("b")}`,
  "YAML, then JSON": `${named("b")}---\n${json("a")}`,
  "two JSON objects, then YAML": `${json("a")}\n${json("b")}\n---\n${named("c")}`,
  "JSON with a duplicate key": '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"v":1,"v":{"x":2}}',
  "JSON with a comma at the end": '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},}',
  "JSON with a comment": '{"apiVersion":"v1","kind":"A", # x\n"metadata":{"name":"a"}}',
  "JSON that ends early": '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}',
  "JSON array": `[${json("a")},${json("b")}]`,
  "JSON with odd strings":
    '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"v":"}{\\"\\\\","w":"\\u00e9\\ud83c\\udf89"}',
  "JSON, then null": `${json("a")}\nnull\n${json("b")}`,
  "flow mapping": "{apiVersion: v1, kind: A, metadata: {name: a}}\n",
  "List": `apiVersion: v1\nkind: List\nitems: [${json("a")}, ${json("b")}]`,
  "empty List": "apiVersion: v1\nkind: List\nitems: []\n",
  "List without items": "apiVersion: v1\nkind: List\nmetadata: {}\nitems:\n",
  "typed list": "apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n",
  "typed list whose items have a kind": `apiVersion: v1\nkind: ConfigMapList\nitems: [${json("a")}]\n`,
  "list in a list": `apiVersion: v1\nkind: List\nitems: [${json("a")}, {apiVersion: v1, kind: List, items: [${
    json("b")
  }]}, ${json("c")}]`,
  "list of a text": "apiVersion: v1\nkind: List\nitems: [a]\n",
  "list whose item has no kind": "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, metadata: {name: a}}]\n",
  "another kind with items": `apiVersion: v1\nkind: Odd\nmetadata: {name: x}\nitems: [${json("a")}]\n`,
  "another kind with items that are no list": "apiVersion: v1\nkind: Odd\nmetadata: {name: x}\nitems: {a: b}\n",
  "list in a stream": `${json("x")}{"apiVersion":"v1","kind":"List","items":[${json("a")}]}${json("y")}`,
  "no kind": "apiVersion: v1\nmetadata: {name: a}\n",
  "kind is a number": "apiVersion: v1\nkind: 5\nmetadata: {name: a}\n",
  "name is a number": "apiVersion: v1\nkind: A\nmetadata: {name: 5}\n",
  "label is yes": "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {l: yes}}\n",
  "label is a number": "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {l: 1.10}}\n",
  "label is null": "apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {l: }}\n",
  "annotations are a list": "apiVersion: v1\nkind: A\nmetadata: {name: a, annotations: [a]}\n",
  "metadata is a list": "apiVersion: v1\nkind: A\nmetadata: [a]\n",
};

const LABEL = "read-by";

/** Returns the objects without the label that kubectl adds, sorted and without empty labels. */
function comparable(objects: readonly Record<string, unknown>[]): unknown[] {
  return objects.map((object) => {
    const copy = structuredClone(object) as { metadata?: { labels?: Record<string, string | null> } };
    const labels = copy.metadata?.labels;
    if (labels) {
      delete labels[LABEL];
      // kubectl writes the labels that it decoded: null is an empty string there.
      for (const key of Object.keys(labels)) labels[key] ??= "";
    }
    if (copy.metadata && Object.keys(labels ?? {}).length === 0) delete copy.metadata.labels;
    return copy;
  });
}

const io = {
  readTextFile: async (path: string) => inputText(await Deno.readFile(path)),
  inputFiles,
  err: () => {},
} as unknown as Io;

Deno.test("manifests: odd texts and folders: the objects that the real kubectl reads, or refused by both", async (t) => {
  const { kubectl } = await build(["kubernetes"]);
  const dir = await Deno.makeTempDir({ prefix: "kubectl-input-" });

  async function byKubectl(paths: readonly string[], flags: readonly string[] = []) {
    const files = paths.flatMap((path) => ["-f", path]);
    const read = await runCommand(
      kubectl!,
      ["label", "--local", ...files, ...flags, `${LABEL}=kubectl`, "-o", "json"],
      {
        env: { HOME: dir, KUBECONFIG: "/dev/null" },
      },
    );
    return read.code === 0 ? comparable(documentsIn(read.stdout).map(({ value }) => value as never)) : undefined;
  }
  async function byKeystone(paths: readonly string[], recursive = false) {
    try {
      return comparable(await manifestsIn(io, paths.flatMap((path) => path.split(",")), { recursive }));
    } catch (error) {
      assert.ok(error instanceof Exit && error.code === exitCodes.usage, String(error));
      return error.message.includes("has no objects") ? [] : error.message;
    }
  }
  async function same(title: string, paths: readonly string[], recursive = false): Promise<string | undefined> {
    const [theirs, ours] = await Promise.all([
      byKubectl(paths, recursive ? ["-R"] : []),
      byKeystone(paths, recursive),
    ]);
    if (typeof ours === "string") return theirs === undefined ? undefined : `${title}: refused here: ${ours}`;
    if (theirs === undefined) return `${title}: kubectl refuses it`;
    try {
      assert.deepEqual(ours, theirs);
    } catch (error) {
      return `${title}: ${(error as Error).message}`;
    }
    return undefined;
  }

  try {
    await t.step(`${Object.keys(texts).length} texts`, async () => {
      const waiting = Object.entries(texts);
      const differences: string[] = [];
      await Promise.all(Array.from({ length: 4 }, async (_, worker) => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const path = join(dir, `text-${worker}.yaml`);
          await Deno.writeTextFile(path, next[1]);
          differences.push(await same(next[0], [path]) ?? "");
        }
      }));
      assert.equal(differences.filter((each) => each !== "").join("\n"), "");
    });

    await t.step("a JSON stream after YAML: refused here, where kubectl drops all but its first object", async () => {
      const path = join(dir, "dropped.yaml");
      await Deno.writeTextFile(path, `${named("b")}---\n${json("a")}${json("c")}`);
      assert.equal((await byKubectl([path]))?.length, 2);
      assert.match(String(await byKeystone([path])), /document 2 can't be read: line 5, column 63/);
    });

    await t.step("folders, patterns, several paths: the same files in the same order", async () => {
      for (
        const [path, text] of Object.entries({
          "f/b.yaml": named("b"),
          "f/a.yml": named("a"),
          "f/c.json": json("c"),
          "f/d.txt": "no yaml: [",
          "f/Z.yaml": named("z"),
          "f/b/e.yaml": named("e"),
          "f/b/.hidden.yaml": named("hidden"),
          "f/b.d/f.yaml": named("f"),
          "empty/x.txt": "",
          "deep/er/g.yaml": named("g"),
          "text.txt": named("text"),
        })
      ) {
        await Deno.mkdir(join(dir, path, ".."), { recursive: true });
        await Deno.writeTextFile(join(dir, path), text);
      }
      const bytes = new Uint8Array(2 + 2 * named("wide").length);
      new Uint16Array(bytes.buffer).set(
        [0xfeff, ...named("wide")].map((each) => typeof each === "string" ? each.charCodeAt(0) : each),
      );
      await Deno.writeFile(join(dir, "wide.yaml"), bytes);
      const at = (...paths: string[]) => paths.map((path) => join(dir, path));
      const differences = [
        await same("folder", at("f")),
        await same("folders in a folder", at("f"), true),
        await same("folder and file", at("text.txt", "f", "f/b.yaml")),
        await same("pattern", at("f/*.y*ml")),
        await same("pattern without a match", at("f/*.none")),
        await same("comma list", [at("f/b.yaml", "text.txt").join(",")]),
        await same("folder without files", at("empty")),
        await same("folder without files, but with folders", at("deep")),
        await same("folder with a folder", at("deep"), true),
        await same("missing path", at("text.txt", "missing.yaml")),
        await same("UTF-16", at("wide.yaml")),
      ].filter((each) => each !== undefined);
      assert.equal(differences.join("\n"), "");
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
