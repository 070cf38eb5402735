import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { secondReading } from "../../../tests/support/second_parser.ts";
import { framed, framedEnd } from "./body_reader.ts";
import type { ClientHead } from "./client_head.ts";
import { HeadReader, latin1Bytes, latin1Text } from "./head_reader.ts";
import { BadResponse } from "./malformed.ts";
import { clientResponseHead, parseResponseHead, type ResponseHead } from "./response_head.ts";

type Request = Pick<ClientHead, "method" | "upgrade">;
const get: Request = { method: "GET" };
const exec: Request = { method: "GET", upgrade: "websocket" };
const spdy: Request = { method: "POST", upgrade: "spdy/3.1" };

function read(lines: string[], request: Request = get): ResponseHead {
  const found = new HeadReader("response").read(latin1Bytes(`${lines.join("\r\n")}\r\n\r\n`));
  return parseResponseHead(found!.text, request);
}
const ok = (...lines: string[]): string[] => ["HTTP/1.1 200 OK", ...lines];

const framings: [string, string[], Request, string, boolean][] = [
  ["a length", ok("Content-Length: 5"), get, "length", false],
  ["chunks", ok("Transfer-Encoding: chunked"), get, "chunked", false],
  ["neither: it ends with the connection", ok(), get, "close", true],
  ["a length, to HEAD", ok("Content-Length: 5"), { method: "HEAD" }, "none", false],
  ["204", ["HTTP/1.1 204 No Content"], get, "none", false],
  ["304 with a length", ["HTTP/1.1 304 Not Modified", "Content-Length: 5"], get, "none", false],
  ["an error", ["HTTP/1.1 403 Forbidden", "Content-Length: 5"], get, "length", false],
  ["close", ok("Content-Length: 5", "Connection: close"), get, "length", true],
  ["no reason", ["HTTP/1.1 200", "Content-Length: 0"], get, "length", false],
];
for (const [that, lines, request, kind, close] of framings) {
  Deno.test(`response with ${that}: body ${kind}`, () => {
    const head = read(lines, request);
    assert.ok(head.kind === "final");
    assert.deepEqual([head.body.kind, head.close], [kind, close]);
  });
}

const refused: [string, string[], Request][] = [
  ["both lengths", ok("Content-Length: 5", "Transfer-Encoding: chunked"), get],
  ["two lengths", ok("Content-Length: 5", "Content-Length: 5"), get],
  ["a list of lengths", ok("Content-Length: 5, 6"), get],
  ["another coding", ok("Transfer-Encoding: gzip, chunked"), get],
  ["two content types", ok("Content-Type: a", "Content-Type: b"), get],
  ["a bare line feed in a header", ok("Warning: a\nSet-Cookie: b"), get],
  ["a bare carriage return in a header", ok("Warning: a\rSet-Cookie: b"), get],
  ["a folded header", ok("Warning: a", " b"), get],
  ["a bare line feed in the reason", ["HTTP/1.1 200 OK\nX: y"], get],
  ["HTTP/1.0", ["HTTP/1.0 200 OK"], get],
  ["another protocol", ["ICY 200 OK"], get],
  ["status 600", ["HTTP/1.1 600 No"], get],
  ["status 099", ["HTTP/1.1 099 No"], get],
  ["101 to a plain request", ["HTTP/1.1 101 S", "Connection: Upgrade", "Upgrade: websocket"], get],
  ["101 to another protocol", ["HTTP/1.1 101 S", "Connection: Upgrade", "Upgrade: h2c"], exec],
  ["101 to SPDY for a WebSocket", ["HTTP/1.1 101 S", "Connection: Upgrade", "Upgrade: SPDY/3.1"], exec],
  ["101 without the protocol", ["HTTP/1.1 101 S", "Connection: Upgrade"], exec],
  ["101 without the connection's change", ["HTTP/1.1 101 S", "Upgrade: websocket"], exec],
  [
    "101 with a body's length",
    ["HTTP/1.1 101 S", "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"],
    exec,
  ],
];
for (const [that, lines, request] of refused) {
  Deno.test(`response with ${that}: not passed on`, () => {
    assert.throws(() => read(lines, request), BadResponse);
    assert.throws(() => parseResponseHead(lines.join("\r\n"), request), BadResponse);
  });
}

for (const status of [200, 400, 403, 404, 426, 500, 503]) {
  Deno.test(`upgrade answered with ${status}: a response and the end, no pipe (CVE-2018-1002105)`, () => {
    for (const request of [exec, spdy]) {
      // Even if the answer claims to have upgraded.
      const upgraded = ["Connection: Upgrade", `Upgrade: ${request.upgrade}`];
      for (const more of [[], upgraded]) {
        const head = read([`HTTP/1.1 ${status} X`, "Content-Length: 5", ...more], request);
        assert.ok(head.kind === "final");
        assert.deepEqual([head.body, head.close], [{ kind: "length", length: 5 }, true]);
        const text = clientResponseHead(head, { close: false });
        assert.match(text, /^connection: close$/m);
        assert.doesNotMatch(text, /^upgrade:/m);
      }
    }
  });
}

Deno.test("100 and 103: interim, not passed on", () => {
  for (const status of [100, 102, 103]) assert.deepEqual(read([`HTTP/1.1 ${status} X`]), { kind: "interim", status });
});

