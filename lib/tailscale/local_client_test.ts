import assert from "node:assert/strict";
import { LocalApiError, type LocalApiErrorKind, LocalClient, type Notify } from "./mod.ts";

type Answer = (request: Request) => Response | Promise<Response>;

/** Adds the header of tailscaled's responses. */
function signed(response: Response): Response {
  if (!unsigned.has(response)) response.headers.set("Tailscale-Version", "1.98.10");
  return response;
}
const unsigned = new WeakSet<Response>();

/** A response of another program. */
function foreign(response: Response): Response {
  unsigned.add(response);
  return response;
}

/** A server in place of tailscaled. */
class Daemon implements AsyncDisposable {
  readonly #server: Deno.HttpServer;
  readonly #abort = new AbortController();
  readonly socket: string;

  private constructor(socket: string, answer: Answer) {
    this.socket = socket;
    this.#server = Deno.serve({ path: socket, signal: this.#abort.signal, onListen: () => {} }, async (request) => {
      const response = await answer(request);
      if (!request.bodyUsed) await request.body?.cancel();
      return signed(response);
    });
  }

  static at(socket: string, answer: Answer): Daemon {
    return new Daemon(socket, answer);
  }

  /** Ends at once, including open connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#server.finished;
    await Deno.remove(this.socket).catch(() => {});
  }
}

async function withSocket(use: (socket: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await use(`${directory}/d.sock`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs `use` with a server that responds with `answer`. */
function withDaemon(answer: Answer, use: (client: LocalClient, socket: string) => Promise<void>): Promise<void> {
  return withSocket(async (socket) => {
    await using _daemon = Daemon.at(socket, answer);
    using client = new LocalClient({ socket, timeoutMs: 10_000 });
    await use(client, socket);
  });
}

async function failure(call: Promise<unknown>, kind: LocalApiErrorKind, ...words: string[]): Promise<void> {
  const error = await call.then(() => assert.fail("expected the call to fail"), (error) => error);
  assert(error instanceof LocalApiError, String(error?.stack ?? error));
  assert.equal(error.kind, kind, error.message);
  for (const word of words) assert(error.message.includes(word), `${word} is not in: ${error.message}`);
}

const json = (value: unknown) => Response.json(value);
const running = { BackendState: "Running", Version: "1.98.10" };

/** Makes a body in chunks, each sent only once the previous one has been read. */
function chunks(parts: Iterable<string | Uint8Array>, end: "close" | "stay" = "close"): Response {
  const encoder = new TextEncoder();
  const iterator = parts[Symbol.iterator]();
  return new Response(
    new ReadableStream({
      pull(controller) {
        const { value, done } = iterator.next();
        if (!done) controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
        else if (end === "close") controller.close();
      },
    }),
  );
}

function* flood(): Generator<Uint8Array> {
  const chunk = new Uint8Array(2 ** 20).fill(0x20);
  while (true) yield chunk;
}

async function collect(bus: AsyncIterable<Notify>): Promise<Notify[]> {
  const lines: Notify[] = [];
  for await (const line of bus) lines.push(line);
  return lines;
}

const key = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n";
const leaf = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const issuer = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";

