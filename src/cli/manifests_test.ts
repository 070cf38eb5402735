import assert from "node:assert/strict";
import { Exit, exitCodes } from "./exit.ts";
import type { Io } from "./io.ts";
import { manifestsIn, namespaceConflict, placeOf } from "./manifests.ts";

/** Input of these files, a standard input, and the warnings that were written. */
function inputOf(files: Record<string, string>, stdin = ""): { io: Io; warnings: string[] } {
  const warnings: string[] = [];
  const io = {
    stdin: () => Promise.resolve(stdin),
    readTextFile: (path: string) => Promise.resolve(files[path]!),
    inputFiles: (path: string) =>
      path in files ? Promise.resolve([path]) : Promise.reject(new Deno.errors.NotFound(`no ${path}`)),
    err: (text: string) => warnings.push(text),
  } as unknown as Io;
  return { io, warnings };
}

const map = (name: string, more = "") => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n${more}`;

// What kubectl reads is compared with the real one in tests/api/kubectl_input_test.ts.
Deno.test("manifests: several paths: the objects of all, each with its place", async () => {
  const { io, warnings } = inputOf({
    "a.yaml": `# first\n---\n${map("a")}---\n\n# two\n${map("b", "data: {x: '1', x: '2'}\n")}`,
    "b.json": `{"apiVersion":"v1","kind":"ConfigMapList","items":[{"metadata":{"name":"c"}}]}`,
  }, map("d"));
  const objects = await manifestsIn(io, ["a.yaml", "b.json", "-"]);
  assert.deepEqual(objects.map((object) => [object.kind, object.metadata?.name, placeOf(object)]), [
    ["ConfigMap", "a", "a.yaml, document 1 (line 3)"],
    ["ConfigMap", "b", "a.yaml, document 2 (line 9)"],
    ["ConfigMap", "c", "b.json, document 1 (line 1)"],
    ["ConfigMap", "d", "standard input, document 1 (line 1)"],
  ]);
  assert.deepEqual(warnings, [
    'Warning: a.yaml, line 12: the key "x" is set twice. The last one applies, as in kubectl.',
  ]);
});

Deno.test("manifests: a URL: downloaded", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    return pathname === "/web.yaml" ? new Response(map("web")) : new Response("none", { status: 404 });
  });
  const base = `http://127.0.0.1:${server.addr.port}`;
  const [web] = await manifestsIn(inputOf({}).io, [`${base}/web.yaml`]);
  assert.equal(web?.metadata?.name, "web");
  await assert.rejects(
    manifestsIn(inputOf({}).io, [`${base}/none.yaml`]),
    /none\.yaml can't be read: the server answered 404/,
  );
});

for (
  const { name, files = {}, paths, says } of [
    { name: "missing file", paths: ["none.yaml"], says: '-f none.yaml: the path "none.yaml" does not exist' },
    { name: "empty standard input", paths: ["-"], says: "-f - has no objects. Pass a file" },
    { name: "standard input twice", paths: ["-", "-"], says: "Standard input can be read only once" },
    {
      name: "text that isn't YAML",
      files: { "a.yaml": `${map("a")}---\n\nx: [` },
      paths: ["a.yaml"],
      says: "a.yaml, document 2 can't be read: line 7, column 1: ",
    },
    {
      name: "JSON with an integer that would lose digits",
      files: { "a.json": '{"apiVersion": "v1", "kind": "X",\n "a": [9007199254740992, 9007199254740993]}' },
      paths: ["a.json"],
      says: "a.json, document 1 can't be read: line 2: an integer beyond 2^53 would lose digits",
    },
    {
      name: "text that is neither JSON nor YAML",
      files: { "a.json": '{"a": 1,\n"b": ]}' },
      paths: ["a.json"],
      says: "a.json, document 1 can't be read: neither JSON nor YAML (line 2, column 6: ",
    },
    {
      name: "document after the first without a kind",
      files: { "a.yaml": `${map("a")}---\napiVersion: v1\n` },
      paths: ["a.yaml"],
      says: "a.yaml, document 2 (line 5): kind is not set. Add it.",
    },
    {
      name: "label that is true",
      files: { "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {labels: {on: yes}}\n" },
      paths: ["a.yaml"],
      says: 'A metadata.labels["true"] is true. It must be a string: quote it.',
    },
  ] as { name: string; files?: Record<string, string>; paths: string[]; says: string }[]
) {
  Deno.test(`manifests: ${name}: usage error with place and remedy`, async () => {
    await assert.rejects(manifestsIn(inputOf(files).io, paths), (error) => {
      assert.ok(error instanceof Exit && error.code === exitCodes.usage, String(error));
      assert.ok(error.message.includes(says), `${error.message}\ndoesn't say\n${says}`);
      return true;
    });
  });
}

Deno.test("manifests: namespace of -n: an object for another one is kubectl's error", async () => {
  const { io } = inputOf({ "a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: default}\n" });
  const [object] = await manifestsIn(io, ["a.yaml"]);
  assert.equal(
    namespaceConflict(object!, "guest-bob-home"),
    'the namespace from the provided object "default" does not match the namespace "guest-bob-home". ' +
      "You must pass '--namespace=default' to perform this operation.",
  );
  assert.equal(namespaceConflict(object!, "default"), undefined);
});