Deno.test("WebSocket and SPDY: the change of protocol with its headers", () => {
  const websocket = read(
    ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: a"]
      .concat("Sec-WebSocket-Protocol: v5.channel.k8s.io", "Set-Cookie: a"),
    exec,
  );
  assert.ok(websocket.kind === "switched");
  assert.deepEqual(clientResponseHead(websocket, { close: false }).split("\r\n"), [
    "HTTP/1.1 101 Switching Protocols",
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-accept: a",
    "sec-websocket-protocol: v5.channel.k8s.io",
    "",
    "",
  ]);
  const stream = read(
    ["HTTP/1.1 101 S", "Upgrade: SPDY/3.1", "Connection: Upgrade", "X-Stream-Protocol-Version: v5.channel.k8s.io"],
    spdy,
  );
  assert.ok(stream.kind === "switched");
  assert.match(clientResponseHead(stream, { close: false }), /^x-stream-protocol-version: v5.channel.k8s.io$/m);
});

Deno.test("client's response head: rebuilt from the list; a browser gets no page, no cookie and no other place", () => {
  const head = read(ok(
    ...["Content-Type: text/html", "Content-Length: 5", "Audit-Id: a", 'Warning: 299 - "\xc3\xa4"', "Warning: 299 - b"],
    ...[
      "Set-Cookie: a=b",
      "Location: https://evil",
      "Access-Control-Allow-Origin: *",
      "Refresh: 0",
      "Link: a",
      "Server: a",
    ],
    ...[
      "X-Kubernetes-Pf-Flowschema-Uid: a",
      "Connection: keep-alive, etag",
      "ETag: a",
      "Content-Security-Policy: none",
    ],
    ...[
      "WWW-Authenticate: Basic",
      "Alt-Svc: h3",
      "Keep-Alive: timeout=5",
      "Trailer: a",
      "X-Content-Type-Options: none",
    ],
  ));
  assert.ok(head.kind === "final");
  assert.deepEqual(clientResponseHead(head, { close: false }).split("\r\n"), [
    "HTTP/1.1 200 OK",
    "content-length: 5",
    "x-content-type-options: nosniff",
    "content-security-policy: sandbox",
    "content-type: text/html",
    "audit-id: a",
    'warning: 299 - "\xc3\xa4"',
    "warning: 299 - b",
    "x-kubernetes-pf-flowschema-uid: a",
    "",
    "",
  ]);
});

Deno.test("client's response head: HEAD keeps the length of the body that isn't sent", () => {
  const head = read(ok("Content-Length: 5"), { method: "HEAD" });
  assert.ok(head.kind === "final");
  assert.match(clientResponseHead(head, { close: true }), /^connection: close\r\ncontent-length: 5$/m);
});

const statusLines = ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found", "HTTP/1.1 204 X", "HTTP/1.1 304 X", "HTTP/1.1 201"];
const responseLines = [
  ...["Content-Length: 5", "Content-Length: 0", "Transfer-Encoding: chunked", "Connection: close", "Content-Type: a/b"],
  ...["Warning: 299 - \xc3\xa4", "Set-Cookie: a", "Upgrade: websocket", "Connection: Upgrade", "Trailer: a", "ETag: a"],
  ...["Content-Length: 05", "Transfer-Encoding: gzip", " folded", "X_Y: z", "Location: /x", "Connection: content-type"],
];
const responseBytes = ["\r", "\n", "\r\n", "\0", " ", ":", "\x80", "\x8a", ";", ","];

Deno.test("20,000 random responses: no accepted one is read differently by another parser", () => {
  const random = new SeededRandom(5);
  const next = "HTTP/1.1 299 Next\r\nContent-Length: 0\r\n\r\n";
  let accepted = 0;
  for (let round = 0; round < 20_000; round++) {
    let text = [random.of(statusLines), ...Array.from({ length: random.below(4) }, () => random.of(responseLines))]
      .join("\r\n") + "\r\n\r\n";
    if (random.percent(20)) {
      const at = random.below(text.length);
      text = text.slice(0, at) + random.of(responseBytes) + text.slice(at + random.below(2));
    }
    let head: ResponseHead;
    let given: string;
    try {
      const found = new HeadReader("response").read(latin1Bytes(text));
      if (!found) continue;
      given = found.text;
      head = parseResponseHead(given, get);
    } catch (error) {
      assert.ok(error instanceof BadResponse, String(error));
      continue;
    }
    if (head.kind !== "final" || head.body.kind === "close") continue;
    accepted++;
    const data = head.body.kind === "length" ? "y".repeat(head.body.length) : head.body.kind === "none" ? "" : "zzz";
    const wire = [...framed(latin1Bytes(data), head.body), ...framedEnd(head.body)].map(latin1Text).join("");
    // The second parser waits for the body of a 304 with a length; no client does.
    const isMisread = head.status === 304 && /content-length: 5/i.test(given);
    for (const each of [...(isMisread ? [] : [`${given}\r\n\r\n`]), clientResponseHead(head, { close: false })]) {
      const { messages, error } = secondReading(latin1Bytes(each + wire + next), "RESPONSE");
      assert.equal(error, undefined, JSON.stringify(each));
      assert.deepEqual(messages.map(({ status, body }) => [status, body]), [[head.status, data], [299, ""]], each);
    }
  }
  assert.ok(accepted > 5000, `${accepted}`);
});
