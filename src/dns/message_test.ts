import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
// @ts-types="./dns_packet.d.ts"
import dnsPacket from "dns-packet";
import type { Packet, ResourceRecord } from "./dns_packet.d.ts";
import { canonicalAddress } from "./canonical_address.ts";
import { LookupError, problemOf } from "./lookup.ts";
import { encodeQuery, type Query, readAnswer } from "./message.ts";

const query: Query = { id: 7, name: "www.example.com", family: "A" };
const record = (name: string, type: string, data: unknown, ttl = 300): ResourceRecord => ({ name, type, data, ttl });
const soa = (minimum: number, ttl: number) =>
  record("example.com", "SOA", { mname: "ns", rname: "x", serial: 1, refresh: 1, retry: 1, expire: 1, minimum }, ttl);

function answer(answers: ResourceRecord[], more: Partial<Packet> = {}): Packet {
  return {
    id: 7,
    type: "response",
    flags: 0x0180,
    questions: [{ name: "www.example.com", type: more.questions?.[0]?.type ?? "A" }],
    answers,
    ...more,
  };
}
const read = (packet: Packet, asked = query) => readAnswer(dnsPacket.encode(packet), asked);
const says = (packet: Packet) => {
  const { addresses, missing, ttlMs } = read(packet);
  return [missing ?? addresses, ttlMs / 1000];
};

Deno.test("message: query: asks to resolve one name, unchanged", () => {
  const bytes = encodeQuery({ id: 4711, name: "db.example", family: "AAAA" });
  assert.equal(new DataView(bytes.buffer, bytes.byteOffset).getUint16(0), bytes.length - 2);
  const { id, type, flags, questions, answers, additionals } = dnsPacket.decode(Buffer.from(bytes.slice(2)));
  assert.deepEqual(
    { id, type, flags, questions, answers, additionals },
    {
      id: 4711,
      type: "query",
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name: "db.example", type: "AAAA", class: "IN" }],
      answers: [],
      additionals: [],
    },
  );
});

const answers: [string, Packet, unknown][] = [
  [
    "addresses, with the shortest TTL",
    answer([record("www.example.com", "A", "192.0.2.2"), record("www.example.com", "A", "192.0.2.1", 20)]),
    [["192.0.2.2", "192.0.2.1"], 20],
  ],
  [
    "names in any case",
    answer([record("WWW.example.COM", "A", "192.0.2.1")], { questions: [{ name: "www.EXAMPLE.com", type: "A" }] }),
    [["192.0.2.1"], 300],
  ],
  [
    "a repeated address",
    answer([record("www.example.com", "A", "192.0.2.1"), record("www.example.com", "A", "192.0.2.1")]),
    [["192.0.2.1"], 300],
  ],
  [
    "aliases, in any order, whose TTL counts too",
    answer([
      record("b.example", "A", "192.0.2.1"),
      record("a.example", "CNAME", "b.example", 50),
      record("www.example.com", "CNAME", "a.example", 60),
    ]),
    [["192.0.2.1"], 50],
  ],
  [
    "records that the name doesn't lead to",
    answer([
      record("www.example.com", "CNAME", "a.example", 60),
      record("www.example.com", "A", "192.0.2.9", 1),
      record("b.example", "A", "192.0.2.8", 1),
      record("a.example", "AAAA", "2001:db8::1", 1),
      { ...record("a.example", "A", "192.0.2.7", 1), class: "CH" },
      record("a.example", "A", "192.0.2.1"),
    ]),
    [["192.0.2.1"], 60],
  ],
  ["no such name", answer([], { flags: 0x0183, authorities: [soa(40, 900)] }), ["NXDOMAIN", 40]],
  ["no such name, SOA with the shorter TTL", answer([], { flags: 0x0183, authorities: [soa(900, 30)] }), [
    "NXDOMAIN",
    30,
  ]],
  ["no such name, and no SOA", answer([], { flags: 0x0183 }), ["NXDOMAIN", 60]],
  [
    "an alias of no such name",
    answer([record("www.example.com", "CNAME", "a.example", 9)], { flags: 0x0183, authorities: [soa(40, 900)] }),
    ["NXDOMAIN", 9],
  ],
  ["no address", answer([], { authorities: [soa(40, 900)] }), ["NODATA", 40]],
  ["an alias without an address", answer([record("www.example.com", "CNAME", "a.example", 7)]), ["NODATA", 7]],
  ["an invalid TTL", answer([record("www.example.com", "A", "192.0.2.1", 2 ** 31)]), [["192.0.2.1"], 0]],
];
for (const [what, packet, expected] of answers) {
  Deno.test(`message: answer with ${what}: read`, () => assert.deepEqual(says(packet), expected));
}

