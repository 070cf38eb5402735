import assert from "node:assert/strict";
import fc from "fast-check";
import { AnswerTooLarge, ApiError, ConnectionError, WatchStalled } from "./errors.ts";
import { ResourceApi, type WatchEvent } from "./resource_api.ts";
import type { JSONValue, KubernetesObject, RequestOptions, Resource, RestClient } from "./types.ts";

interface Widget extends KubernetesObject {
  spec?: { size: string };
}
const widgets: Resource<Widget> = {
  group: "example.io",
  version: "v1",
  kind: "Widget",
  plural: "widgets",
  namespaced: true,
};
const nodes: Resource<KubernetesObject> = {
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  namespaced: false,
};

/** A transport that records requests and responds with `answer`. */
function transport(answer: (request: RequestOptions) => unknown = () => ({})) {
  const requests: RequestOptions[] = [];
  const rest: RestClient = {
    performRequest: (request) => {
      requests.push(request);
      return Promise.resolve().then(() => answer(request) as JSONValue);
    },
    performStream: (request) => {
      requests.push(request);
      return Promise.resolve().then(() => answer(request) as ReadableStream<Uint8Array>);
    },
  };
  const lines = () =>
    requests.map(({ method, path, querystring }) => `${method} ${path}${querystring ? `?${querystring}` : ""}`);
  return { rest, requests, lines };
}

Deno.test("resource API: each call: the request of the API conventions", async () => {
  const { rest, requests, lines } = transport((request) => request.method === "GET" ? { items: [] } : {});
  const api = new ResourceApi(rest, widgets, "team");
  const widget: Widget = { metadata: { name: "w" }, spec: { size: "1" } };
  await api.get("w");
  await api.list({ labelSelector: "a=b", fieldSelector: "metadata.name=w", limit: 5, continue: "tok" });
  await api.create(widget, { fieldManager: "me" });
  await api.replace(widget);
  await api.apply(widget, { fieldManager: "me" });
  await api.applyStatus(widget, { fieldManager: "me", force: true });
  await api.patch("w", [], { type: "json", subresource: "status", fieldManager: "me" });
  await api.patch("w", {}, { type: "merge" });
  await api.patch("w", {}, { type: "strategic" });
  await api.delete("w", { uid: "u", propagationPolicy: "Foreground", gracePeriodSeconds: 0 });
  await api.delete("w");
  const root = "/apis/example.io/v1/namespaces/team/widgets";
  assert.deepEqual(lines(), [
    `GET ${root}/w`,
    `GET ${root}?labelSelector=a%3Db&fieldSelector=metadata.name%3Dw&limit=5&continue=tok`,
    `POST ${root}?fieldManager=me`,
    `PUT ${root}/w`,
    `PATCH ${root}/w?fieldManager=me`,
    `PATCH ${root}/w/status?fieldManager=me&force=true`,
    `PATCH ${root}/w/status?fieldManager=me`,
    `PATCH ${root}/w`,
    `PATCH ${root}/w`,
    `DELETE ${root}/w`,
    `DELETE ${root}/w`,
  ]);
  assert.deepEqual(requests.slice(4, 9).map(({ contentType }) => contentType), [
    "application/apply-patch+yaml",
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
  ]);
  assert.deepEqual(requests[2]!.bodyJson, { apiVersion: "example.io/v1", kind: "Widget", ...widget });
  const body = JSON.parse(JSON.stringify(requests[9]!.bodyJson));
  assert.deepEqual(body, {
    kind: "DeleteOptions",
    apiVersion: "v1",
    propagationPolicy: "Foreground",
    gracePeriodSeconds: 0,
    preconditions: { uid: "u" },
  });
  assert.equal(JSON.parse(JSON.stringify(requests[10]!.bodyJson)).preconditions, undefined);
});

Deno.test("resource API: core, cluster-scoped and all namespaces: correct paths", async () => {
  const { rest, lines } = transport(() => ({ items: [] }));
  await new ResourceApi(rest, nodes).get("system:node");
  await new ResourceApi(rest, widgets).list();
  await new ResourceApi(rest, widgets).apply({ metadata: { name: "w", namespace: "own" } }, { fieldManager: "me" });
  await new ResourceApi(rest, widgets).namespace("other").list();
  assert.deepEqual(lines(), [
    "GET /api/v1/nodes/system%3Anode",
    "GET /apis/example.io/v1/widgets",
    "PATCH /apis/example.io/v1/namespaces/own/widgets/w?fieldManager=me",
    "GET /apis/example.io/v1/namespaces/other/widgets",
  ]);
});