Deno.test("LocalAPI: each call: correct endpoint, query and host name", async () => {
  const seen: string[] = [];
  await withDaemon(async (request) => {
    const url = new URL(request.url);
    const ifMatch = request.headers.get("if-match");
    const body = await request.text();
    seen.push(
      `${request.method} ${request.headers.get("host")} ${url.pathname}${url.search}` +
        (ifMatch ? ` If-Match: ${ifMatch}` : "") + (body && ` ${body}`),
    );
    if (url.pathname.endsWith("serve-config")) return new Response("null", { headers: { etag: "abc" } });
    if (url.pathname.endsWith("cert-domains")) return json(null);
    if (url.pathname.includes("/cert/")) return new Response(`${key}${leaf}`);
    if (url.pathname.endsWith("whois")) return json({ Node: { StableID: "n1" }, UserProfile: {} });
    return json({ ...running });
  }, async (client) => {
    await client.status();
    await client.status({ peers: false });
    await client.whois("[fd7a::1]:80", { protocol: "tcp" });
    await client.whois("100.64.0.1");
    await client.ping("100.64.0.1");
    await client.ping("100.64.0.1", { type: "TSMP" });
    await client.ping("100.64.0.1", { size: 1400 });
    await client.prefs();
    await client.patchPrefs({ WantRunning: false, Hostname: "x", AutoUpdate: { Check: false } });
    await client.queryDns("bob-home.tailnet-name.ts.net.", { type: "AAAA" });
    await client.serveConfig();
    await client.setServeConfig({ TCP: { "443": { HTTPS: true } }, Tomorrow: [1.5] }, { etag: "abc" });
    await client.setServeConfig({});
    await client.certDomains();
    await client.certificate("a/b.ts.net", { minValidityMs: 86_400_000 });
  });
  assert.deepEqual(seen, [
    "GET local-tailscaled.sock /localapi/v0/status",
    "GET local-tailscaled.sock /localapi/v0/status?peers=false",
    "GET local-tailscaled.sock /localapi/v0/whois?addr=%5Bfd7a%3A%3A1%5D%3A80&proto=tcp",
    "GET local-tailscaled.sock /localapi/v0/whois?addr=100.64.0.1",
    "POST local-tailscaled.sock /localapi/v0/ping?ip=100.64.0.1&type=disco",
    "POST local-tailscaled.sock /localapi/v0/ping?ip=100.64.0.1&type=TSMP",
    "POST local-tailscaled.sock /localapi/v0/ping?ip=100.64.0.1&type=disco&size=1400",
    "GET local-tailscaled.sock /localapi/v0/prefs",
    "PATCH local-tailscaled.sock /localapi/v0/prefs " +
    '{"WantRunning":false,"WantRunningSet":true,"Hostname":"x","HostnameSet":true,' +
    '"AutoUpdate":{"Check":false},"AutoUpdateSet":{"CheckSet":true}}',
    "GET local-tailscaled.sock /localapi/v0/dns-query?name=bob-home.tailnet-name.ts.net.&type=AAAA",
    "GET local-tailscaled.sock /localapi/v0/serve-config",
    'POST local-tailscaled.sock /localapi/v0/serve-config If-Match: abc {"TCP":{"443":{"HTTPS":true}},"Tomorrow":[1.5]}',
    "POST local-tailscaled.sock /localapi/v0/serve-config {}",
    "GET local-tailscaled.sock /localapi/v0/cert-domains",
    "GET local-tailscaled.sock /localapi/v0/cert/a%2Fb.ts.net?type=pair&min_validity=86400000ms",
  ]);
});

Deno.test("LocalAPI: missing, null or unknown fields: accepted, unknown ones are kept", async () => {
  const answer = { BackendState: "NeedsLogin", Self: null, Peer: null, Novelty: { a: [1] } };
  await withDaemon(() => json(answer), async (client) => {
    assert.deepEqual(await client.status(), answer);
  });
});

Deno.test("LocalAPI: serve configuration: read and written back unchanged, with its ETag", async () => {
  const config = {
    TCP: { "443": { HTTPS: true, Tomorrow: null } },
    Web: { "a.ts.net:443": { Handlers: { "/": { Proxy: "http://127.0.0.1:80" } } } },
    Novelty: { deep: [{ x: 1.25, "": "" }] },
  };
  const written: unknown[] = [];
  await withDaemon(async (request) => {
    if (request.method === "GET") return Response.json(config, { headers: { etag: "e1" } });
    written.push([request.headers.get("if-match"), await request.json()]);
    return new Response();
  }, async (client) => {
    const read = await client.serveConfig();
    assert.deepEqual(read, { config, etag: "e1" });
    await client.setServeConfig(read.config!, { etag: read.etag });
    assert.deepEqual(written, [["e1", config]]);
  });
});

