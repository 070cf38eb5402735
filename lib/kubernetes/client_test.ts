import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type ClosableRestClient, createRestClient, type RequestRecord, type RestClientOptions } from "./client.ts";
import type { ClientConfig, Credentials, CredentialSource } from "./client_config.ts";
import { fixedCredentials } from "./credentials.ts";
import { AnswerTooLarge, ApiError, ConnectionError } from "./errors.ts";

/** Starts a server on this computer that responds with `answer`, and a client for it. */
function setUp(
  answer: (request: Request) => Response | Promise<Response>,
  options: Partial<RestClientOptions & { credentials: CredentialSource; headers: ClientConfig["headers"] }> = {},
): { rest: ClosableRestClient; server: string } & AsyncDisposable {
  const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const server = `http://127.0.0.1:${http.addr.port}`;
  const { credentials = fixedCredentials({}), headers, ...clientOptions } = options;
  const rest = createRestClient({ source: "test", server, namespace: "team", credentials, headers }, {
    userAgent: "example/1.0",
    ...clientOptions,
  });
  return {
    rest,
    server,
    [Symbol.asyncDispose]: async () => {
      rest.close();
      await http.shutdown();
    },
  };
}

const GET = { method: "GET", path: "/api/v1/namespaces" } as const;

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return await promise.then(() => assert.fail("it resolved"), (error) => error);
}

Deno.test("client: request: has method, path, query, body, credentials and user agent", async () => {
  await using lab = setUp(async (request) =>
    Response.json({
      method: request.method,
      url: request.url,
      body: await request.json(),
      headers: Object.fromEntries(request.headers),
    }), {
    credentials: fixedCredentials({ authorization: "Bearer t" }),
    headers: [["Impersonate-User", "jane"], ["Impersonate-Group", "a"], ["Impersonate-Group", "b"]],
  });
  const seen = await lab.rest.performRequest({
    method: "PATCH",
    path: "/api/v1/namespaces/x",
    querystring: new URLSearchParams({ fieldManager: "me & you" }),
    bodyJson: { a: 1 },
    contentType: "application/apply-patch+yaml",
  }) as { method: string; url: string; body: unknown; headers: Record<string, string> };
  assert.equal(seen.method, "PATCH");
  assert.equal(seen.url, `${lab.server}/api/v1/namespaces/x?fieldManager=me+%26+you`);
  assert.deepEqual(seen.body, { a: 1 });
  assert.equal(seen.headers["content-type"], "application/apply-patch+yaml");
  assert.equal(seen.headers["accept"], "application/json");
  assert.equal(seen.headers["accept-encoding"], "identity");
  assert.equal(seen.headers["user-agent"], "example/1.0");
  assert.equal(seen.headers["authorization"], "Bearer t");
  assert.equal(seen.headers["impersonate-group"], "a, b");
  assert.equal(lab.rest.defaultNamespace, "team");
});

Deno.test("client: warnings of a response are passed on, also of one that refuses", async () => {
  const headers = new Headers();
  headers.append("warning", '299 - "unknown field \\"spec.a\\", ignored"');
  headers.append("warning", '299 kube "use v2"');
  await using lab = setUp((request) =>
    new URL(request.url).pathname === "/fine"
      ? Response.json({}, { headers })
      : Response.json({ kind: "Status", code: 403, message: "no" }, { status: 403, headers })
  );
  for (const path of ["/fine", "/refused"]) {
    const warnings: string[] = [];
    const call = lab.rest.performRequest({ method: "GET", path, onWarning: (text) => warnings.push(text) });
    await call.catch((error) => assert.ok(error instanceof ApiError));
    assert.deepEqual(warnings, ['unknown field "spec.a", ignored', "use v2"]);
  }
});

Deno.test("client: response other than 2xx, including redirects: ApiError", async () => {
  await using lab = setUp((request) =>
    new URL(request.url).pathname === "/redirect"
      ? new Response(null, { status: 302, headers: { location: "http://192.0.2.1/" } })
      : new Response("slow down", { status: 429, headers: { "retry-after": "2" } })
  );
  const busy = await rejection(lab.rest.performRequest(GET));
  assert.ok(busy instanceof ApiError);
  assert.deepEqual([busy.code, busy.reason, busy.retryAfterSeconds], [429, "TooManyRequests", 2]);
  const redirect = await rejection(lab.rest.performRequest({ method: "GET", path: "/redirect" }));
  assert.ok(redirect instanceof ApiError && redirect.code === 302, String(redirect));
  const stream = await rejection(lab.rest.performStream(GET));
  assert.ok(stream instanceof ApiError && stream.code === 429);
});

