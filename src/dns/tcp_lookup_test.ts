import assert from "node:assert/strict";

// @ts-types="./dns_packet.d.ts"
import dnsPacket from "dns-packet";
import type { DecodedPacket, Packet, ResourceRecord } from "./dns_packet.d.ts";
import { FakeClock, systemClock } from "../../lib/clock/mod.ts";
import { LookupError } from "./lookup.ts";
import { DnsServer, type Respond, send } from "../../tests/fixtures/dns_server.ts";
import { createNames, type Server } from "./create_names.ts";
import { tcpLookup } from "./tcp_lookup.ts";

const packet = (query: DecodedPacket, answers: ResourceRecord[], more: Partial<Packet> = {}): Packet => ({
  id: query.id,
  type: "response",
  flags: 0x0180,
  questions: query.questions,
  answers,
  ...more,
});
const reply = (answers: ResourceRecord[], more: Partial<Packet> = {}): Respond => (query, connection) =>
  send(connection, dnsPacket.streamEncode(packet(query, answers, more)));
const hang: Respond = () => {};
const a = (data: string, ttl = 300, name = "www.example.com") => ({ name, type: "A", data, ttl });
const framed = (length: number, bytes: Iterable<number> = []) => Uint8Array.from([length >> 8, length & 255, ...bytes]);

const never = new AbortController().signal;
const look = (servers: Server[], name = "www.example.com") =>
  tcpLookup({ servers, clock: systemClock })(name, "A", never);

async function failure(lookup: Promise<unknown>): Promise<string> {
  const error = await lookup.then(() => undefined, (error) => error);
  assert(error instanceof LookupError, String(error));
  return error.message.replaceAll(/127\.0\.0\.1:\d+/g, "HOST");
}

Deno.test("tcp: answer with aliases: addresses with its shortest TTL", async () => {
  await using dns = new DnsServer(reply([
    { name: "www.example.com", type: "CNAME", data: "host.example", ttl: 90 },
    a("192.0.2.1", 20, "host.example"),
    a("192.0.2.2", 30, "host.example"),
  ]));
  assert.deepEqual(await look([dns.server]), { addresses: ["192.0.2.1", "192.0.2.2"], ttlMs: 20_000 });
});

Deno.test("tcp: names: absolute, one query each", async () => {
  await using dns = new DnsServer(reply([], { flags: 0x0183 }));
  for (const name of ["db", "db.prod", "www.example.com."]) {
    assert.equal((await look([dns.server], name)).missing, "NXDOMAIN");
  }
  assert.deepEqual(dns.questions, ["db A", "db.prod A", "www.example.com A"]);
});

Deno.test("tcp: answer arrives in pieces: read", async () => {
  await using dns = new DnsServer(async (query, connection) => {
    for (const byte of dnsPacket.streamEncode(packet(query, [a("192.0.2.1")]))) {
      await send(connection, Uint8Array.of(byte));
    }
  });
  assert.deepEqual((await look([dns.server])).addresses, ["192.0.2.1"]);
});

Deno.test("tcp: bytes after the answer: ignored", async () => {
  await using dns = new DnsServer((query, connection) => {
    const bytes = dnsPacket.streamEncode(packet(query, [a("192.0.2.1")]));
    return send(connection, Uint8Array.from([...bytes, ...bytes]));
  });
  assert.deepEqual((await look([dns.server])).addresses, ["192.0.2.1"]);
});

Deno.test("tcp: answer of maximum length: read", async () => {
  const addresses = Array.from({ length: 2000 }, (_, i) => `198.18.${i >> 8}.${i & 255}`);
  await using dns = new DnsServer(reply(addresses.map((data) => a(data))));
  assert.deepEqual((await look([dns.server])).addresses, addresses);
});

