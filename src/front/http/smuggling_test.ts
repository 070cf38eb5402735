import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { secondReading } from "../../../tests/support/second_parser.ts";
import { framed, framedEnd } from "./body_reader.ts";
import { parseClientHead } from "./client_head.ts";
import { latin1Bytes, latin1Text } from "./head_reader.ts";
import { BadRequest } from "./malformed.ts";
import { MessageSource } from "./message_source.ts";
import { upstreamHead } from "./upstream_head.ts";

/** A request as the front takes it from a connection. */
interface Taken {
  method: string;
  target: string;
  body: string;
}

/**
 * Passes all that a client sends on one connection to the API server, as the tailnet server does. Returns the requests
 * of which the front knows, and the bytes for the API server. The connection ends with the first thing that is refused.
 */
async function passed(text: string, pieceOf: (left: number) => number = (left) => left) {
  const bytes = latin1Bytes(text);
  let at = 0;
  const source = new MessageSource(() => {
    if (at === bytes.length) return Promise.resolve(undefined);
    const piece = bytes.subarray(at, at + pieceOf(bytes.length - at));
    at += piece.length;
    return Promise.resolve(piece);
  }, "request");
  const taken: Taken[] = [];
  let upstream = "";
  try {
    for (let head = await source.head(); head !== undefined; head = await source.head()) {
      const parsed = parseClientHead(head);
      const request = { method: parsed.method, target: parsed.query ? `${parsed.path}?${parsed.query}` : parsed.path };
      upstream += upstreamHead(parsed, { path: parsed.path, host: "10.0.0.1", authorization: "Bearer ours" });
      taken.push({ ...request, body: "" });
      for await (const data of source.body(parsed.body)) {
        upstream += framed(data, parsed.body).map(latin1Text).join("");
        taken.at(-1)!.body += latin1Text(data);
      }
      upstream += framedEnd(parsed.body).map(latin1Text).join("");
      if (parsed.close || parsed.upgrade !== undefined) break;
    }
  } catch (error) {
    assert.ok(error instanceof BadRequest, String(error));
  }
  return { taken, upstream };
}