Deno.test("LocalAPI: serve configuration without an ETag or not an object: Protocol", async () => {
  await withDaemon(() => json({}), (client) => failure(client.serveConfig(), "Protocol", "ETag"));
  for (const wrong of ["[]", "7", '"x"']) {
    const answer = () => new Response(wrong, { headers: { etag: "e" } });
    await withDaemon(answer, (client) => failure(client.serveConfig(), "Protocol", "expected an object or null"));
  }
});

Deno.test("LocalAPI: certificate: split from its key", async () => {
  await withDaemon(() => new Response(`${key}${leaf}${issuer}`), async (client) => {
    assert.deepEqual(await client.certificate("a.ts.net"), { certificate: `${leaf}${issuer}`, key });
  });
  for (const wrong of ["", leaf, key, `${key}${key}${leaf}`, "nonsense"]) {
    await withDaemon(() => new Response(wrong), async (client) => {
      await failure(client.certificate("a.ts.net"), "Protocol", "instead of one key");
    });
  }
  await withDaemon(() => new Response("your Tailscale account does not support getting TLS certs", { status: 500 }), (
    client,
  ) => failure(client.certificate("a.ts.net"), "Refused", "does not support getting TLS certs"));
});

Deno.test("LocalAPI: DNS answer: the message in wire format", async () => {
  await withDaemon(() => json({ Bytes: "AAGFgA==", Resolvers: [{ Addr: "8.8.8.8", New: 1 }] }), async (client) => {
    const { message, resolvers } = await client.queryDns("a.b.");
    assert.deepEqual([...message], [0, 1, 0x85, 0x80]);
    assert.deepEqual(resolvers, [{ Addr: "8.8.8.8", New: 1 }]);
  });
  await withDaemon(() => json({ Bytes: null, Resolvers: null }), async (client) => {
    const { message, resolvers } = await client.queryDns("a.b.");
    assert.deepEqual([message.length, resolvers], [0, []]);
  });
  await withDaemon(() => json({ Bytes: "***" }), (client) => failure(client.queryDns("a.b."), "Protocol", "Bytes"));
});

Deno.test("LocalAPI: no socket: NotRunning, with its path", async () => {
  await withSocket(async (socket) => {
    using client = new LocalClient({ socket });
    await failure(client.status(), "NotRunning", socket, "GET status", "No such file", "start tailscaled");
  });
});

Deno.test("LocalAPI: socket without a listener: NotRunning", async () => {
  await withSocket(async (socket) => {
    await Deno.writeTextFile(socket, "");
    using client = new LocalClient({ socket });
    await failure(client.status(), "NotRunning", "Connection refused");
  });
});

Deno.test("LocalAPI: 403, 404, 500: AccessDenied, NotFound, Refused, with the daemon's message", async () => {
  const say = (status: number, words: string) => () => new Response(`${words}\n`, { status });
  await withDaemon(say(403, "status access denied"), async (client, socket) => {
    await failure(client.status(), "AccessDenied", socket, "403", "status access denied");
  });
  await withDaemon(say(404, "no match for IP:port"), async (client) => {
    await failure(client.whois("100.99.0.1:1"), "NotFound", "GET whois", "no match for IP:port");
  });
  await withDaemon(say(500, "backend is sad"), async (client) => {
    await failure(client.prefs(), "Refused", "500", "backend is sad");
  });
  await withDaemon(say(403, "watch ipn bus access denied"), async (client) => {
    await failure(
      collect(client.watchIpnBus({ signal: new AbortController().signal })),
      "AccessDenied",
      "watch ipn bus",
    );
  });
});

Deno.test("LocalAPI: 412: Conflict; 501 or missing endpoint: Unsupported; with the message in the JSON", async () => {
  const say = (status: number, words: string) => () => new Response(words, { status });
  await withDaemon(say(412, "etag mismatch"), async (client) => {
    await failure(client.setServeConfig({}, { etag: "x" }), "Conflict", "etag mismatch", "read it again");
  });
  await withDaemon(say(501, "feature not available"), async (client) => {
    await failure(client.queryDns("a.b."), "Unsupported", "feature not available");
  });
  await withDaemon(say(404, "404 page not found\n"), async (client) => {
    await failure(client.certDomains(), "Unsupported", "page not found");
  });
  await withDaemon(say(500, '{"error":"it is sad"}\n'), async (client) => {
    await failure(client.prefs(), "Refused", "answered 500: it is sad");
  });
  await withDaemon(say(400, '{"Error":"can\'t do that"}\n'), async (client) => {
    await failure(client.patchPrefs({ ShieldsUp: true }), "Refused", "answered 400: can't do that");
  });
});

