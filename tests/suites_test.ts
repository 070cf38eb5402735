import assert from "node:assert/strict";
import { suites } from "./suites.ts";

const root = new URL("..", import.meta.url).pathname;

/** Returns test files of paths, by their path. */
function testFiles(paths: string[]): Map<string, string> {
  const files = new Map<string, string>();
  const add = (path: string) => {
    if (!Deno.statSync(root + path).isDirectory) return void files.set(path, Deno.readTextFileSync(root + path));
    for (const { name, isDirectory } of Deno.readDirSync(root + path)) {
      if (isDirectory || name.endsWith("_test.ts")) add(`${path}/${name}`);
    }
  };
  paths.forEach(add);
  return files;
}

/** Bounds below this one hold only on an idle machine. */
const shortMs = 2000;
const waits =
  /\b(?:withinMs|timeoutMs)(?: =|:) ([\d_]+)|(?:\b(?:eventually|says|grantIn|phase|becomes|enforces|draining)\(.*|^ *\}), ([\d_]+)\)(?=;|,?$)/gm;
const comparisons = /(?:\.now\(\)|\blate|\btook\w*)[^\n;{]*? <=? ([\d_]+)\b/g;

/** Returns the waits and assertions of a test that allow less than {@link shortMs}. */
const shortBounds = (text: string): string[] =>
  [...text.matchAll(waits), ...text.matchAll(comparisons)]
    .filter(([, ms, last]) => Number((ms ?? last)!.replaceAll("_", "")) < shortMs)
    .map(([found]) => found.trim());

Deno.test("short bounds: found in waits and in assertions", () => {
  const text = [
    'await poll("x", f, { withinMs: 1000 });',
    "new LocalClient({ socket, timeoutMs: 1000 });",
    'await cluster.grantIn("Active", "a", 1_900);',
    'await eventually("x", async () => await f(1), 1999);',
    'await eventually("x", async () => {\n  }, 1000);',
    "assert.ok(Date.now() - at < 1000);",
    "assert.ok(late >= 0 && late < 1500, `${late} ms`);",
  ];
  assert.deepEqual(text.map((each) => shortBounds(each).length), text.map(() => 1));
  assert.deepEqual(shortBounds('poll("x", f, { withinMs: 2000 }); assert.ok(Date.now() - at < 10_000);'), []);
});

for (const { name, args, alone } of suites) {
  if (alone === undefined) continue;
  const paths = args.filter((arg) => !arg.startsWith("-"));

  Deno.test(`suite ${name}: files that run alone are among its files`, () => {
    const all = testFiles(paths);
    assert.deepEqual([...testFiles(alone).keys()].filter((path) => !all.has(path)), []);
  });

  Deno.test(`suite ${name}: tests with bounds of less than two seconds run alone`, () => {
    const besides = [...testFiles(paths)].filter(([path]) => !alone.includes(path));
    assert.deepEqual(besides.flatMap(([path, text]) => shortBounds(text).map((bound) => `${path}: ${bound}`)), []);
  });

  Deno.test(`suite ${name}: no test changes what the files beside it share, the process's variables and folder`, () => {
    const changing = [...testFiles(paths)].filter(([, text]) => /\bDeno\.(env\.(set|delete)|chdir)\(/.test(text));
    assert.deepEqual(changing.map(([path]) => path), []);
  });
}
