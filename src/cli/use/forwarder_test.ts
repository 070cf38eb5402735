import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type TLSSocket } from "node:tls";
import { Forwarder, type LenderConnection } from "./forwarder.ts";
import { type ForwarderKeys, makeForwarderKeys } from "./forwarder_keys.ts";

const keys = await makeForwarderKeys(Date.now());
const others = await makeForwarderKeys(Date.now());

/** A lender that sends back what it gets. */
function echo(): LenderConnection & { closed: boolean } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  return {
    readable,
    writable,
    closed: false,
    close() {
      this.closed = true;
    },
  };
}

async function withForwarder(
  connect: (signal: AbortSignal) => Promise<LenderConnection>,
  use: (port: number, forwarder: Forwarder) => Promise<void>,
): Promise<void> {
  await using forwarder = await Forwarder.open({ keys, port: 0, connect });
  await use(forwarder.port, forwarder);
}

const client = (port: number, own?: Pick<ForwarderKeys, "clientCertificate" | "clientKey">): TLSSocket =>
  connect({
    host: "127.0.0.1",
    port,
    ca: [keys.authority],
    ...(own ? { cert: own.clientCertificate, key: own.clientKey } : {}),
  });

/** Sends bytes and returns what comes back, at least `length` bytes or until the end. */
function exchanged(socket: TLSSocket, data: Uint8Array | string, length = Infinity): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const parts: Uint8Array[] = [];
    let size = 0;
    const done = () => {
      socket.destroy();
      resolve(new Uint8Array(parts.flatMap((part) => [...part])));
    };
    socket.on("data", (part: Uint8Array) => {
      parts.push(part);
      size += part.length;
      if (size >= length) done();
    });
    socket.once("close", done);
    socket.on("error", () => {});
    socket.write(data);
  });
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

Deno.test("a client without the certificate, or with another authority's: no byte, and no connection to the lender", async () => {
  let connections = 0;
  const lender = () => Promise.resolve((connections++, echo()));
  await withForwarder(lender, async (port) => {
    assert.equal((await exchanged(client(port), "GET", 1)).length, 0);
    assert.equal((await exchanged(client(port, others), "GET", 1)).length, 0);
    // The server's own certificate is no client's.
    const servers = { clientCertificate: keys.certificate, clientKey: keys.key };
    assert.equal((await exchanged(client(port, servers), "GET", 1)).length, 0);
    assert.equal(connections, 0);
    assert.equal(text(await exchanged(client(port, keys), "hello", 5)), "hello");
  });
});

Deno.test("plain HTTP, such as of a web page: no answer", async () => {
  await withForwarder(() => Promise.resolve(echo()), async (port) => {
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text()));
  });
});

Deno.test("8 MiB both ways: the bytes are the same, and the lender's connection ends with the client's", async () => {
  const lender = echo();
  await withForwarder(() => Promise.resolve(lender), async (port, forwarder) => {
    const data = new Uint8Array(8 * 2 ** 20);
    for (let at = 0; at < data.length; at += 65536) crypto.getRandomValues(data.subarray(at, at + 65536));
    const socket = client(port, keys);
    let at = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("data", (part: Uint8Array) => {
      assert.deepEqual(part, Buffer.from(data.subarray(at, at + part.length)));
      at += part.length;
      if (at === data.length) resolve();
    });
    socket.write(data);
    await promise;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.end();
    await closed;
    assert.equal(lender.closed, true);
    assert.equal(forwarder.connections, 0);
  });
});

Deno.test("the lender ends: the client gets all of its bytes, then the end", async () => {
  const answer = new TextEncoder().encode("x".repeat(200_000));
  const lender = (): LenderConnection => ({
    readable: new Blob([answer]).stream(),
    writable: new WritableStream(),
    close() {},
  });
  await withForwarder(() => Promise.resolve(lender()), async (port) => {
    assert.equal((await exchanged(client(port, keys), "GET")).length, answer.length);
  });
});

Deno.test("the lender can't be reached: the request is answered with the sentence as text", async () => {
  await withForwarder(() => Promise.reject(new Error("alice-home is offline.")), async (port) => {
    const answer = text(await exchanged(client(port, keys), "GET / HTTP/1.1\r\n\r\n"));
    assert.match(answer, /^HTTP\/1\.1 502 .*Content-Type: text\/plain.*\r\n\r\nalice-home is offline\.$/s);
  });
});

Deno.test("a stranger holds many connections open: the owner is served, and the stranger's end", async () => {
  await withForwarder(() => Promise.resolve(echo()), async (port) => {
    const held = await Promise.all(
      Array.from({ length: 200 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
    );
    assert.equal(text(await exchanged(client(port, keys), "hello", 5)), "hello");
    const ends = await Promise.all(held.map((each) => each.read(new Uint8Array(1)).catch(() => null)));
    assert.deepEqual(new Set(ends), new Set([null]));
    for (const each of held) each.close();
  });
});

Deno.test("the client leaves while the lender is dialled: the dial is aborted", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const lender = (signal: AbortSignal) =>
    new Promise<LenderConnection>((_, reject) =>
      signal.addEventListener("abort", () => {
        reject(signal.reason);
        resolve();
      })
    );
  await withForwarder(lender, async (port) => {
    const socket = client(port, keys);
    await new Promise<void>((ready) => socket.once("secureConnect", () => ready()));
    socket.destroy();
    await promise;
  });
});
