/** `keystone __complete`, against answers of an API server that are written here. */
import assert from "node:assert/strict";
import { keystone } from "../../../tests/fixtures/keystone_command.ts";
import { guideKey } from "../../core/guest/objects/guide.ts";

const lists: Readonly<Record<string, readonly string[]>> = {
  "/apis/keystone.io/v1alpha1/grants": ["alice-to-bob", "alice-to-carol"],
  "/apis/keystone.io/v1alpha1/realms": ["bob-home", "carol-home"],
  "/apis/keystone.io/v1alpha1/superentities": ["three-homes"],
  "/api/v1/namespaces": ["guest-bob-home", "keystone-probe"],
  "/api/v1/namespaces/guest-bob-home/pods": ["web-0"],
  "/api/v1/namespaces/guest-carol-home/pods": ["db-0"],
  "/apis/apps/v1/namespaces/guest-bob-home/deployments": ["web"],
};
const guide = {
  metadata: { name: "keystone", namespace: "guest-bob-home" },
  data: { [guideKey]: "- name: from-alice\n  hard: {}\n" },
};

interface Server {
  /** Paths that are forbidden. */
  forbidden?: (path: string) => boolean;
  /** True if it never answers. */
  silent?: boolean;
}

/** Completes the words; returns the lines without explanations, and the requests. */
async function completed(words: readonly string[], { forbidden = () => false, silent = false }: Server = {}) {
  const requests: string[] = [];
  const stop = new AbortController();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, signal: stop.signal },
    (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push(`${pathname}${search} ${request.headers.get("accept")}`);
      if (silent) {
        return new Promise<Response>((resolve) => stop.signal.addEventListener("abort", () => resolve(new Response())));
      }
      const status = (code: number) => Response.json({ kind: "Status", code, message: "no" }, { status: code });
      if (forbidden(pathname)) return status(403);
      if (pathname.endsWith("/configmaps/keystone")) return Response.json(guide);
      if (pathname.endsWith("/resourcequotas")) return Response.json({ metadata: {}, items: [] });
      const names = lists[pathname];
      return names
        ? Response.json({ metadata: {}, items: names.map((name) => ({ metadata: { name } })) })
        : status(404);
    },
  );
  const { port } = server.addr as Deno.NetAddr;
  const named = (name: string, key: string, value: unknown) => [{ name, [key]: value }];
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "admin@lab:1",
      clusters: named("c", "cluster", { server: `http://127.0.0.1:${port}` }),
      users: named("u", "user", {}),
      contexts: named("admin@lab:1", "context", { cluster: "c", user: "u", namespace: "guest-bob-home" }),
    }),
  );
  try {
    const { code, out, err } = await keystone(path, ["__complete", ...words]);
    assert.deepEqual([code, err], [0, ""]);
    return { lines: out.split("\n").map((line) => line.split("\t")[0]!), out, requests };
  } finally {
    stop.abort();
    await Deno.remove(path);
  }
}

const cases: [line: string, ...lines: string[]][] = [
  ["gr", "grant"],
  ["grant ", "create", "list", "extend", "revoke", "explain"],
  ["realm tr", "trust"],
  ["superentity ", "list", "approve"],
  ["grants alice-to-b", "alice-to-bob"],
  ["grant list alice-to-bob ", "alice-to-carol"],
  ["grant revoke ", "alice-to-bob", "alice-to-carol"],
  ["grant revoke alice-to-bob "],
  ["revoke alice-to-c", "alice-to-carol"],
  ["grant extend --by 1d ", "alice-to-bob", "alice-to-carol"],
  ["grant create x --to b", "bob-home"],
  ["grant create "],
  ["realm trust ", "bob-home", "carol-home"],
  ["realm kubeconfig --realm=", "--help"],
  ["grant list --realm=c", "--realm=carol-home"],
  ["grant list --phase A", "Active"],
  ["grant list --phase E", "Ending", "Expired"],
  ["grant create --volumes ", "Retain", "Delete"],
  ["realm add --trust p", "partner", "public"],
  ["superentity approve t", "three-homes"],
  ["approve t", "three-homes"],
  ["explain deploy", "deployment"],
  ["explain deploy w", "web"],
  ["explain deploy/", "deploy/web"],
  ["explain deploy/web "],
  ["explain grant alice-to-b", "alice-to-bob"],
  ["explain nothing "],
  ["can-reach ", "web-0"],
  ["can-reach --realm carol-home ", "db-0"],
  ["can-reach -n guest-carol-home ", "db-0"],
  ["can-reach web-0 x -n ", "guest-bob-home"],
  ["grant list --context ", "admin@lab:1"],
  ["grant list -ow", "-o" + "wide"],
  ["grant list -o ", "text", "wide", "json", "yaml"],
  ["grant list -- --", ":none"],
  ["completion ", "bash", "zsh", "fish"],
  ["nothing "],
];
for (const [line, ...expected] of cases) {
  Deno.test(`keystone ${line}⇥ offers ${expected.join(", ") || "nothing"}`, async () => {
    const { lines } = await completed(line.split(" "));
    assert.equal(lines.at(-1), ":4");
    if (expected[0] === ":none") assert.deepEqual(lines, [":4"]);
    else if (expected[0] !== "--help") assert.deepEqual(lines.slice(0, -1), expected);
  });
}

Deno.test("flags are offered with their explanations, hidden ones and earlier verbs are not", async () => {
  const { out } = await completed(["grant", "revoke", "--"]);
  assert.match(out, /^--reason\treason, which the grantee can read$/m);
  assert.doesNotMatch(out, /--insecure/);
  const { lines } = await completed([""]);
  assert.ok(!lines.includes("grants") && lines.includes("doctor"), lines.join());
});

Deno.test("a path: the shell offers files", async () => {
  for (
    const words of [["would-fit", "-f", ""], ["would-fit", "--filename="], ["realm", "kubeconfig", "x", "--out", ""]]
  ) {
    assert.deepEqual((await completed(words)).lines, [":0"]);
  }
});

Deno.test("lists are asked for metadata only, and for a limited number", async () => {
  const { requests } = await completed(["grant", "revoke", ""]);
  assert.deepEqual(requests, [
    "/apis/keystone.io/v1alpha1/grants?limit=500 application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
  ]);
});

Deno.test("a guest: the grants of the guide, the own realm and namespace", async () => {
  const forbidden = (path: string) => path.startsWith("/apis/keystone.io") || path === "/api/v1/namespaces";
  const offered = async (...words: string[]) => (await completed(words, { forbidden })).lines;
  assert.deepEqual(await offered("grant", "list", ""), ["from-alice", ":4"]);
  assert.deepEqual(await offered("would-fit", "--realm", ""), ["bob-home", ":4"]);
  assert.deepEqual(await offered("would-fit", "-n", ""), ["guest-bob-home", ":4"]);
});

Deno.test("forbidden, no kubeconfig, a server that never answers: nothing, and no error", async () => {
  assert.deepEqual((await completed(["can-reach", ""], { forbidden: () => true })).lines, [":4"]);
  assert.deepEqual((await completed(["grant", "revoke", "--kubeconfig", "/nowhere", ""])).lines, [":4"]);
  const began = performance.now();
  assert.deepEqual((await completed(["grant", "revoke", ""], { silent: true })).lines, [":4"]);
  assert.ok(performance.now() - began < 5000);
});