/** Compares the front's requests with those that the second parser finds in the bytes for the API server. */
function compare({ taken, upstream }: Awaited<ReturnType<typeof passed>>): void {
  const { messages, error } = secondReading(latin1Bytes(upstream));
  assert.equal(error, undefined);
  const found = messages.map(({ method, target, body }) => ({ method, target, body }));
  if (JSON.stringify(found) !== JSON.stringify(taken)) assert.deepEqual(found, taken);
  for (const { headers } of messages) {
    const identities = headers.filter(([name]) => /^(authorization|impersonate|x-remote|cookie)/i.test(name));
    if (identities.join("\n") !== "authorization,Bearer ours") assert.deepEqual(identities, []);
  }
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\nImpersonate-User: system:admin\r\n\r\n";
const post = (...lines: string[]): string => ["POST /first HTTP/1.1", "Host: a", ...lines, "", ""].join("\r\n");

/** Connections that smuggle a request through some proxy, by the name of the difference that they use. */
const attacks: [string, string][] = [
  ["CL.TE", post("Content-Length: 6", "Transfer-Encoding: chunked") + `0\r\n\r\n${smuggled}`],
  ["TE.CL", post("Content-Length: 4", "Transfer-Encoding: chunked") + `5c\r\n${smuggled}\r\n0\r\n\r\n`],
  ["TE.TE by a space", post("Transfer-Encoding: chunked", "Transfer-Encoding : x") + `0\r\n\r\n${smuggled}`],
  ["TE.TE by a list", post("Transfer-Encoding: identity, chunked", "Content-Length: 5") + `0\r\n\r\n${smuggled}`],
  ["TE.TE by a quote", post('Transfer-Encoding: "chunked"', "Content-Length: 5") + `0\r\n\r\n${smuggled}`],
  ["TE.TE by a fold", post("Transfer-Encoding:", " chunked", "Content-Length: 5") + `0\r\n\r\n${smuggled}`],
  ["TE.TE by a line feed", post("X: y\nTransfer-Encoding: chunked", "Content-Length: 5") + `0\r\n\r\n${smuggled}`],
  ["TE.TE by an underscore", post("Transfer_Encoding: chunked", "Content-Length: 5") + `0\r\n\r\n${smuggled}`],
  ["CL.CL", post("Content-Length: 0", `Content-Length: ${smuggled.length}`) + smuggled],
  ["CL.0 by a sign", post(`Content-Length: +${smuggled.length}`) + smuggled],
  ["CL.0 by an underscore", post("Content_Length: 0", `Content-Length: ${smuggled.length}`) + smuggled],
  ["0.CL by GET", `GET /first HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`],
  ["0.CL by an expectation", post("Expect: 100-continue, x", `Content-Length: ${smuggled.length}`) + smuggled],
  ["TE.0 by OPTIONS", post("Transfer-Encoding: chunked").replace("POST", "OPTIONS") + `5c\r\n${smuggled}\r\n0\r\n\r\n`],
  ["TE in HTTP/1.0", post("Transfer-Encoding: chunked").replace("1.1", "1.0") + `0\r\n\r\n${smuggled}`],
  ["a terminator in a chunk extension", post("Transfer-Encoding: chunked") + `0;\n\n\r\n${smuggled}`],
  ["a chunk's length by overflow", post("Transfer-Encoding: chunked") + `100000000\r\n0\r\n\r\n${smuggled}`],
  ["a chunk's spill", post("Transfer-Encoding: chunked") + `5\r\n01234xx0\r\n\r\n${smuggled}`],
  ["a trailer", post("Transfer-Encoding: chunked") + "0\r\nContent-Length: 100\r\nAuthorization: b\r\n\r\n" + smuggled],
  ["an upgrade to h2c", post("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 0") + smuggled],
  [
    "an upgrade with more behind it",
    "GET /first HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  ],
  ["a request line in a path", `GET /first%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n`],
  ["a head in a header", post("X: y\r\r\n\r\n" + smuggled, "Content-Length: 0")],
  ["a second head behind NUL", post("X: y\0\r\n\r\n" + smuggled, "Content-Length: 0")],
  ["Connection: Content-Length", post("Connection: Content-Length", `Content-Length: ${smuggled.length}`) + smuggled],
  ["Connection: close", post("Connection: close", "Content-Length: 0") + smuggled],
];
for (const [that, text] of attacks) {
  Deno.test(`connection with ${that}: the API server sees no request but those of the front`, async () => {
    for (const pieces of [(left: number) => left, () => 1, () => 7]) {
      const result = await passed(text, pieces);
      compare(result);
      assert.ok(result.taken.every(({ target }) => target === "/first"), JSON.stringify(result.taken));
    }
  });
}

Deno.test("connection with valid requests in a row: each with its own body", async () => {
  const text = post("Content-Length: 3") + "abc" + post("Transfer-Encoding: chunked") +
    "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n" +
    "GET /last?a=b HTTP/1.1\r\nHost: a\r\n\r\n";
  const result = await passed(text, () => 5);
  compare(result);
  assert.deepEqual(result.taken.map(({ target, body }) => [target, body]), [
    ["/first", "abc"],
    ["/first", "def"],
    ["/last?a=b", ""],
  ]);
});

/** Number of connections; more for the record, as for heads: `KEYSTONE_HEADS`. */
const count = Math.ceil(Number(Deno.env.get("KEYSTONE_HEADS") ?? 100_000) / 10);

Deno.test(`${count} random connections: the API server sees the requests that the front sees`, async () => {
  const random = new SeededRandom(9);
  const heads = [
    ...["Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked", "Expect: 100-continue", "Accept: a"],
    ...["Connection: close", "Connection: keep-alive", "X-Remote-User: a", "Cookie: a", "Content-Length: 05"],
  ];
  const bodies = ["", "hello", "5\r\nhello\r\n0\r\n\r\n", "1\r\na\r\n1;x\r\nb\r\n0\r\n\r\n", "0\r\n\r\n", smuggled];
  const odd = ["\r\n", "\n", "\r", "0", "5", " ", ";", "\0", "\xff"];
  let several = 0;
  for (let round = 0; round < count; round++) {
    let text = "";
    for (let more = 1 + random.below(4); more > 0; more--) {
      const chosen = random.shuffled(heads).slice(0, random.below(3));
      const framing = chosen.find((each) => /^(Content-L|Tr)/.test(each)) ?? "";
      // Mostly the body that the head names.
      const right = framing === "Content-Length: 5"
        ? "hello"
        : framing.startsWith("Tr")
        ? random.of(bodies.slice(2, 5))
        : "";
      text += `${random.of(["POST", "POST", "GET"])} /${more} HTTP/1.1\r\nHost: a\r\n`;
      text += [...chosen, "", ""].join("\r\n") + (random.percent(85) ? right : random.of(bodies));
    }
    if (random.percent(30)) {
      const at = random.below(text.length);
      text = text.slice(0, at) + random.of(odd) + text.slice(at + random.below(3));
    }
    const result = await passed(text, (left) => random.percent(50) ? left : 1 + random.below(40));
    try {
      compare(result);
    } catch (error) {
      throw new Error(`connection ${round}: ${JSON.stringify(text)}`, { cause: error });
    }
    if (result.taken.length > 1) several++;
  }
  assert.ok(several > count / 5, `${several}`);
});