Deno.test("LocalAPI: response without tailscaled's header: Protocol", async () => {
  for (const status of [200, 404, 412, 500]) {
    await withDaemon(() => foreign(new Response("{}", { status })), async (client) => {
      await failure(client.prefs(), "Protocol", "the socket is tailscaled's");
    });
  }
  await withDaemon(() => foreign(new Response("auth required", { status: 401 })), async (client) => {
    await failure(client.prefs(), "AccessDenied", "401");
  });
});

Deno.test("LocalAPI: redirect: not followed", async () => {
  await withDaemon(
    () => new Response(null, { status: 302, headers: { location: "http://local-tailscaled.sock/elsewhere" } }),
    async (client) => {
      await failure(client.status(), "Protocol", "302");
    },
  );
});

Deno.test("LocalAPI: no JSON, wrong type (with the field) or no HTTP: Protocol", async () => {
  await withDaemon(() => new Response("<html>"), async (client) => {
    await failure(client.status(), "Protocol", "JSON");
  });
  await withDaemon(() => json({ BackendState: 6 }), async (client) => {
    await failure(client.status(), "Protocol", "BackendState", "expected string");
  });
  await withDaemon(() => chunks(["{}\n", "nonsense\n"]), async (client) => {
    await failure(collect(client.watchIpnBus({ signal: new AbortController().signal })), "Protocol", "JSON");
  });
  await withSocket(async (socket) => {
    using listener = Deno.listen({ transport: "unix", path: socket });
    using client = new LocalClient({ socket });
    const call = client.status();
    using connection = await listener.accept();
    await connection.write(new TextEncoder().encode("SSH-2.0-OpenSSH\r\n\r\n"));
    await failure(call, "Protocol", "invalid");
  });
});

Deno.test("LocalAPI: many errors in a response: short message", async () => {
  const Peer = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [String(index), { Online: "yes" }]));
  await withDaemon(() => json({ ...running, Peer }), async (client) => {
    const error = await client.status().catch((error) => error);
    assert(error.message.includes("Online") && error.message.length < 1000, error.message.slice(0, 2000));
  });
});

Deno.test("LocalAPI: daemon never responds: Timeout, for a call and for the bus", async () => {
  await withSocket(async (socket) => {
    using listener = Deno.listen({ transport: "unix", path: socket });
    using client = new LocalClient({ socket, timeoutMs: 30 });
    await failure(client.status(), "Timeout", "GET status", "30 ms");
    await failure(client.ping("100.64.0.1", { timeoutMs: 20 }), "Timeout", "20 ms");
    await failure(collect(client.watchIpnBus({ signal: new AbortController().signal })), "Timeout", "watch-ipn-bus");
    assert.equal(listener.addr.transport, "unix");
  });
});

Deno.test("LocalAPI: daemon hangs during its response: Timeout", async () => {
  await withDaemon(() => chunks(['{"BackendState":'], "stay"), async (client) => {
    await failure(client.status({ timeoutMs: 100 }), "Timeout");
  });
});

Deno.test("LocalAPI: daemon dies during its response: NotRunning", async () => {
  await withSocket(async (socket) => {
    using listener = Deno.listen({ transport: "unix", path: socket });
    using client = new LocalClient({ socket });
    const call = client.status();
    const connection = await listener.accept();
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"));
    connection.close();
    await failure(call, "NotRunning");
  });
});