Deno.test("client: busy server that says when to try again: retried if the client may, as often as it may", async () => {
  let asked = 0;
  const busyFor = (times: number, code: number, headers = { "retry-after": "0" }) => () =>
    ++asked <= times ? new Response("busy", { status: code, headers }) : Response.json({ asked });
  for (
    const [retriesWhenBusy, answer, expected] of [
      [2, busyFor(2, 429), 3],
      [2, busyFor(2, 503), 3],
      [2, busyFor(3, 429), "429 after 3"],
      [0, busyFor(1, 429), "429 after 1"],
      [2, busyFor(1, 503, {} as never), "503 after 1"],
      [2, busyFor(1, 409), "409 after 1"],
    ] as const
  ) {
    asked = 0;
    await using lab = setUp(answer, { retriesWhenBusy });
    const said = await lab.rest.performRequest({ method: "POST", path: "/x", bodyJson: {} }).catch((error) =>
      `${error.code} after ${asked}`
    );
    assert.deepEqual(said, typeof expected === "number" ? { asked: expected } : expected);
  }
});

Deno.test("client: busy server that asks to wait longer than the deadline: the wait ends with it", async () => {
  await using lab = setUp(() => new Response("busy", { status: 429, headers: { "retry-after": "100" } }), {
    retriesWhenBusy: 1,
    timeoutMs: 50,
  });
  assert.equal((await rejection(lab.rest.performRequest(GET))).name, "TimeoutError");
});

Deno.test("client: 2xx without JSON: error, unless another type was requested", async () => {
  await using lab = setUp(() => new Response("<html>log in</html>", { headers: { "content-type": "text/html" } }));
  const error = await rejection(lab.rest.performRequest(GET));
  assert.ok(error instanceof ConnectionError);
  assert.match(error.message, /text\/html instead of JSON. Is http:.*\(test\) a Kubernetes API server\?/);
  assert.equal(await lab.rest.performRequest({ ...GET, accept: "text/html" }), "<html>log in</html>");
});

Deno.test("client: response exceeds the byte budget: not read further, and the error names the budget", async () => {
  let sent = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65536;
        controller.enqueue(new Uint8Array(65536).fill(0x20));
      },
    });
  const answers: Record<string, () => Response> = {
    "/endless": () => new Response(endless()),
    "/refused": () => new Response(endless(), { status: 500 }),
    "/stated": () => new Response(" ".repeat(200_000)),
    "/packed": () =>
      new Response(new Blob([" ".repeat(200_000)]).stream().pipeThrough(new CompressionStream("gzip")), {
        headers: { "content-encoding": "gzip" },
      }),
    "/fits": () => Response.json("é".repeat(100)),
    "/packed-fits": () =>
      new Response(new Blob(['"é"']).stream().pipeThrough(new CompressionStream("gzip")), {
        headers: { "content-encoding": "gzip" },
      }),
  };
  await using lab = setUp((request) => answers[new URL(request.url).pathname]!(), { maxAnswerBytes: 100_000 });
  for (const path of ["/endless", "/refused", "/stated", "/packed"]) {
    const error = await rejection(lab.rest.performRequest({ method: "GET", path }));
    assert.ok(error instanceof AnswerTooLarge && error.maxBytes === 100_000, `${path}: ${error}`);
    assert.match(error.message, new RegExp(`^The answer to GET ${path} is larger than .*byte budget`));
  }
  assert.ok(sent < 50_000_000, `${sent} bytes were sent`);
  assert.equal(await lab.rest.performRequest({ method: "GET", path: "/fits" }), "é".repeat(100));
  assert.equal(await lab.rest.performRequest({ method: "GET", path: "/packed-fits" }), "é");
  const single = await rejection(lab.rest.performRequest({ method: "GET", path: "/fits", maxBytes: 10 }));
  assert.ok(single instanceof AnswerTooLarge && single.maxBytes === 10);
});

Deno.test("client: deadline: TimeoutError that names the call", async () => {
  const never = Promise.withResolvers<Response>();
  await using lab = setUp(() => never.promise);
  const error = await rejection(lab.rest.performRequest({ ...GET, timeoutMs: 20 }));
  assert.equal(error.name, "TimeoutError");
  assert.equal(error.message, "GET /api/v1/namespaces wasn't answered within 0.02 s.");
  assert.equal((await rejection(lab.rest.performStream({ ...GET, timeoutMs: 20 }))).name, "TimeoutError");
  never.resolve(new Response());
});