const bad: [string, Respond, RegExp][] = [
  ["SERVFAIL", reply([], { flags: 0x0182 }), /^nameserver HOST answers SERVFAIL$/],
  ["REFUSED", reply([], { flags: 0x0185 }), /answers REFUSED/],
  ["a truncated answer", reply([a("192.0.2.1")], { flags: 0x0380 }), /only part/],
  [
    "the answer to something else",
    (query, connection) => reply([a("192.0.2.1")], { id: query.id ^ 1 })(query, connection),
    /doesn't answer the query/,
  ],
  ["garbage", (_, connection) => send(connection, framed(20, Array(20).fill(0xff))), /can't be read/],
  ["an empty message", (_, connection) => send(connection, framed(0)), /can't be read/],
  ["another protocol", (_, connection) => {
    return send(connection, new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")).then(() =>
      connection.closeWrite()
    );
  }, /ends the connection/],
  ["less than its length", async (query, connection) => {
    const bytes = dnsPacket.streamEncode(packet(query, [a("192.0.2.1")]));
    await send(connection, bytes.subarray(0, bytes.length - 1));
    await connection.closeWrite();
  }, /ends the connection/],
  ["the end of the connection", (_, connection) => connection.closeWrite(), /ends the connection without an answer/],
];
for (const [what, respond, message] of bad) {
  Deno.test(`tcp: server sends ${what}: the next one is queried`, async () => {
    await using broken = new DnsServer(respond);
    await using good = new DnsServer(reply([a("192.0.2.1")]));
    assert.match(await failure(look([broken.server])), message);
    assert.deepEqual((await look([broken.server, good.server])).addresses, ["192.0.2.1"]);
    assert.equal(broken.questions.length, 2);
  });
}

Deno.test("tcp: server is silent for 2 s: the next one is queried", async () => {
  await using silent = new DnsServer(hang);
  await using good = new DnsServer(reply([a("192.0.2.1")]));
  const clock = new FakeClock();
  const answer = tcpLookup({ servers: [silent.server, good.server], clock })("www.example.com", "A", never);
  await silent.asked.promise;
  await clock.advance(1999);
  assert.equal(good.questions.length, 0);
  await clock.advance(1);
  assert.deepEqual((await answer).addresses, ["192.0.2.1"]);
  await silent.left.promise;
  assert.equal(clock.pending, 0);
});

Deno.test("tcp: server's answer has no end: given up after 2 s", async () => {
  const more = Promise.withResolvers<void>();
  await using endless = new DnsServer(async (_, connection) => {
    await send(connection, framed(65_535, Array(1000).fill(7)));
    await more.promise;
    await send(connection, new Uint8Array(1000));
  });
  const clock = new FakeClock();
  const failed = failure(tcpLookup({ servers: [endless.server], clock })("www.example.com", "A", never));
  await endless.asked.promise;
  await clock.advance(1000);
  more.resolve();
  await clock.advance(1000);
  assert.equal(await failed, "nameserver HOST does not answer within 2 s");
  assert.equal(clock.pending, 0);
});

Deno.test("tcp: several servers: the last one that answered is queried first; failures are reported in the same order", async () => {
  await using first = new DnsServer(reply([], { flags: 0x0182 }));
  await using second = new DnsServer(reply([a("192.0.2.1")]));
  const lookup = tcpLookup({ servers: [first.server, second.server], clock: systemClock });
  await lookup("www.example.com", "A", never);
  await lookup("www.example.com", "A", never);
  assert.equal(first.questions.length, 1);
  second.respond = reply([], { flags: 0x0185 });
  const message = "nameserver HOST answers SERVFAIL, nameserver HOST answers REFUSED";
  assert.equal(await failure(lookup("www.example.com", "A", never)), message);
  first.respond = reply([a("192.0.2.2")]);
  assert.deepEqual((await lookup("www.example.com", "A", never)).addresses, ["192.0.2.2"]);
});

Deno.test("tcp: server doesn't exist: the error names it", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const servers = [{ hostname: "127.0.0.1", port }];
  assert.equal(await failure(look(servers)), "nameserver HOST refuses connections over TCP");
  assert.equal(await failure(look([])), "there is no nameserver");
});

Deno.test("tcp: server doesn't accept the connection: given up after 2 s", async () => {
  // Nothing accepts, and once its queue is full the kernel doesn't respond either.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr as Deno.NetAddr;
  using _one = await Deno.connect({ port });
  using _two = await Deno.connect({ port });
  const clock = new FakeClock();
  const lookup = tcpLookup({ servers: [{ hostname: "127.0.0.1", port }], clock });
  const failed = failure(lookup("www.example.com", "A", never));
  const abort = new AbortController();
  const aborted = assert.rejects(lookup("www.example.com", "A", abort.signal), /enough/);
  await clock.advance(1999);
  abort.abort(new Error("enough"));
  await aborted;
  await clock.advance(1);
  assert.equal(await failed, "nameserver HOST does not answer within 2 s");
});

Deno.test({
  name: "tcp: permission is missing: the error names it",
  permissions: { net: ["127.0.0.1:1"] },
  fn: async () => {
    const message = await failure(look([{ hostname: "::1", port: 53 }]));
    assert.equal(
      message,
      "nameserver [::1]:53 may not be queried: the operator runs without --allow-net=[::1]:53",
    );
  },
});

Deno.test("tcp: signal aborts: the lookup ends and queries no other server", async () => {
  await using silent = new DnsServer(hang);
  await using other = new DnsServer(hang);
  const clock = new FakeClock();
  const abort = new AbortController();
  const servers = [silent.server, other.server];
  const answer = tcpLookup({ servers, clock })("www.example.com", "A", abort.signal);
  await silent.asked.promise;
  abort.abort(new Error("enough"));
  await assert.rejects(answer, /enough/);
  await silent.left.promise;
  assert.deepEqual(other.questions, []);
  assert.equal(clock.pending, 0);
  await assert.rejects(tcpLookup({ servers, clock })("www.example.com", "A", abort.signal), /enough/);
  assert.equal(silent.questions.length, 1);
});

Deno.test("tcp: outage of the server: names stay resolved", async () => {
  await using dns = new DnsServer((query, connection) => {
    const { name, type } = query.questions[0]!;
    const data = type === "A" ? "192.0.2.1" : "2001:db8::1";
    const flags = name === "none.example" ? 0x0183 : 0x0180;
    return reply(flags === 0x0180 ? [{ name, type, data, ttl: 10 }] : [], { flags })(query, connection);
  });
  const clock = new FakeClock();
  const names = createNames({ servers: [dns.server], clock, shortestTtlMs: 1000 });
  let changed = Promise.withResolvers<void>();
  let awaited = "";
  names.onChange((name) => {
    if (name === awaited) changed.resolve();
  });
  const next = (name: string) => {
    changed = Promise.withResolvers();
    awaited = name;
    return changed.promise;
  };
  const abort = new AbortController();
  const run = names.run(abort.signal);
  try {
    let change = next("www.example.com");
    names.want(new Set(["www.example.com"]));
    await change;
    assert.deepEqual(names.get("www.example.com"), { addresses: ["192.0.2.1", "2001:db8::1"] });
    change = next("none.example");
    names.want(new Set(["www.example.com", "none.example"]));
    await change;
    assert.match(names.get("none.example")?.error ?? "", /none\.example does not exist/);

    dns.respond = reply([], { flags: 0x0182 });
    change = next("www.example.com");
    await clock.advance(10_000);
    assert.deepEqual(names.get("www.example.com")?.addresses.length, 2);
    // Real sockets take real time, which the fake clock doesn't know: a query may end by an answer or by its timeout.
    let over = false;
    change.then(() => over = true);
    for (let i = 0; i < 100 && !over; i++) await clock.advance(5000);
    await change;
    assert.match(names.get("www.example.com")?.error ?? "", /can't be resolved: nameserver /);
  } finally {
    abort.abort();
    await run;
  }
  assert.equal(clock.pending, 0);
});