Deno.test("LocalAPI: signal aborts: call and bus end with its reason", async () => {
  const reason = new Error("enough");
  await withDaemon(() => chunks(['{"Version":"1"}\n'], "stay"), async (client) => {
    const abort = new AbortController();
    const call = client.prefs({ signal: abort.signal });
    const bus = collect(client.watchIpnBus({ signal: abort.signal }));
    abort.abort(reason);
    await assert.rejects(call, reason);
    await assert.rejects(bus, reason);
    await assert.rejects(client.prefs({ signal: abort.signal }), reason);
    await assert.rejects(collect(client.followIpnBus({ signal: abort.signal })), reason);
  });
});

/** Settles like the promise, if that is soon. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), 3000);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Responds on the bus with an endless body without a length, and completely to everything else. */
async function answerWithoutLength(listener: AsyncIterable<Deno.Conn>): Promise<Deno.Conn[]> {
  const Peer = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [String(index), { ID: String(index) }]));
  const [line, whole] = ['{"Version":"1"}\n', JSON.stringify({ ...running, Peer })];
  const head = "HTTP/1.1 200 OK\r\nTailscale-Version: 1\r\n";
  const answer = async (connection: Deno.Conn) => {
    const request = new Uint8Array(4096);
    for (let length = await connection.read(request); length; length = await connection.read(request)) {
      const bus = new TextDecoder().decode(request.subarray(0, length)).includes("watch-ipn-bus");
      const text = bus ? `${head}\r\n${line}` : `${head}Content-Length: ${whole.length}\r\n\r\n${whole}`;
      await connection.write(new TextEncoder().encode(text));
    }
  };
  const connections: Deno.Conn[] = [];
  for await (const connection of listener) {
    connections.push(connection);
    answer(connection).catch(() => {});
  }
  return connections;
}

Deno.test("LocalAPI: body without a length, after a garbage collection: signal and deadline still end it", async () => {
  await withSocket(async (socket) => {
    const listener = Deno.listen({ transport: "unix", path: socket });
    const answering = answerWithoutLength(listener);
    try {
      using client = new LocalClient({ socket, timeoutMs: 10_000 });
      for (const livenessMs of [undefined, 100]) {
        const abort = new AbortController();
        const bus = client.watchIpnBus({ signal: abort.signal, ...(livenessMs ? { livenessMs } : {}) });
        assert.equal((await bus.next()).value?.Version, "1");
        const second = bus.next();
        second.catch(() => {});
        // Enough garbage for a collection, after which fetch ignores its signal.
        if (!livenessMs) { for (let i = 0; i < 20; i++) await client.status(); }
        if (livenessMs) await failure(soon(second), "Timeout", "100 ms");
        else {
          abort.abort(new Error("enough"));
          await assert.rejects(soon(second), /enough/);
        }
      }
    } finally {
      listener.close();
      for (const connection of await answering) connection.close();
    }
  });
});

Deno.test("LocalAPI: signal aborts before arrived lines are read: they are not delivered", async () => {
  await withDaemon(() => chunks(['{"Version":"1"}\n{"Version":"2"}\n'], "stay"), async (client) => {
    const abort = new AbortController();
    const bus = client.watchIpnBus({ signal: abort.signal });
    await bus.next();
    abort.abort(new Error("enough"));
    await assert.rejects(bus.next(), /enough/);
  });
});

Deno.test("LocalAPI: endless response or line: ends at the limit", async () => {
  await withDaemon(() => chunks(flood()), async (client, socket) => {
    await failure(client.status(), "Protocol", `longer than ${64 * 2 ** 20} bytes`);
    await failure(collect(client.watchIpnBus({ signal: new AbortController().signal })), "Protocol", "longer than");
    using modest = new LocalClient({ socket, maxBytes: 1000 });
    await failure(modest.status(), "Protocol", "longer than 1000 bytes");
  });
});

Deno.test("LocalAPI: response of maximum size: accepted", async () => {
  const text = JSON.stringify(running);
  await withDaemon(() => new Response(text), async (_client, socket) => {
    using exact = new LocalClient({ socket, maxBytes: text.length });
    assert.equal((await exact.status()).BackendState, "Running");
    using short = new LocalClient({ socket, maxBytes: text.length - 1 });
    await failure(short.status(), "Protocol", "longer than");
  });
});