Deno.test("message: IPv6 addresses: canonical; IPv4-mapped ones are ignored", () => {
  const packet = answer([
    record("www.example.com", "AAAA", "2001:db8:0:0:0:0:0:1"),
    record("www.example.com", "AAAA", "::ffff:192.0.2.1"),
  ], { questions: [{ name: "www.example.com", type: "AAAA" }] });
  assert.deepEqual(read(packet, { ...query, family: "AAAA" }).addresses, ["2001:db8::1"]);
  packet.answers!.shift();
  assert.equal(read(packet, { ...query, family: "AAAA" }).missing, "NODATA");
});

const good = answer([record("www.example.com", "A", "192.0.2.1")]);
const bad: [string, Packet, RegExp][] = [
  ["another id", { ...good, id: 8 }, /doesn't answer the query/],
  ["a query", { ...good, type: "query" }, /doesn't answer the query/],
  ["another operation", { ...good, flags: 0x2180 }, /doesn't answer the query/],
  ["another name", { ...good, questions: [{ name: "example.com", type: "A" }] }, /another query/],
  ["another type", { ...good, questions: [{ name: "www.example.com", type: "AAAA" }] }, /another query/],
  ["another class", { ...good, questions: [{ ...good.questions[0]!, class: "CH" }] }, /another query/],
  ["no question", { ...good, questions: [] }, /another query/],
  ["two questions", { ...good, questions: [...good.questions, ...good.questions] }, /another query/],
  ["a truncated answer", { ...good, flags: 0x0380 }, /only part/],
  ["SERVFAIL", { ...good, flags: 0x0182 }, /^answers SERVFAIL$/],
  ["REFUSED, without the question", { ...good, flags: 0x0185, questions: [] }, /^answers REFUSED$/],
  ["an unassigned code", { ...good, flags: 0x018f }, /^answers /],
  [
    "a loop of aliases",
    answer([record("www.example.com", "CNAME", "a.example"), record("a.example", "CNAME", "www.example.com")]),
    /aliases/,
  ],
  ["a referral", answer([], { authorities: [record("example.com", "NS", "ns.example.com")] }), /other nameservers/],
];
for (const [what, packet, message] of bad) {
  Deno.test(`message: ${what}: no reliable answer`, () => {
    assert.throws(() => read(packet), (error) => error instanceof LookupError && message.test(error.message));
  });
}

Deno.test("message: truncated or with trailing bytes: no reliable answer", () => {
  const bytes = [...dnsPacket.encode(good)];
  for (const wrong of [...bytes.keys()].map((length) => bytes.slice(0, length)).concat([[...bytes, 0]])) {
    assert.throws(() => readAnswer(Uint8Array.from(wrong), query), /can't be read/, `${wrong.length} bytes`);
  }
});

Deno.test("message: bytes removed, added, changed or random: an answer or a LookupError", () => {
  const valid = dnsPacket.encode(answer([
    record("www.example.com", "CNAME", "a.example", 60),
    record("a.example", "A", "192.0.2.1"),
    record("a.example", "TXT", ["x"]),
  ], { authorities: [soa(1, 1)], additionals: [{ name: ".", type: "OPT" }] }));
  const changed = fc.tuple(
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }),
    fc.nat(valid.length),
    fc.uint8Array({ maxLength: 20 }),
  ).map(([changes, length, more]) => {
    const bytes = Uint8Array.from(valid);
    for (const [at, value] of changes) bytes[at] = value;
    return Uint8Array.from([...bytes.subarray(0, length), ...more]);
  });
  const random = fc.uint8Array({ maxLength: 600 }).map((bytes) => {
    bytes.set(valid.subarray(0, Math.min(bytes.length, 12)));
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(changed, random, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        const { addresses, missing, ttlMs } = readAnswer(bytes, query);
        assert.equal(addresses.length === 0, missing !== undefined);
        assert(ttlMs >= 0 && ttlMs < 2 ** 31 * 1000);
        for (const address of addresses) assert.equal(canonicalAddress(address), address);
      } catch (error) {
        assert(error instanceof LookupError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("message: any valid name: encoded and decoded unchanged", () => {
  const part = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(".")), (name) => {
    if (name.length > 253) assert.match(problemOf(name)!, /253/);
    else {
      assert.equal(problemOf(name), undefined);
      const [question] = dnsPacket.decode(Buffer.from(encodeQuery({ ...query, name }).slice(2))).questions;
      assert.equal(question!.name, name);
    }
  }));
});

Deno.test("message: invalid name: problemOf names it", () => {
  for (const name of ["", ".", "a..b", "-a.example", `${"a".repeat(64)}.example`, "a b.example", "ä.example"]) {
    assert.match(problemOf(name) ?? "", /is not a DNS name/, name);
  }
  assert.equal(problemOf("_sip.Example.com."), undefined);
});
