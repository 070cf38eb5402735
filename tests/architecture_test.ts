import assert from "node:assert/strict";
import { relative } from "node:path";

/** Rules of docs/architecture.md: allowed imports, and things that the core must not do. */

const root = new URL("..", import.meta.url).pathname;

async function* sources(folder: string): AsyncGenerator<{ path: string; text: string }> {
  for await (const entry of Deno.readDir(`${root}${folder}`)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (/\.tsx?$/.test(entry.name)) yield { path, text: await Deno.readTextFile(`${root}${path}`) };
  }
}

/** Returns imported modules: relative ones as paths from the root, bare names as they are. `types`: "import type". */
function imports(path: string, text: string): { target: string; types: boolean }[] {
  const found = text.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gms);
  return [...found].map(([, type, specifier]) => ({
    target: specifier!.startsWith(".")
      ? relative(root, new URL(specifier!, `file://${root}${path}`).pathname)
      : specifier!,
    types: type !== undefined,
  }));
}

const isTest = (path: string): boolean => /_(test|bench)\.ts$/.test(path) || path.includes("/generate/");

async function violations(
  folder: string,
  allowed: (target: string, types: boolean, path: string) => boolean,
): Promise<string[]> {
  const out: string[] = [];
  for await (const { path, text } of sources(folder)) {
    if (isTest(path)) continue;
    for (const { target, types } of imports(path, text)) {
      if (!allowed(target, types, path)) out.push(`${path} imports ${target}`);
    }
  }
  return out;
}

Deno.test("lib imports nothing of src", async () => {
  assert.deepEqual(await violations("lib", (target) => !target.startsWith("src/")), []);
});

Deno.test("lib and src import nothing of the benchmark", async () => {
  const plain = (target: string) => !target.startsWith("bench/");
  assert.deepEqual([...await violations("lib", plain), ...await violations("src", plain)], []);
});

Deno.test("core imports only itself, the API's types, quantities, generated types and pure packages", async () => {
  const pure = new Set([
    "@noble/hashes/sha2.js",
    "@noble/hashes/utils.js",
    "canonicalize",
    "ipaddr.js",
    "js-yaml",
    "node:util",
  ]);
  // Rows of objects import their resources, which are literals.
  const isRow = (path: string) => path.startsWith("src/core/guest/objects/");
  const allowed = (target: string, types: boolean, path: string) =>
    target.startsWith("src/core/") || (isRow(path) && target.startsWith("lib/kubernetes_apis/")) ||
    target.startsWith("src/api/") || target.startsWith("lib/quantity/") ||
    pure.has(target) ||
    (types && target.startsWith("lib/"));
  assert.deepEqual(await violations("src/core", allowed), []);
});

Deno.test("engine imports only itself, the core, the API's types and lib", async () => {
  const allowed = (target: string) =>
    ["src/engine/", "src/core/", "src/api/", "lib/"].some((folder) => target.startsWith(folder)) ||
    target === "node:util" ||
    target === "@opentelemetry/api";
  assert.deepEqual(await violations("src/engine", allowed), []);
});

/** Returns the import graph of these folders, types included, between the groups that `roomOf` assigns to modules. */
async function importsOf(folders: string[], roomOf: (path: string) => string): Promise<Map<string, Set<string>>> {
  const graph = new Map<string, Set<string>>();
  for (const folder of folders) {
    for await (const { path, text } of sources(folder)) {
      if (isTest(path)) continue;
      const room = roomOf(path);
      const targets = graph.get(room) ?? new Set();
      graph.set(room, targets);
      for (const { target } of imports(path, text)) {
        if (folders.some((each) => target.startsWith(`${each}/`)) && roomOf(target) !== room) {
          targets.add(roomOf(target));
        }
      }
    }
  }
  return graph;
}

/** Returns the first cycle of a graph; undefined if there is none. */
function circleIn(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const search = (room: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(room)) return [...way.slice(way.indexOf(room)), room];
    if (done.has(room)) return undefined;
    for (const target of graph.get(room) ?? []) {
      const found = search(target, [...way, room]);
      if (found) return found;
    }
    done.add(room);
    return undefined;
  };
  for (const room of graph.keys()) {
    const found = search(room, []);
    if (found) return found;
  }
  return undefined;
}

Deno.test("no import cycles between modules, types included", async () => {
  const folders = ["lib", "src", "deploy", "bench", "tests", "tools"];
  assert.equal(circleIn(await importsOf(folders, (path) => path)), undefined);
});

Deno.test("no import cycles between folders of the core", async () => {
  const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/"));
  assert.equal(circleIn(await importsOf(["src/core"], folderOf)), undefined);
});

const isGenerated = (path: string): boolean => /\/[\w.]+@\w+\.ts$/.test(path);