Deno.test("LocalAPI: bus floods: other work keeps most of the time", async () => {
  const line = new TextEncoder().encode(
    `${JSON.stringify({ Version: "1", PeersChanged: Array(50_000).fill({ StableID: "x", Name: "y" }) })}\n`,
  );
  function* forever() {
    while (true) yield line;
  }
  await withDaemon(() => chunks(forever()), async (client) => {
    const abort = new AbortController();
    let lines = 0;
    const bus = (async () => {
      for await (const _ of client.watchIpnBus({ signal: abort.signal })) lines++;
    })();
    const flooded = await ticksIn(2000);
    abort.abort(new Error("enough"));
    await assert.rejects(bus, /enough/);
    assert(lines >= 2, `only ${lines} lines were read`);
    const undisturbed = await ticksIn(2000);
    assert(flooded > undisturbed / 5, `${flooded} ticks in 2 s, and ${undisturbed} without the flood`);
  });
});

/** Counts the turns of other work. */
async function ticksIn(ms: number): Promise<number> {
  let ticks = 0;
  for (const start = performance.now(); performance.now() - start < ms; ticks++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return ticks;
}

Deno.test("LocalAPI: endless error response: ends at the limit", async () => {
  await withDaemon(() => new Response(chunks(flood()).body, { status: 500 }), async (client) => {
    await failure(client.status(), "Protocol", "longer than");
  });
});

Deno.test("LocalAPI: bus in any chunks: whole lines, ends when the daemon ends it", async () => {
  const text = new TextEncoder().encode('{"Version":"é"}\n{"Version":"2"}\n{"Version":"3"}\n');
  for (const size of [1, 2, 5, 17, text.length]) {
    const parts = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size));
    await withDaemon(() => chunks(parts), async (client) => {
      const lines = await collect(client.watchIpnBus({ signal: new AbortController().signal }));
      assert.deepEqual(lines.map(({ Version }) => Version), ["é", "2", "3"]);
    });
  }
});

Deno.test("LocalAPI: bus ends within a line: NotRunning", async () => {
  await withDaemon(() => chunks(['{"Version":"1"}\n{"Ver']), async (client) => {
    await failure(
      collect(client.watchIpnBus({ signal: new AbortController().signal })),
      "NotRunning",
      "middle of a line",
    );
  });
});

Deno.test("LocalAPI: both dialects of the bus: read; the mask always requests a first line", async () => {
  const old = { Version: "1.98.10", NetMap: { Peers: [] }, PeerChanges: [{ NodeID: 2, Online: false }] };
  const young = {
    Version: "1.101.0",
    PeersChanged: [{ StableID: "2", Name: "bob-home.tailnet-name.ts.net." }],
    PeersRemoved: [3],
    PeerChangedPatch: [{ NodeID: 2, Online: true }],
  };
  const masks: (string | null)[] = [];
  await withDaemon((request) => {
    masks.push(new URL(request.url).searchParams.get("mask"));
    return chunks([old, young].map((line) => `${JSON.stringify(line)}\n`));
  }, async (client) => {
    const { signal } = new AbortController();
    assert.deepEqual(await collect(client.watchIpnBus({ signal, mask: 4096 })), [old, young]);
    await collect(client.watchIpnBus({ signal }));
  });
  assert.deepEqual(masks, [String(4096 + 2), String(1 + 2 + 4 + 4096 + 32768)]);
});

Deno.test("LocalAPI: bus is silent: Timeout with livenessMs, otherwise it waits", async () => {
  const answer: Answer = (request) =>
    chunks(request.url.includes("watch-ipn-bus") ? ['{"Version":"1"}\n'] : [], "stay");
  await withDaemon(answer, async (_client, socket) => {
    using client = new LocalClient({ socket, timeoutMs: 250 });
    const { signal } = new AbortController();
    await failure(collect(client.watchIpnBus({ signal, livenessMs: 30 })), "Timeout", "30 ms");

    const abort = new AbortController();
    const bus = client.watchIpnBus({ signal: abort.signal });
    await bus.next();
    const silence = bus.next();
    // Takes as long as the bus's deadline for its first line.
    await failure(client.status(), "Timeout", "250 ms");
    abort.abort(new Error("waited long enough"));
    await assert.rejects(silence, /waited long enough/);
  });
});

