import assert from "node:assert/strict";
import { LocalApiError, type LocalApiErrorKind, LocalClient, type TailnetConnection } from "./mod.ts";

const upgraded = "HTTP/1.1 101 Switching Protocols\r\nTailscale-Version: 1.98.10\r\nConnection: upgrade\r\n" +
  "Upgrade: ts-dial\r\n\r\n";
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

/** Runs `use` with a client of a server that handles one connection. */
async function withServer(
  serve: (connection: Deno.Conn, head: string) => Promise<void>,
  use: (client: LocalClient, served: Promise<void>) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/d.sock`;
  try {
    using listener = Deno.listen({ transport: "unix", path });
    const served = listener.accept().then(async (connection) => {
      try {
        await serve(connection, await readHead(connection));
      } finally {
        try {
          connection.close();
        } catch { /* closed by the test */ }
      }
    });
    served.catch(() => {});
    using client = new LocalClient({ socket: path });
    await use(client, served);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function readHead(connection: Deno.Conn): Promise<string> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    const chunk = new Uint8Array(1024);
    head += text(chunk.subarray(0, await connection.read(chunk) ?? assert.fail("no head")));
  }
  return head;
}

const send = async (connection: Deno.Conn, message: string): Promise<void> => {
  for (let rest = bytes(message); rest.length > 0;) rest = rest.subarray(await connection.write(rest));
};

async function failure(call: Promise<unknown>, kind: LocalApiErrorKind, ...words: string[]): Promise<void> {
  const error = await call.then(() => assert.fail("expected the call to fail"), (error) => error);
  assert(error instanceof LocalApiError, String(error?.stack ?? error));
  assert.equal(error.kind, kind, error.message);
  for (const word of words) assert(error.message.includes(word), `${word} is not in: ${error.message}`);
}

const readAll = async ({ readable }: TailnetConnection): Promise<string> => {
  let all = "";
  for await (const chunk of readable) all += text(chunk);
  return all;
};

Deno.test("dial: the head names host and port, and bytes pass both ways, also those that come with the answer", async () => {
  await withServer(async (connection, head) => {
    assert.equal(
      head,
      "POST /localapi/v0/dial HTTP/1.1\r\nHost: local-tailscaled.sock\r\nConnection: upgrade\r\nUpgrade: ts-dial\r\n" +
        "Dial-Host: alice-home\r\nDial-Port: 8443\r\nContent-Length: 0\r\n\r\n",
    );
    await send(connection, `${upgraded}early `);
    const chunk = new Uint8Array(5);
    await connection.read(chunk);
    await send(connection, `echo ${text(chunk)}`);
  }, async (client) => {
    using connection = await client.dial("alice-home", 8443);
    const writer = connection.writable.getWriter();
    await writer.write(bytes("hello"));
    assert.equal(await readAll(connection), "early echo hello");
    await failure(writer.write(bytes("late")), "NotRunning");
  });
});

Deno.test("dial: an answer in single bytes is the same answer", async () => {
  await withServer(async (connection) => {
    for (const character of `${upgraded}hi`) await send(connection, character);
  }, async (client) => {
    using connection = await client.dial("100.64.0.1", 1);
    assert.equal(await readAll(connection), "hi");
  });
});

Deno.test("dial: every refusal has its kind and the daemon's words", async () => {
  const answer = (status: string, body: string, headers = "Tailscale-Version: 1.98.10\r\n") =>
    `HTTP/1.1 ${status}\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
  const cases: [string, LocalApiErrorKind, string][] = [
    [answer("502 Bad Gateway", "dial failure: connection was refused\n"), "Refused", "connection was refused"],
    [answer("502 Bad Gateway", "resolve failure: no such host\n"), "NotFound", "no such host"],
    [
      answer("200 OK", "", "Tailscale-Version: 1\r\nDial-Self: true\r\nDial-Addr: 1.2.3.4:1\r\n"),
      "NotFound",
      "alice-home",
    ],
    [answer("200 OK", "hello"), "Protocol", "200"],
    [answer("200 OK", "hello", ""), "Protocol", "Tailscale-Version"],
    [answer("101 Switching Protocols", "", ""), "Protocol", "Tailscale-Version"],
    [answer("101 Switching Protocols", "", "Tailscale-Version: 1\r\nUpgrade: websocket\r\n"), "Protocol", "101"],
    [answer("403 Forbidden", "denied"), "AccessDenied", "denied"],
    [answer("404 Not Found", "404 page not found\n"), "Unsupported", "404"],
    ["HTTP/1.0 101 x\r\n\r\n", "Protocol", "HTTP"],
    ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "Protocol", "HTTP"],
    ["HTTP/1.1 101 x\r\nbad header\r\n\r\n", "Protocol", "HTTP"],
    [`HTTP/1.1 101 x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, "Protocol", "longer"],
    [answer("502 Bad Gateway", "x".repeat(20_000)), "Protocol", "longer"],
    ["", "NotRunning", "closed"],
    [answer("502 Bad Gateway", "short").replace("5\r\n\r\n", "50\r\n\r\n"), "NotRunning", "closed"],
  ];
  for (const [said, kind, words] of cases) {
    await withServer((connection) => send(connection, said).catch(() => {}), async (client) => {
      await failure(client.dial("alice-home", 8443), kind, words, "POST dial");
    });
  }
});

Deno.test("dial: a host or port that would end up elsewhere in the head is refused without a connection", async () => {
  using client = new LocalClient({ socket: "/nonexistent/tailscaled.sock" });
  for (const host of ["", "a\r\nDial-Port: 22", "a b", "a\0", "ä", "[fd7a::1]", "x".repeat(254)]) {
    await failure(client.dial(host, 443), "Refused", "is no host");
  }
  for (const port of [0, -1, 65_536, 1.5, NaN]) await failure(client.dial("a", port), "Refused", "is no port");
  await failure(client.dial("fd7a:115c:a1e0::1", 443), "NotRunning", "/nonexistent/tailscaled.sock");
});

Deno.test("dial: no answer: Timeout at the deadline, or the signal's reason; the socket is closed", async () => {
  const untilClosed = async (connection: Deno.Conn) => {
    assert.equal(await connection.read(new Uint8Array(1)), null);
  };
  await withServer(untilClosed, async (client, served) => {
    await failure(client.dial("a", 1, { timeoutMs: 50 }), "Timeout", "50 ms");
    await served;
  });
  await withServer(untilClosed, async (client, served) => {
    const abort = new AbortController();
    const dialled = client.dial("a", 1, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(dialled, /enough/);
    await served.catch(() => {});
  });
});

Deno.test("dial: the signal ends an open connection: reads and writes reject with its reason", async () => {
  await withServer(async (connection) => {
    await send(connection, upgraded);
    assert.equal(await connection.read(new Uint8Array(1)), null);
  }, async (client, served) => {
    const abort = new AbortController();
    using connection = await client.dial("a", 1, { signal: abort.signal });
    const read = connection.readable.getReader().read();
    const rejected = assert.rejects(read, /enough/);
    abort.abort(new Error("enough"));
    await rejected;
    await assert.rejects(connection.writable.getWriter().write(bytes("x")), /enough/);
    await served;
  });
});

Deno.test("dial: closing ends reads without an error, and a cancelled reader closes the connection", async () => {
  const untilClosed = async (connection: Deno.Conn) => {
    await send(connection, upgraded);
    assert.equal(await connection.read(new Uint8Array(1)), null);
  };
  await withServer(untilClosed, async (client, served) => {
    const connection = await client.dial("a", 1);
    const read = connection.readable.getReader().read();
    connection.close();
    connection.close();
    assert.deepEqual(await read, { done: true, value: undefined });
    await served;
  });
  await withServer(untilClosed, async (client, served) => {
    const connection = await client.dial("a", 1);
    await connection.readable.cancel();
    await served;
  });
});

Deno.test("dial: a closed writer ends the sending direction; what was written before arrives, and the answer too", async () => {
  await withServer(async (connection) => {
    await send(connection, upgraded);
    let all = 0;
    const chunk = new Uint8Array(65_536);
    for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
      all += length;
    }
    await send(connection, `got ${all}`);
  }, async (client) => {
    using connection = await client.dial("a", 1);
    const writer = connection.writable.getWriter();
    for (let chunk = 0; chunk < 100; chunk++) await writer.write(new Uint8Array(10_000));
    await writer.close();
    assert.equal(await readAll(connection), "got 1000000");
  });
});

Deno.test("dial: nothing is read ahead: a peer that sends without end is held back until it is read", async () => {
  let sent = 0;
  await withServer(async (connection) => {
    await send(connection, upgraded);
    const chunk = new Uint8Array(65_536);
    while (true) sent += await connection.write(chunk);
  }, async (client) => {
    using connection = await client.dial("a", 1);
    // The socket's buffers fill up, and then nothing moves for many turns of the event loop.
    for (let before = -1, still = 0; still < 100; before = sent) {
      still = before === sent ? still + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assert(sent < 2 ** 22, String(sent));
    const reader = connection.readable.getReader();
    let read = 0;
    while (read < 2 ** 24) read += (await reader.read()).value!.length;
    assert(sent >= 2 ** 24);
  });
});