Deno.test("src uses the generated clients for generated kinds", async () => {
  const out: string[] = [];
  for await (const { path, text } of sources("src")) {
    if (isTest(path)) continue;
    const names = [...text.matchAll(/^import \{([^}]*)\} from "([^"]+)";/gm)]
      .flatMap(([, names, from]) => isGenerated(from!) ? names!.match(/\w+(?=\s*(,|$))/g)! : []);
    for (const [call, resource] of text.matchAll(/new ResourceApi(?:<[^()]*>)?\([^,]*,\s*(\w+)/g)) {
      if (names.includes(resource!)) out.push(`${path}: ${call}`);
    }
  }
  assert.deepEqual(out, []);
});

Deno.test("every generated kind is used", async () => {
  const users: { path: string; text: string }[] = [];
  for (const folder of ["src", "deploy", "tests", "bench"]) users.push(...await Array.fromAsync(sources(folder)));
  const unused: string[] = [];
  const generated = [
    ...await Array.fromAsync(sources("lib/kubernetes_apis")),
    ...await Array.fromAsync(sources("src/api")),
  ];
  for (const { path, text } of generated.filter((each) => isGenerated(each.path))) {
    const own = users.filter((user) => imports(user.path, user.text).some(({ target }) => target === path));
    for (const [, constant, kind] of text.matchAll(/^export const (\w+): Resource<(\w+)>/gm)) {
      const name = new RegExp(`\\b(${constant}|${kind})\\b`);
      if (!own.some((user) => name.test(user.text))) unused.push(`${path}: ${kind}`);
    }
  }
  assert.deepEqual(unused, [], "remove them from groups.ts and openapi/");
});

Deno.test("core does no I/O and has no clock", async () => {
  const out: string[] = [];
  for await (const { path, text } of sources("src/core")) {
    if (isTest(path)) continue;
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    const impure = code.match(/\bawait\b|\bDeno\.|\bfetch\(|\bDate\.now\b|\bsetTimeout\b|Math\.random/);
    if (impure) out.push(`${path}: ${impure[0]}`);
  }
  assert.deepEqual(out, []);
});

Deno.test("tailnet, server and config don't import each other or the controllers", async () => {
  const apart = ["src/tailnet/", "src/dns/", "src/server/", "src/config.ts"];
  const out: string[] = [];
  for await (const { path, text } of sources("src")) {
    const own = apart.find((part) => path.startsWith(part));
    if (own === undefined || isTest(path)) continue;
    const forbidden = [...apart, "src/controllers/"].filter((part) => part !== own);
    for (const { target } of imports(path, text)) {
      if (forbidden.some((part) => target.startsWith(part))) out.push(`${path} imports ${target}`);
    }
  }
  assert.deepEqual(out, []);
});

Deno.test("the front imports only the observing parts of the controllers", async () => {
  const observing = new Set(
    ["stores.ts", "grantees.ts", "cluster_watch.ts", "failure_reports.ts", "remedy.ts", "unreadable.ts", "watching.ts"]
      .map((name) => `src/controllers/${name}`),
  );
  const allowed = (target: string) => !target.startsWith("src/controllers/") || observing.has(target);
  assert.deepEqual(await violations("src/front", allowed), []);
});

const everyFolder = ["src", "lib", "tests", "deploy", "bench", "tools"];

/** Names in code templates, which only seem to be exported twice. */
const writtenByTemplates = new Set(["guestObjects", "Thing"]);

/** Files that replace others and so export the same names: fixtures of the previous version. */
const standIns = new Set(["tests/fixtures/previous/instead.ts"]);

Deno.test("names: no two files share a name, except entries and indexes", async () => {
  const paths = new Map<string, string[]>();
  for (const folder of everyFolder) {
    for await (const { path } of sources(folder)) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (name !== "main.ts" && name !== "mod.ts") paths.set(name, [...paths.get(name) ?? [], path]);
    }
  }
  assert.deepEqual([...paths.values()].filter(({ length }) => length > 1), []);
});

Deno.test("names: no two modules export the same name", async () => {
  const exporters = new Map<string, string[]>();
  for (const folder of everyFolder) {
    for await (const { path, text } of sources(folder)) {
      if (path.includes("@") || standIns.has(path)) continue;
      const found = text.matchAll(
        /^export (?:abstract |async |declare )*(?:class|interface|type|function\*?|const|enum) (\w+)/gm,
      );
      for (const name of new Set([...found].map(([, name]) => name!))) {
        exporters.set(name, [...exporters.get(name) ?? [], path]);
      }
    }
  }
  const shared = [...exporters].filter(([name, { length }]) => length > 1 && !writtenByTemplates.has(name));
  assert.deepEqual(shared, []);
});

Deno.test("the lock file names no host", async () => {
  assert.equal((await Deno.readTextFile(`${root}deno.lock`)).match(/https?:\/\//), null);
});