Deno.test("LocalAPI: slow reader of the bus: not counted as silence", async () => {
  const answer: Answer = (request) =>
    chunks(
      request.url.includes("watch-ipn-bus") ? ['{"Version":"1"}\n{"Version":"2"}\n{"Version":"3"}\n'] : [],
      "stay",
    );
  await withDaemon(answer, async (client) => {
    const versions: unknown[] = [];
    for await (const { Version } of client.watchIpnBus({ signal: new AbortController().signal, livenessMs: 50 })) {
      if (versions.push(Version) === 3) break;
      await failure(client.status({ timeoutMs: 150 }), "Timeout");
    }
    assert.deepEqual(versions, ["1", "2", "3"]);
  });
});

Deno.test("LocalAPI: followed daemon is missing or restarts: reconnects and reports the reason", async () => {
  await withSocket(async (socket) => {
    using client = new LocalClient({ socket, timeoutMs: 1000 });
    const abort = new AbortController();
    const told: string[] = [];
    const sessions: string[] = [];
    let missing = () => {};
    const bus = client.followIpnBus({
      signal: abort.signal,
      onError: (error) => {
        told.push(error.kind);
        missing();
      },
    });
    const absent = new Promise<void>((resolve) => missing = resolve);
    const first = bus.next();
    await absent;
    for (const session of ["a", "b"]) {
      await using _daemon = Daemon.at(socket, () => chunks([`{"SessionID":"${session}"}\n`], "stay"));
      const line = session === "a" ? await first : await bus.next();
      if (!line.done) sessions.push(line.value.SessionID ?? "");
    }
    const last = bus.next();
    abort.abort(new Error("done"));
    await assert.rejects(last, /done/);
    assert.deepEqual(sessions, ["a", "b"]);
    // A connection made just as the listener closes is accepted by nobody, and ends by its deadline.
    assert(told.length >= 2 && told.every((kind) => kind === "NotRunning" || kind === "Timeout"), told.join());
    assert.equal(told[0], "NotRunning");
  });
});

Deno.test("LocalAPI: followed daemon ends the bus repeatedly: reopened each time, without growing pauses", async () => {
  let connections = 0;
  await withDaemon(() => chunks([`{"SessionID":"${++connections}"}\n`]), async (client) => {
    const start = performance.now();
    const seen: string[] = [];
    for await (const { SessionID } of client.followIpnBus({ signal: new AbortController().signal })) {
      if (seen.push(SessionID ?? "") === 12) break;
    }
    assert.deepEqual(seen, Array.from({ length: 12 }, (_, index) => String(index + 1)));
    // 11 pauses of at most 50 ms; growing ones would take over 3 s.
    assert(performance.now() - start < 2000);
  });
});

Deno.test("LocalAPI: documented permissions: sufficient; a missing one: AccessDenied with the flags", async () => {
  await withDaemon(() => json(running), async (_client, socket) => {
    const script = `import { LocalClient } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      try {
        using client = new LocalClient({ socket: ${JSON.stringify(socket)} });
        console.log((await client.status()).BackendState);
      } catch (error) {
        console.log(error.kind, error.message);
      }`;
    const flags = [
      `--allow-net=unix:${socket},local-tailscaled.sock:80`,
      `--allow-read=${socket}`,
      `--allow-write=${socket}`,
    ];
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, script);
      const run = async (flags: string[]) => {
        const args = ["run", "--no-prompt", "--no-check", "--config", config, ...flags, file];
        const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
        return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      };
      assert.equal(await run(flags), "Running\n");
      for (const flag of flags) {
        const without = await run(flags.filter((other) => other !== flag));
        assert(without.startsWith("AccessDenied") && without.includes(flags.join(" ")), `without ${flag}: ${without}`);
      }
    } finally {
      await Deno.remove(file);
    }
  });
});