Deno.test("resource API: name that would change the path: refused before a request", async () => {
  const { rest, requests } = transport();
  const api = new ResourceApi(rest, widgets, "team");
  for (const name of ["", ".", "..", "a/b", "../../secrets/x", "%2e%2e"]) {
    await assert.rejects(api.get(name), TypeError, name);
    await assert.rejects(api.delete(name), TypeError, name);
    await assert.rejects(api.apply({ metadata: { name } }, { fieldManager: "me" }), TypeError, name);
    await assert.rejects(
      new ResourceApi(rest, widgets).create({ metadata: { name: "w", namespace: name } }),
      TypeError,
    );
    assert.throws(() => api.namespace(name), TypeError, name);
  }
  assert.equal(requests.length, 0);
});

Deno.test("resource API: any accepted name: stays within its path segment", async () => {
  const { rest } = transport();
  await fc.assert(fc.asyncProperty(fc.string({ unit: "grapheme" }), async (name) => {
    const seen: string[] = [];
    const api = new ResourceApi(
      { ...rest, performRequest: ({ path }) => Promise.resolve(void seen.push(path) as unknown as JSONValue) },
      widgets,
      "team",
    );
    await api.get(name).catch((error) => assert.ok(error instanceof TypeError));
    for (const path of seen) {
      const url = new URL(path, "https://h");
      assert.equal(decodeURIComponent(url.pathname), `/apis/example.io/v1/namespaces/team/widgets/${name}`);
      assert.equal(url.search + url.hash, "");
    }
  }));
});

Deno.test("resource API: namespace is missing, contradictory or not allowed: refused before a request", async () => {
  const { rest, requests } = transport();
  const api = new ResourceApi(rest, widgets);
  const apply = (api: ResourceApi<Widget>, namespace?: string) =>
    api.apply({ metadata: { name: "w", ...(namespace === undefined ? {} : { namespace }) } }, { fieldManager: "me" });
  await assert.rejects(api.get("w"), /Widget "w" needs a namespace/);
  await assert.rejects(api.create({ metadata: { name: "w" } }), /Widget "w" needs a namespace/);
  await assert.rejects(apply(api.namespace("a"), "b"), /Widget "w" has namespace "b", but is written to "a"/);
  await assert.rejects(apply(new ResourceApi(rest, nodes), "b"), /Node "w" is cluster-scoped/);
  assert.throws(() => new ResourceApi(rest, nodes, "a"), /Node is cluster-scoped/);
  assert.equal(requests.length, 0);
});

const EXPIRED = new ApiError("too old", { code: 410, reason: "Expired", method: "GET", path: "/" });

/** A collection of numbered objects in pages, whose continue token expires at `expiresAt`. */
function paged(total: number, expiresAt = Infinity) {
  return transport(({ querystring }) => {
    const start = Number(querystring?.get("continue") ?? 0);
    if (start >= expiresAt) throw EXPIRED;
    const limit = Number(querystring?.get("limit") ?? total);
    const end = Math.min(start + limit, total);
    return {
      metadata: { resourceVersion: "7", ...(end < total && { continue: `${end}` }) },
      items: Array.from({ length: end - start }, (_, i) => ({ metadata: { name: `w${start + i}` } })),
    };
  });
}

Deno.test("pages: yields every object once, typed, and sends the version only with the first request", async () => {
  const { rest, lines } = paged(5);
  const pages = await Array.fromAsync(
    new ResourceApi(rest, widgets, "t").pages({ limit: 2, labelSelector: "a", resourceVersion: "0" }),
  );
  assert.deepEqual(pages.map(({ items }) => items.map(({ metadata }) => metadata?.name)), [["w0", "w1"], ["w2", "w3"], [
    "w4",
  ]]);
  assert.deepEqual(pages[0]!.items[0], { metadata: { name: "w0" }, apiVersion: "example.io/v1", kind: "Widget" });
  assert.deepEqual(lines().map((line) => line.split("?")[1]), [
    "labelSelector=a&limit=2&resourceVersion=0",
    "labelSelector=a&limit=2&continue=2",
    "labelSelector=a&limit=2&continue=4",
  ]);
});

Deno.test("pages: default: 500 objects", async () => {
  const { rest, requests } = paged(3);
  await Array.fromAsync(new ResourceApi(rest, widgets, "t").pages());
  assert.equal(requests[0]!.querystring?.get("limit"), "500");
});