Deno.test("client: deadline while the body is read: TimeoutError", async () => {
  const body = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("[1,")) });
  await using lab = setUp(() => new Response(body));
  assert.equal((await rejection(lab.rest.performRequest({ ...GET, timeoutMs: 50 }))).name, "TimeoutError");
});

Deno.test("client: signal aborts before the call, in flight or in the queue: rejects with its reason", async () => {
  const arrived = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  await using lab = setUp(async () => {
    arrived.resolve();
    await gate.promise;
    return Response.json({});
  }, { maxInFlight: 1 });
  const reason = new Error("stopped");
  assert.equal(await rejection(lab.rest.performRequest({ ...GET, abortSignal: AbortSignal.abort(reason) })), reason);

  const inFlight = new AbortController();
  const queued = new AbortController();
  const first = rejection(lab.rest.performRequest({ ...GET, abortSignal: inFlight.signal }));
  await arrived.promise;
  const second = rejection(lab.rest.performRequest({ ...GET, abortSignal: queued.signal }));
  queued.abort(reason);
  assert.equal(await second, reason);
  inFlight.abort(reason);
  assert.equal(await first, reason);
  gate.resolve();
  // The place of the queued call was returned.
  assert.deepEqual(await lab.rest.performRequest(GET), {});
});

Deno.test("client: many unary calls: limited concurrency, streams don't count", async () => {
  let inFlight = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const three = Promise.withResolvers<void>();
  await using lab = setUp(async (request) => {
    if (new URL(request.url).pathname === "/stream") return new Response("");
    most = Math.max(most, ++inFlight);
    if (inFlight === 3) three.resolve();
    await gate.promise;
    inFlight--;
    return Response.json(null);
  }, { maxInFlight: 3 });
  const calls = Array.from({ length: 10 }, () => lab.rest.performRequest(GET));
  await three.promise;
  await (await lab.rest.performStream({ method: "GET", path: "/stream" })).cancel();
  gate.resolve();
  await Promise.all(calls);
  assert.equal(most, 3);
});

Deno.test("client: stream: yields bytes as they arrive, ends with its signal", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  await using lab = setUp(() => new Response(readable), { timeoutMs: 1000 });
  const writer = writable.getWriter();
  const stop = new AbortController();
  const opened = lab.rest.performStream({ ...GET, abortSignal: stop.signal });
  const written = writer.write(new TextEncoder().encode("one"));
  const reader = (await opened).getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "one");
  await written;
  const reason = new Error("enough");
  const read = rejection(reader.read());
  stop.abort(reason);
  assert.equal(await read, reason);
  await writer.close().catch(() => {});
});

Deno.test("client: garbage collection during a call: signal and deadline still end it", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const begun = () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("[1,")) }));
  await using lab = setUp(begun);
  const reason = new Error("enough");
  const stop = new AbortController();
  const unary = rejection(lab.rest.performRequest({ ...GET, abortSignal: stop.signal }));
  const late = rejection(lab.rest.performRequest({ ...GET, timeoutMs: 200 }));
  const reader = (await lab.rest.performStream({ ...GET, abortSignal: stop.signal })).getReader();
  await reader.read();
  const read = rejection(reader.read());
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    // Finalizers run in turns of the event loop.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  stop.abort(reason);
  assert.equal(await read, reason);
  assert.equal(await unary, reason);
  assert.equal((await late).name, "TimeoutError");
});

/** Credentials t1, t2, … that each renewal advances, up to t`last`. */
function renewable(last: number): CredentialSource {
  let n = 1;
  let present: Credentials = { authorization: "t1" };
  return {
    current: () => Promise.resolve(present),
    renew: (refused) => {
      if (refused === present && n < last) present = { authorization: `t${++n}` };
      return Promise.resolve(refused !== present);
    },
  };
}

Deno.test("client: 401: retried once with renewed credentials", async () => {
  const records: RequestRecord[] = [];
  const accept = (token: string) => (request: Request) =>
    request.headers.get("authorization") === token ? Response.json(token) : new Response("no", { status: 401 });
  {
    await using lab = setUp(accept("t2"), {
      credentials: renewable(9),
      onRequest: (record) => records.push(record),
    });
    assert.equal(await lab.rest.performRequest(GET), "t2");
    assert.deepEqual(records.map(({ code }) => code), [401, 200]);
    await (await lab.rest.performStream(GET)).cancel();
  }
  {
    await using lab = setUp(accept("t3"), { credentials: renewable(9) });
    const error = await rejection(lab.rest.performRequest(GET));
    assert.ok(error instanceof ApiError && error.code === 401);
  }
  {
    let requests = 0;
    await using lab = setUp(() => {
      requests++;
      return new Response("no", { status: 401 });
    }, { credentials: renewable(1) });
    await rejection(lab.rest.performRequest(GET));
    assert.equal(requests, 1, "without fresh credentials there is no retry");
  }
});

