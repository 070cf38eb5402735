import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { secondReading } from "../../../tests/support/second_parser.ts";
import { type BodyFraming, BodyReader, ChunkedReader, framed, framedEnd } from "./body_reader.ts";
import { latin1Bytes, latin1Text } from "./head_reader.ts";
import { BadRequest, BadResponse } from "./malformed.ts";
import { MessageSource } from "./message_source.ts";

/** Decodes a chunked body in one piece. */
function decode(text: string): { data: string; rest?: string } {
  const { data, rest } = new ChunkedReader().read(latin1Bytes(text));
  return { data: latin1Text(data), ...(rest === undefined ? {} : { rest: latin1Text(rest) }) };
}

Deno.test("chunked body: decoded up to its end, and the bytes behind it are the next request's", () => {
  assert.deepEqual(decode("5\r\nhello\r\n001\r\n \r\nA\r\n0123456789\r\n0\r\n\r\nGET /"), {
    data: "hello 0123456789",
    rest: "GET /",
  });
  assert.deepEqual(decode("0\r\n\r\n"), { data: "", rest: "" });
  assert.deepEqual(decode("5\r\nhel"), { data: "hel" });
});

const malformedChunks: [string, string][] = [
  ["an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"],
  ["an extension with a line feed", "5;\nx\r\nhello\r\n0\r\n\r\n"],
  ["a space behind the size", "5 \r\nhello\r\n0\r\n\r\n"],
  ["a space before the size", " 5\r\nhello\r\n0\r\n\r\n"],
  ["a sign", "+5\r\nhello\r\n0\r\n\r\n"],
  ["a prefix", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["an underscore", "1_0\r\nhello\r\n0\r\n\r\n"],
  ["no size", "\r\nhello\r\n0\r\n\r\n"],
  ["9 digits", "000000005\r\nhello\r\n0\r\n\r\n"],
  ["a size beyond all integers", "ffffffffffffffff5\r\nhello\r\n"],
  ["a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"],
  ["a bare carriage return behind the size", "5\rhello\r\n0\r\n\r\n"],
  ["a bare line feed behind the data", "5\r\nhello\n0\r\n\r\n"],
  ["more data than its size", "4\r\nhello\r\n0\r\n\r\n"],
  ["less data than its size", "6\r\nhello\r\n0\r\n\r\n"],
  ["two bytes of data for a line's end", "5\r\nhelloXX0\r\n\r\n"],
  ["a trailer", "5\r\nhello\r\n0\r\nAuthorization: a\r\n\r\n"],
  ["a bare line feed at the end", "0\r\n\n"],
];
for (const [that, text] of malformedChunks) {
  Deno.test(`chunked body with ${that}: refused`, () => {
    assert.throws(() => decode(text), BadRequest);
    assert.throws(() => {
      const reader = new ChunkedReader("response");
      for (const byte of latin1Bytes(text)) reader.read(new Uint8Array([byte]));
    }, BadResponse);
  });
}

Deno.test("chunked body of almost 4 GiB in one chunk: nothing is kept", () => {
  const reader = new ChunkedReader();
  reader.read(latin1Bytes("FFFFFFFF\r\n"));
  const piece = new Uint8Array(1 << 16);
  for (let left = 0xffffffff; left > 0; left -= piece.length) {
    const { data } = reader.read(piece.subarray(0, Math.min(left, piece.length)));
    // A view of the input, not a copy.
    assert.equal(data.buffer, piece.buffer);
  }
  assert.ok(reader.read(latin1Bytes("\r\n0\r\n\r\n")).rest);
});

Deno.test("body of a known length: exactly that, and the rest is the next request's", () => {
  const reader = new BodyReader({ kind: "length", length: 5 });
  assert.deepEqual(reader.read(latin1Bytes("hel")), { data: latin1Bytes("hel") });
  assert.deepEqual(reader.read(latin1Bytes("loGET /")), { data: latin1Bytes("lo"), rest: latin1Bytes("GET /") });
  assert.ok(new BodyReader({ kind: "none" }).isDone);
  assert.ok(new BodyReader({ kind: "length", length: 0 }).isDone);
});

Deno.test("random chunked bodies in random pieces: decoded and written as another parser reads them", () => {
  const random = new SeededRandom(3);
  const chunked: BodyFraming = { kind: "chunked" };
  const head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (let round = 0; round < 2000; round++) {
    const data = Array.from({ length: random.below(5) }, () => "x\r\n0\r\n\r\n5".repeat(1 + random.below(20)));
    const given = latin1Bytes(
      [...data.flatMap((each) => framed(latin1Bytes(each), chunked)), ...framedEnd(chunked)]
        .map((each) => typeof each === "string" ? each : latin1Text(each)).join(""),
    );
    const reader = new ChunkedReader();
    let written = head;
    for (let at = 0; at < given.length;) {
      const next = Math.min(given.length, at + 1 + random.below(30));
      const { data } = reader.read(given.subarray(at, next));
      written += framed(data, chunked).map(latin1Text).join("");
      at = next;
    }
    assert.ok(reader.isDone);
    written += framedEnd(chunked).map(latin1Text).join("");
    const { messages, error } = secondReading(latin1Bytes(written));
    assert.equal(error, undefined);
    assert.deepEqual(messages.map(({ body, complete }) => [body, complete]), [[data.join(""), true]]);
  }
});

/** Returns a source of these texts, and the number of them that were received. */
function sourceOf(texts: string[], side: "request" | "response" = "request") {
  const received = { count: 0 };
  const source = new MessageSource(() => {
    const text = texts[received.count];
    if (text !== undefined) received.count++;
    return Promise.resolve(text === undefined ? undefined : latin1Bytes(text));
  }, side);
  return { source, received };
}
const collected = async (pieces: AsyncIterable<Uint8Array>): Promise<string> =>
  (await Array.fromAsync(pieces)).map(latin1Text).join("");

Deno.test("message source: requests that arrive together: read one after the other", async () => {
  const { source } = sourceOf(["POST / HTTP/1.1\r\n\r\n3\r\nabc\r\n0\r\n\r", "\nGET / HTTP/1.1\r\n\r", "\n"]);
  assert.equal(await source.head(), "POST / HTTP/1.1");
  assert.equal(await collected(source.body({ kind: "chunked" })), "abc");
  assert.ok(source.hasMore);
  assert.equal(await source.head(), "GET / HTTP/1.1");
  assert.equal(await collected(source.body({ kind: "none" })), "");
  assert.equal(await source.head(), undefined);
});

Deno.test("message source: slow receiver: nothing is read ahead of it", async () => {
  const { source, received } = sourceOf(["POST / HTTP/1.1\r\n\r\n", ..."abcdefgh"]);
  await source.head();
  const body = source.body({ kind: "length", length: 8 });
  for (let count = 1; count <= 8; count++) {
    await body.next();
    assert.equal(received.count, 1 + count);
  }
});

Deno.test("message source: body that nobody read to its end: no head is read out of it", async () => {
  const { source } = sourceOf(["POST / HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"]);
  await source.head();
  for await (const _ of source.body({ kind: "length", length: 1000 })) break;
  await assert.rejects(source.head(), /has not been read/);
});

const early: [string, string[], BodyFraming][] = [
  ["a head", ["POST / HT"], { kind: "none" }],
  ["a body of a known length", ["POST / HTTP/1.1\r\n\r\n", "abc"], { kind: "length", length: 4 }],
  ["a chunked body", ["POST / HTTP/1.1\r\n\r\n", "3\r\nabc\r\n"], { kind: "chunked" }],
  ["a chunked body's last chunk", ["POST / HTTP/1.1\r\n\r\n", "0\r\n"], { kind: "chunked" }],
];
for (const [that, texts, framing] of early) {
  Deno.test(`message source: connection closes in ${that}: an error, not the end`, async () => {
    const { source } = sourceOf(texts, "response");
    await assert.rejects(async () => {
      await source.head();
      await collected(source.body(framing));
    }, BadResponse);
  });
}

Deno.test("message source: body that ends with its connection: read to its end", async () => {
  const { source } = sourceOf(["HTTP/1.1 200 OK\r\n\r\n", "abc", "def"], "response");
  await source.head();
  assert.equal(await collected(source.body({ kind: "close" })), "abcdef");
});
