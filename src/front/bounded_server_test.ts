import assert from "node:assert/strict";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { certificatesAt } from "../server/admission/serving_certificates.ts";
import { BoundedServer, type Bounds, type Handler, type RequestRefusal } from "./bounded_server.ts";

const { certificates } = await certificatesAt(undefined, { dns: [], ip: ["127.0.0.1"] }, Date.now());
const ca = certificates.authorities;

const handler: Handler = {
  refuse: ({ path }) => path === "/admit" ? undefined : { status: 404, type: "text/plain", body: "no" },
  answer: (body) => ({ status: 200, type: "text/plain", body: `read ${body.length}` }),
  tooLong: (beginning, { length }) => ({ status: 200, type: "text/plain", body: `${beginning.length} of ${length}` }),
};

interface Scene extends AsyncDisposable {
  server: BoundedServer;
  refusals: RequestRefusal[];
  /** Sends one valid request on a new connection, from an address of this machine. */
  good(from?: string, body?: string): Promise<string>;
  tls(from?: string): Promise<TLSSocket>;
  tcp(): Socket;
}

async function scene(bounds: Partial<Bounds> = {}, given: Handler = handler): Promise<Scene> {
  const refusals: RequestRefusal[] = [];
  const server = await BoundedServer.listen(certificates, {
    hostname: "127.0.0.1",
    port: 0,
    handler: given,
    bounds,
    onRefusal: (why) => refusals.push(why),
  });
  const { port } = server;
  const sockets: Socket[] = [];
  const kept = <T extends Socket>(socket: T): T => {
    socket.on("error", () => {});
    sockets.push(socket);
    return socket;
  };
  const tls = (from = "127.0.0.1") =>
    new Promise<TLSSocket>((resolve, reject) => {
      const where = { host: "127.0.0.1", port, localAddress: from };
      const socket: TLSSocket = kept(connectTls({ ...where, ca }, () => resolve(socket)));
      socket.on("close", () => reject(new Error("closed before the handshake")));
    });
  return {
    server,
    refusals,
    tls,
    tcp: () => kept(connectTcp({ host: "127.0.0.1", port })),
    async good(from, body = "{}") {
      const socket = await tls(from);
      const said = answerOn(socket);
      socket.write(request(body));
      const text = await said;
      socket.destroy();
      return text;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const request = (body: string | Uint8Array, length = body.length) =>
  `POST /admit?timeout=3s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;

/** Reads the next response: status and body, or the text that arrived before the connection closed. */
const answerOn = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = "";
    const read = (chunk: Uint8Array) => {
      text += new TextDecoder().decode(chunk);
      const [, status, length, body] = /^HTTP\/1.1 (\d+)[^]*?content-length: (\d+)[^]*?\r\n\r\n([^]*)$/.exec(text) ??
        [];
      if (body !== undefined && body.length >= Number(length)) done(`${status} ${body}`);
    };
    const end = () => done(`closed${text}`);
    const done = (said: string) => {
      socket.off("data", read).off("close", end);
      resolve(said);
    };
    socket.on("data", read).on("close", end);
  });

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.destroyed ? resolve() : socket.on("close", () => resolve()).resume());

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("bounded server: requests on one connection: answered one after the other", options, async () => {
  await using stage = await scene();
  const socket = await stage.tls();
  for (const body of ["{}", "x".repeat(300_000)]) {
    const said = answerOn(socket);
    socket.write(request(body));
    assert.equal(await said, `200 read ${body.length}`);
  }
  assert.deepEqual(stage.refusals, []);
  assert.equal(stage.server.kept, 0);
});

Deno.test(
  "bounded server: leaves: each connection is closed with its next response, new ones are answered for a while",
  options,
  async () => {
    await using stage = await scene();
    const socket = await stage.tls();
    const before = answerOn(socket);
    socket.write(request("{}"));
    assert.equal(await before, "200 read 2");
    const left = stage.server.leave(200);
    const last = answerOn(socket);
    socket.write(request("{}"));
    assert.equal(await last, "200 read 2");
    assert.equal(await stage.good(), "200 read 2");
    await left;
    assert.ok(socket.destroyed);
  },
);

Deno.test("bounded server: leaves without having answered anybody: at once", options, async () => {
  await using stage = await scene();
  await stage.server.leave(1e9);
});

const refused: [string, string, RegExp][] = [
  ["not HTTP", "hello\r\n\r\n", /^400/],
  ["another version", "POST /admit HTTP/2.0\r\nHost: x\r\n\r\n", /^505/],
  ["an absolute target", "POST https://x/admit HTTP/1.1\r\nHost: x\r\n\r\n", /^400/],
  ["no host", "POST /admit HTTP/1.1\r\n\r\n", /^400 The header host/],
  ["two lengths", "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", /^400 .*twice/],
  ["an invalid length", "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", /^400/],
  ["chunked encoding", "POST /admit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", /^411/],
  ["a folded header", "POST /admit HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", /^400/],
  ["a bare line feed", "POST /admit HTTP/1.1\nHost: x\n\n\r\n\r\n", /^400/],
  ["a space before the colon", "POST /admit HTTP/1.1\r\nHost : x\r\n\r\n", /^400/],
  ["many headers", `POST /admit HTTP/1.1\r\n${"a: b\r\n".repeat(100)}\r\n`, /^431/],
  ["a long head", `POST /admit HTTP/1.1\r\nHost: ${"x".repeat(20_000)}`, /^431/],
  ["another path", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", /^404/],
  ["15 TB", "POST /admit HTTP/1.1\r\nHost: x\r\nContent-Length: 15000000000000\r\n\r\n", /^413/],
  ["more than content-length", request("{}", 1), /^400/],
];
for (const [that, text, says] of refused) {
  Deno.test(`bounded server: ${that}: refused, and the next client is answered`, options, async () => {
    await using stage = await scene();
    const socket = await stage.tls();
    const said = answerOn(socket);
    socket.write(text);
    assert.match(await said, says);
    assert.deepEqual(stage.refusals, ["malformed"]);
    assert.equal(await stage.good(), "200 read 2");
  });
}

Deno.test(
  "bounded server: body of 15 MB: answered from its beginning, nothing is kept in memory",
  options,
  async () => {
    await using stage = await scene();
    const body = "x".repeat(15_000_000);
    assert.match(await stage.good("127.0.0.1", body), /^200 \d+ of 15000000$/);
    assert.equal(stage.server.kept, 0);
  },
);

Deno.test("bounded server: no TLS: closed", options, async () => {
  await using stage = await scene();
  const socket = stage.tcp();
  socket.write("GET / HTTP/1.1\r\n\r\n");
  await closed(socket);
  assert.equal(await stage.good(), "200 read 2");
});

const slow: [string, (stage: Scene) => Promise<Socket>][] = [
  ["no handshake", (stage) => Promise.resolve(stage.tcp())],
  ["a handshake and nothing more", (stage) => stage.tls()],
  ["a head that comes byte by byte", async (stage) => {
    const socket = await stage.tls();
    drip(socket, request("{}").slice(0, -10));
    return socket;
  }],
  ["a body that comes byte by byte", async (stage) => {
    const socket = await stage.tls();
    socket.write(request("", 1000));
    drip(socket, "x".repeat(1000));
    return socket;
  }],
];
function drip(socket: Socket, text: string) {
  let at = 0;
  const timer = setInterval(() => socket.destroyed ? clearInterval(timer) : void socket.write(text[at++] ?? "x"), 50);
  socket.on("close", () => clearInterval(timer));
}
for (const [that, open] of slow) {
  Deno.test(`bounded server: ${that}: closed at its deadline`, options, async () => {
    await using stage = await scene({ handshakeMs: 300, headMs: 300, requestMs: 300 });
    const began = performance.now();
    const socket = await open(stage);
    await closed(socket);
    assert.ok(performance.now() - began < 1500, `${performance.now() - began} ms`);
    assert.deepEqual(stage.refusals, ["slow"]);
    assert.equal(stage.server.connections, 0);
  });
}

Deno.test("bounded server: second request before the first response: closed", options, async () => {
  await using stage = await scene();
  const socket = await stage.tls();
  socket.write(request("{}"));
  socket.write(request("{}"));
  await closed(socket);
  assert.deepEqual(stage.refusals, ["malformed"]);
});

Deno.test(
  "bounded server: 400 half-sent requests: at most 64 connections, and valid requests are answered at once",
  options,
  async () => {
    await using stage = await scene();
    const proven = await stage.tls();
    const first = answerOn(proven);
    proven.write(request("{}"));
    assert.equal(await first, "200 read 2");
    const opened = await Promise.allSettled(Array.from({ length: 400 }, async () => {
      const socket = await stage.tls("127.0.0.2");
      socket.write(request("", 1_000_000));
    }));
    assert.ok(opened.some(({ status }) => status === "fulfilled"));
    assert.ok(stage.server.connections <= 64, `${stage.server.connections}`);
    const began = performance.now();
    for (let round = 0; round < 10; round++) {
      assert.equal(await stage.good(), "200 read 2");
      const said = answerOn(proven);
      proven.write(request("{}"));
      assert.equal(await said, "200 read 2");
    }
    assert.ok(performance.now() - began < 1500, `${performance.now() - began} ms`);
  },
);

Deno.test(
  "bounded server: long bodies exceed the memory limit: the largest is refused, short ones are answered",
  options,
  async () => {
    await using stage = await scene({ kept: 1_000_000 });
    const big = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const socket = await stage.tls();
        const said = answerOn(socket);
        socket.write(request("x".repeat(400_000), 500_000));
        return said;
      }).map((each) => Promise.race([each, new Promise<string>((resolve) => setTimeout(() => resolve("open"), 500))])),
    );
    assert.ok(big.filter((said) => said.startsWith("503")).length >= 6, big.join());
    assert.ok(stage.server.kept <= 1_000_000 + 100_000, `${stage.server.kept}`);
    assert.equal(await stage.good(), "200 read 2");
    assert.ok(stage.refusals.includes("memory"));
  },
);

Deno.test("bounded server: short and long requests: short ones wait for at most one long one", options, async () => {
  const order: number[] = [];
  await using stage = await scene({}, {
    ...handler,
    answer(body) {
      order.push(body.length);
      const until = performance.now() + 30;
      while (performance.now() < until);
      return handler.answer(body, {} as never);
    },
  });
  await Promise.all([
    ...Array.from({ length: 6 }, () => stage.good("127.0.0.2", "x".repeat(1_000_000))),
    ...Array.from({ length: 6 }, () => stage.good()),
  ]);
  // One may be under way when the first of them arrives, and another one arrives during its handshake.
  assert.ok(order.indexOf(2) <= 2, order.join());
});

Deno.test("bounded server: maximum requests per connection: closed after the last one", options, async () => {
  await using stage = await scene({ requestsPerConnection: 2 });
  const socket = await stage.tls();
  for (const _ of [1, 2]) {
    const said = answerOn(socket);
    socket.write(request("{}"));
    assert.equal(await said, "200 read 2");
  }
  await closed(socket);
});

Deno.test("bounded server: handler throws: 500, and the next client is answered", options, async () => {
  let asked = 0;
  await using stage = await scene({}, {
    ...handler,
    answer: (body, head) => {
      if (asked++ === 0) throw new Error("no such field");
      return handler.answer(body, head);
    },
  });
  assert.match(await stage.good(), /^500/);
  assert.equal(await stage.good(), "200 read 2");
});