Deno.test("client: credentials are unavailable: rejects with their error, within the deadline", async () => {
  const error = new Error("log in first");
  {
    await using lab = setUp(() => assert.fail(), {
      credentials: { current: () => Promise.reject(error), renew: () => Promise.resolve(false) },
    });
    assert.equal(await rejection(lab.rest.performRequest(GET)), error);
  }
  await using lab = setUp(() => assert.fail(), {
    credentials: { current: () => new Promise(() => {}), renew: () => Promise.resolve(false) },
    timeoutMs: 20,
  });
  assert.equal((await rejection(lab.rest.performRequest(GET))).name, "TimeoutError");
});

Deno.test("client: every exchange: recorded with its code, 0 without a response", async () => {
  const records: RequestRecord[] = [];
  const onRequest = (record: RequestRecord) => records.push(record);
  let server = "";
  {
    await using lab = setUp((request) => Response.json({}, { status: request.method === "POST" ? 201 : 200 }), {
      onRequest,
    });
    server = lab.server;
    await lab.rest.performRequest(GET);
    await lab.rest.performRequest({ method: "POST", path: "/x", bodyJson: {} });
    await (await lab.rest.performStream(GET)).cancel();
  }
  using rest = createRestClient({
    source: 'context "c" of /k',
    server,
    namespace: "x",
    credentials: fixedCredentials({}),
  }, {
    userAgent: "example/1.0",
    onRequest,
  });
  const error = await rejection(rest.performRequest(GET));
  assert.ok(error instanceof ConnectionError);
  assert.ok(
    error.message.startsWith(`${server} (context "c" of /k) didn't respond to GET /api/v1/namespaces: `),
    error.message,
  );
  assert.match(error.message, /refused.*Is the API server running there\?$/);
  assert.ok(error.cause instanceof Error);
  assert.deepEqual(records.map(({ method, path, code }) => [method, path, code]), [
    ["GET", "/api/v1/namespaces", 200],
    ["POST", "/x", 201],
    ["GET", "/api/v1/namespaces", 200],
    ["GET", "/api/v1/namespaces", 0],
  ]);
  assert.ok(records.every(({ durationMs }) => durationMs >= 0 && durationMs < 10_000));
});

Deno.test("client: close: aborts running and later calls", async () => {
  const arrived = Promise.withResolvers<void>();
  const never = Promise.withResolvers<Response>();
  await using lab = setUp(() => {
    arrived.resolve();
    return never.promise;
  });
  const call = rejection(lab.rest.performRequest(GET));
  await arrived.promise;
  lab.rest.close();
  assert.match((await call).message, /was closed/);
  assert.match((await rejection(lab.rest.performRequest(GET))).message, /was closed/);
  never.resolve(new Response());
});

Deno.test("client: connection breaks during a response: ConnectionError", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(4096));
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"));
  })();
  using rest = createRestClient({
    source: "test",
    server: `http://127.0.0.1:${listener.addr.port}`,
    namespace: "x",
    credentials: fixedCredentials({}),
  }, { userAgent: "example/1.0" });
  const error = await rejection(rest.performRequest(GET));
  assert.ok(error instanceof ConnectionError, String(error));
  await serving;
});

Deno.test("client: invalid proxy URL: error with the remedy", async () => {
  using rest = createRestClient({
    source: 'context "c" of /k',
    server: "http://192.0.2.1",
    proxyUrl: "ftp://proxy",
    namespace: "x",
    credentials: fixedCredentials({}),
  }, { userAgent: "example/1.0" });
  assert.match((await rejection(rest.performRequest(GET))).message, /proxy-url of context "c" of \/k.*set-cluster/);
});

Deno.test("client: proxy is configured: used for requests", async () => {
  await using proxy = setUp((request) =>
    Response.json({ url: request.url, by: request.headers.get("proxy-authorization") })
  );
  using rest = createRestClient({
    source: "test",
    // Nothing listens there; only the proxy is contacted.
    server: "http://127.0.0.1:8001",
    proxyUrl: proxy.server.replace("http://", "http://me:p%40ss@"),
    namespace: "x",
    credentials: fixedCredentials({}),
  }, { userAgent: "example/1.0" });
  assert.deepEqual(await rest.performRequest(GET), {
    url: "http://127.0.0.1:8001/api/v1/namespaces",
    by: `Basic ${btoa("me:p@ss")}`,
  });
});