Deno.test("pages: token expires half-way: the whole collection is listed again, once", async () => {
  const { rest, lines } = paged(5, 4);
  const pages = await Array.fromAsync(new ResourceApi(rest, widgets, "t").pages({ limit: 2 }));
  assert.deepEqual(pages.map(({ items, restart }) => [items.length, restart]), [[2, undefined], [2, undefined], [
    5,
    true,
  ]]);
  assert.equal(lines().at(-1), "GET /apis/example.io/v1/namespaces/t/widgets");
});

/** A collection of objects of these sizes; a response above the limit throws the client's error. */
function sized(sizes: readonly number[], expires: () => boolean = () => false) {
  return transport(({ querystring, maxBytes = 32 * mib, path }) => {
    const start = Number(querystring?.get("continue") ?? 0);
    if (start > 0 && expires()) throw EXPIRED;
    const limit = Number(querystring?.get("limit") ?? Infinity);
    const end = Math.min(start + limit, sizes.length);
    const bytes = sizes.slice(start, end).reduce((sum, size) => sum + size, 0);
    if (bytes > maxBytes) throw new AnswerTooLarge("The answer", path, maxBytes);
    return {
      metadata: { resourceVersion: "7", ...(end < sizes.length && { continue: `${end}` }) },
      items: Array.from({ length: end - start }, (_, i) => ({ metadata: { name: `w${start + i}` } })),
    };
  });
}

const mib = 2 ** 20;
const namesOf = (pages: { items: Widget[] }[]) =>
  pages.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name));

Deno.test("pages: page is too large: smaller ones are requested, each object once", async () => {
  const sizes = [...Array(300).fill(2000), ...Array(200).fill(1.7 * mib), 9 * mib, ...Array(900).fill(2000)];
  const { rest, requests } = sized(sizes);
  const pages = await Array.fromAsync(new ResourceApi(rest, widgets, "t").pages());
  assert.deepEqual(namesOf(pages), sizes.map((_, index) => `w${index}`));
  assert.ok(requests.length < 700, `${requests.length} requests`);
});

Deno.test("pages: object exceeds the client's limit: error that names the budget", async () => {
  const { rest } = sized([1, 40 * mib, 1]);
  await assert.rejects(Array.fromAsync(new ResourceApi(rest, widgets, "t").pages({ limit: 4 })), AnswerTooLarge);
});

Deno.test("pages: large collection expires half-way: listed again in pages", async () => {
  let left = 1;
  const { rest } = sized(Array(10).fill(mib), () => left-- > 0);
  const pages = await Array.fromAsync(new ResourceApi(rest, widgets, "t").pages({ limit: 2 }));
  const begins = pages.findIndex(({ restart }) => restart);
  assert.deepEqual(namesOf(pages.slice(begins)), Array.from({ length: 10 }, (_, index) => `w${index}`));
  left = Infinity;
  await assert.rejects(Array.fromAsync(new ResourceApi(rest, widgets, "t").pages({ limit: 2 })), EXPIRED);
});

Deno.test("watch: event exceeds the limit: error that names the budget", async () => {
  const { api } = watched(['{"type":"ADDED","object":{}}\n', "x".repeat(100), "x".repeat(100)], "silent");
  const events = api.watch({ resourceVersion: "1", maxBytes: 150 });
  assert.equal((await events.next()).value?.type, "ADDED");
  await assert.rejects(events.next(), { name: "AnswerTooLarge", maxBytes: 150 });
});

Deno.test("pages: other errors of a later page, or a 410 of the first: thrown", async () => {
  const { rest } = paged(5, 0);
  await assert.rejects(Array.fromAsync(new ResourceApi(rest, widgets, "t").pages()), EXPIRED);
});

/** A transport whose stream sends these chunks and then ends, breaks, or stays silent. */
function watched(chunks: (string | Uint8Array)[], end: "ends" | "silent" | Error = "ends") {
  const state = { cancelled: false };
  const { rest, lines } = transport(({ abortSignal }) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) {
          controller.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
        }
        if (end === "ends") controller.close();
        abortSignal?.addEventListener("abort", () => controller.error(abortSignal.reason));
      },
      pull(controller) {
        if (end instanceof Error) controller.error(end);
      },
      cancel() {
        state.cancelled = true;
      },
    }, { highWaterMark: 0 })
  );
  return { api: new ResourceApi(rest, widgets), state, lines };
}

const ADDED = JSON.stringify({ type: "ADDED", object: { metadata: { name: "w", resourceVersion: "8" } } }) + "\n";
const BOOKMARK = JSON.stringify({ type: "BOOKMARK", object: { metadata: { resourceVersion: "9" } } }) + "\n";
const EVENTS: WatchEvent<Widget>[] = [
  {
    type: "ADDED",
    object: { metadata: { name: "w", resourceVersion: "8" }, apiVersion: "example.io/v1", kind: "Widget" },
  },
  { type: "BOOKMARK", resourceVersion: "9" },
];

Deno.test("watch: requests bookmarks and a random end, yields events until the server ends it", async () => {
  const { api, lines } = watched([ADDED.slice(0, 30), ADDED.slice(30) + BOOKMARK]);
  assert.deepEqual(await Array.fromAsync(api.watch({ resourceVersion: "7", labelSelector: "a" })), EVENTS);
  const [, query] = lines()[0]!.split("?");
  const parameters = new URLSearchParams(query);
  const seconds = Number(parameters.get("timeoutSeconds"));
  assert.ok(seconds >= 300 && seconds <= 600, `${seconds}`);
  parameters.delete("timeoutSeconds");
  assert.equal(`${parameters}`, "watch=true&allowWatchBookmarks=true&resourceVersion=7&labelSelector=a");
});

Deno.test("watch: ends within a line: returns, the half line is dropped", async () => {
  const { api } = watched([ADDED + BOOKMARK + '{"type":"DEL']);
  assert.deepEqual(await Array.fromAsync(api.watch({ resourceVersion: "7" })), EVENTS);
});

Deno.test("watch: ERROR event: thrown as ApiError", async () => {
  const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 1 (9)" };
  const { api, state } = watched([ADDED, JSON.stringify({ type: "ERROR", object: status }) + "\n"], "silent");
  const seen: unknown[] = [];
  await assert.rejects(async () => {
    for await (const event of api.watch({ resourceVersion: "7" })) seen.push(event);
  }, { name: "ApiError", code: 410, reason: "Expired", message: status.message });
  assert.deepEqual(seen, EVENTS.slice(0, 1));
  assert.ok(state.cancelled);
});

Deno.test("watch: connection breaks or a line isn't JSON: ConnectionError", async () => {
  const broken = watched([ADDED], new TypeError("connection reset")).api.watch({ resourceVersion: "7" });
  await assert.rejects(Array.fromAsync(broken), ConnectionError);
  const garbled = watched(["<html>\n"]).api.watch({ resourceVersion: "7" });
  await assert.rejects(Array.fromAsync(garbled), ConnectionError);
});

Deno.test("watch: silent: WatchStalled", async () => {
  const { api } = watched([ADDED], "silent");
  const seen: unknown[] = [];
  await assert.rejects(async () => {
    for await (const event of api.watch({ resourceVersion: "7", livenessMs: 20 })) seen.push(event);
  }, (error: unknown) => error instanceof WatchStalled && error.afterMs === 20);
  assert.deepEqual(seen, EVENTS.slice(0, 1));
});

Deno.test("watch: slow reader: not taken for a silent server", async () => {
  const { api } = watched([ADDED, BOOKMARK]);
  const seen: unknown[] = [];
  for await (const event of api.watch({ resourceVersion: "7", livenessMs: 10 })) {
    await new Promise((resolve) => setTimeout(resolve, 30));
    seen.push(event);
  }
  assert.deepEqual(seen, EVENTS);
});

Deno.test("watch: signal aborts: throws its reason; leaving the loop closes the connection", async () => {
  const stop = new AbortController();
  const reason = new Error("stopped");
  const stopped = watched([ADDED], "silent");
  await assert.rejects(async () => {
    for await (const _ of stopped.api.watch({ resourceVersion: "7", signal: stop.signal })) stop.abort(reason);
  }, (error) => error === reason);

  const left = watched([ADDED], "silent");
  for await (const _ of left.api.watch({ resourceVersion: "7" })) break;
  assert.ok(left.state.cancelled);
});

Deno.test("watch: accepted by the server: onOpen is called before any event", async () => {
  const told: string[] = [];
  const silent = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const api = new ResourceApi(transport(() => silent).rest, widgets, "team");
  for await (const event of api.watch({ resourceVersion: "1", onOpen: () => told.push("open") })) told.push(event.type);
  assert.deepEqual(told, ["open"]);
  const refusing = new ResourceApi(transport(() => Promise.reject(new ConnectionError("no"))).rest, widgets, "team");
  const watch = refusing.watch({ resourceVersion: "1", onOpen: () => told.push("open") });
  await assert.rejects(watch.next(), ConnectionError);
  assert.deepEqual(told, ["open"]);
});
