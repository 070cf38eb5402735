import assert from "node:assert/strict";
import { type ClientHead, parseClientHead } from "./client_head.ts";
import { HeadReader, latin1Bytes } from "./head_reader.ts";
import { BadRequest } from "./malformed.ts";
import { upstreamHead } from "./upstream_head.ts";

const target = { path: "/api/v1", host: "10.0.0.1:6443", authorization: "Bearer ours" };

/** Reads a head from bytes, as a server does. */
function read(text: string): ClientHead {
  const found = new HeadReader().read(latin1Bytes(`${text}\r\n\r\n`));
  return parseClientHead(found!.text);
}
const get = (...lines: string[]): string => ["GET /k8s/bob/api/v1 HTTP/1.1", "Host: alice", ...lines].join("\r\n");
const post = (...lines: string[]): string => ["POST /k8s/bob/api/v1 HTTP/1.1", "Host: alice", ...lines].join("\r\n");
const line = (first: string): string => `${first}\r\nHost: alice`;

const refused: [string, string, number][] = [
  // Framing.
  ["both lengths", post("Content-Length: 5", "Transfer-Encoding: chunked"), 400],
  ["both lengths, the coding first", post("Transfer-Encoding: chunked", "Content-Length: 0"), 400],
  ["two equal lengths", post("Content-Length: 5", "Content-Length: 5"), 400],
  ["a list of lengths", post("Content-Length: 5, 5"), 400],
  ["a length with a sign", post("Content-Length: +5"), 400],
  ["a length with a leading zero", post("Content-Length: 05"), 400],
  ["a hexadecimal length", post("Content-Length: 0x5"), 400],
  ["a length beyond all integers", post("Content-Length: 9999999999999999999"), 400],
  ["an empty length", post("Content-Length:"), 400],
  ["another coding", post("Transfer-Encoding: gzip, chunked"), 501],
  ["chunked twice", post("Transfer-Encoding: chunked, chunked"), 501],
  ["two codings in two lines", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400],
  ["a coding with a parameter", post("Transfer-Encoding: chunked;q=1"), 501],
  ["a coding behind a vertical tab", post("Transfer-Encoding: \x0bchunked"), 400],
  ["an empty coding", post("Transfer-Encoding:"), 501],
  ["a body of GET", get("Content-Length: 5"), 400],
  ["a chunked body of GET", get("Transfer-Encoding: chunked"), 400],
  ["an expectation that isn't 100-continue", post("Content-Length: 5", "Expect: y 100-continue"), 417],
  // Lines.
  ["a folded line", get("Accept: a", " b"), 400],
  ["a folded line with a tab", get("Accept: a", "\tb"), 400],
  ["a folded first header", `${line("GET / HTTP/1.1").replace("\r\nHost", "\r\n Host")}`, 400],
  ["a bare line feed", get("Accept: a\nAuthorization: b"), 400],
  ["a bare carriage return", get("Accept: a\rAuthorization: b"), 400],
  ["two carriage returns", get("Accept: a\r"), 400],
  ["an empty line before the request", `\r\n${get()}`, 400],
  ["NUL in a value", get("Accept: a\0b"), 400],
  ["a tab in a value", get("Accept: a\tb"), 400],
  ["a byte above ASCII", get("Accept: \xe4"), 400],
  ["a byte that is a colon without its highest bit", get("Authorization\xba b"), 400],
  ["a space before the colon", get("Authorization : b"), 400],
  ["a tab before the colon", get("Authorization\t: b"), 400],
  ["no colon", get("Authorization"), 400],
  ["no name", get(": b"), 400],
  ["an underscore for a hyphen", get("Impersonate_User: admin"), 400],
  ["an underscore for a hyphen in a header that is dropped", get("X_Remote_User: admin"), 400],
  ["65 headers", get(...Array.from({ length: 64 }, (_, at) => `A${at}: b`)), 431],
  // Which one counts.
  ["two hosts", get("Host: bob"), 400],
  ["no host", "GET / HTTP/1.1\r\nAccept: a", 400],
  ["an empty host", "GET / HTTP/1.1\r\nHost:", 400],
  ["a host with a path", "GET / HTTP/1.1\r\nHost: alice/x", 400],
  ["a host with a user", "GET / HTTP/1.1\r\nHost: bob@alice", 400],
  ["two content types", post("Content-Type: a/b", "content-type: c/d"), 400],
  ["two authorizations", get("Authorization: a", "Authorization: b"), 400],
  ["two unknown headers of one name", get("X-Other: a", "X-Other: b"), 400],
  // The request line.
  ["an absolute form", line("GET http://alice/api HTTP/1.1"), 400],
  ["an authority form", line("CONNECT alice:443 HTTP/1.1"), 405],
  ["an authority form of GET", line("GET alice:443 HTTP/1.1"), 400],
  ["an asterisk form", line("GET * HTTP/1.1"), 400],
  ["HTTP/1.0", line("GET / HTTP/1.0"), 505],
  ["HTTP/0.9", line("GET /"), 400],
  ["the preface of HTTP/2", "PRI * HTTP/2.0", 505],
  ["a lower-case method", line("get / HTTP/1.1"), 400],
  ["TRACE", line("TRACE / HTTP/1.1"), 405],
  ["two spaces", line("GET  / HTTP/1.1"), 400],
  ["a tab for a space", line("GET\t/ HTTP/1.1"), 400],
  ["a space at the end", line("GET / HTTP/1.1 "), 400],
  // Paths and queries.
  ...["/a/../b", "/..", "/a/.", "/./a", "//a", "/a//b", "/%2e%2e/b", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%00b", "/a%zz"]
    .map(
      (path): [string, string, number] => [`the path ${path}`, line(`GET ${path} HTTP/1.1`), 400],
    ),
  ...["/a;b", "/a;/../b", "/a\\b", "/a#b", "/a|b", '/a"b', "/a<b", "/a*", "/a'b"].map(
    (path): [string, string, number] => [`the path ${path}`, line(`GET ${path} HTTP/1.1`), 400],
  ),
  ["a semicolon in the query", line("GET /a?b;c HTTP/1.1"), 400],
  ["an incomplete encoding in the query", line("GET /a?b=%4 HTTP/1.1"), 400],
  ["a fragment behind the query", line("GET /a?b#c HTTP/1.1"), 400],
  // Who.
  ["impersonation", get("Impersonate-User: system:admin"), 403],
  ["impersonation by a UID", get("impersonate-uid: 1"), 403],
  ["impersonation by an extra", get("Impersonate-Extra-Scopes: a"), 403],
  [
    "a token among the protocols of a WebSocket",
    get("Sec-WebSocket-Protocol: v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.eA"),
    403,
  ],
  [
    "a token in a second line of the protocols",
    get(
      "Sec-WebSocket-Protocol: v4.channel.k8s.io",
      "sec-websocket-protocol: base64url.bearer.authorization.k8s.io.eA",
    ),
    403,
  ],
  // Upgrades.
  ["an upgrade to h2c", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: a"), 400],
  ["a choice of upgrades", get("Connection: Upgrade", "Upgrade: websocket, h2c"), 400],
  ["an upgrade that Connection doesn't name", get("Upgrade: websocket"), 400],
  ["an upgrade that Connection names in another word", get("Upgrade: websocket", "Connection: not-upgrade"), 400],
  ["an upgrade and close", get("Upgrade: websocket", "Connection: close, upgrade"), 400],
  ["an upgrade with a body", post("Upgrade: SPDY/3.1", "Connection: upgrade", "Content-Length: 5"), 400],
  [
    "an upgrade with a chunked body",
    post("Upgrade: SPDY/3.1", "Connection: upgrade", "Transfer-Encoding: chunked"),
    400,
  ],
  ["a WebSocket by POST", post("Upgrade: websocket", "Connection: upgrade"), 400],
];
for (const [that, text, status] of refused) {
  Deno.test(`request head with ${that}: refused with ${status}`, () => {
    assert.throws(() => read(text), (error) => error instanceof BadRequest && error.status === status);
    // The parser doesn't rely on the reader, except for bytes above ASCII.
    assert.throws(() => parseClientHead(text), BadRequest);
  });
}

Deno.test("request head of a client: method, path, query, framing and connection as sent", () => {
  const head = read(
    ["PATCH /k8s/bob/api/v1/namespaces/guest-bob/configmaps/x?fieldManager=kubectl&force=false HTTP/1.1"]
      .concat("Host: [fd7a::1]:8443", "content-LENGTH:  12 ", "Accept: a", "Connection: close", "Expect: 100-Continue")
      .concat("ACCEPT: b").join("\r\n"),
  );
  assert.deepEqual({ ...head, headers: Object.fromEntries(head.headers) }, {
    method: "PATCH",
    path: "/k8s/bob/api/v1/namespaces/guest-bob/configmaps/x",
    query: "fieldManager=kubectl&force=false",
    headers: {
      "host": "[fd7a::1]:8443",
      "content-length": "12",
      "accept": "a, b",
      "connection": "close",
      "expect": "100-Continue",
    },
    body: { kind: "length", length: 12 },
    expectsContinue: true,
    close: true,
  });
  assert.deepEqual(read(post("Transfer-Encoding: Chunked")).body, { kind: "chunked" });
  assert.deepEqual(read(post("Content-Length: 0")).body, { kind: "length", length: 0 });
  assert.deepEqual(read(get("Content-Length: 0")).body, { kind: "none" });
  assert.equal(read(get("Connection: Upgrade", "Upgrade: WebSocket")).upgrade, "websocket");
});

Deno.test("upstream head: rebuilt from the list, with our own host, token and connection", () => {
  const head = read(post(
    ...[
      "Authorization: Bearer theirs",
      "Accept: a",
      "Accept: b",
      "User-Agent: kubectl",
      "Content-Type: application/json",
    ],
    ...[
      "X-Remote-User: admin",
      "X-Remote-Group: system:masters",
      "X-Forwarded-For: 10.0.0.1",
      "Cookie: a",
      "TE: trailers",
    ],
    ...[
      "Proxy-Authorization: Basic a",
      "Keep-Alive: timeout=5",
      "Transfer-Encoding: chunked",
      "Trailer: Authorization",
    ],
    ...[
      "Kubectl-Command: kubectl apply",
      "Traceparent: 00-a-b-01",
      "X-Other: a",
      "Origin: https://evil",
      "Via: 1.1 proxy",
    ],
    ...[
      "X-Content-Length: 5",
      "X-Stream-Protocol-Version: v4.channel.k8s.io",
      "Sec-WebSocket-Key: a",
      "Expect: 100-continue",
    ],
  ));
  assert.deepEqual(upstreamHead({ ...head, query: "a=b" }, target).split("\r\n"), [
    "POST /api/v1?a=b HTTP/1.1",
    "host: 10.0.0.1:6443",
    "authorization: Bearer ours",
    "connection: keep-alive",
    "transfer-encoding: chunked",
    "accept: a, b",
    "user-agent: kubectl",
    "content-type: application/json",
    "kubectl-command: kubectl apply",
    "traceparent: 00-a-b-01",
    "",
    "",
  ]);
});

const empty: [string, Partial<typeof target>][] = [
  ["no token", { authorization: "" }],
  ["an empty token", { authorization: "Bearer " }],
  ["a token with a second header", { authorization: "Bearer a\r\nImpersonate-User: admin" }],
  ["basic authentication", { authorization: "Basic eDp5" }],
  ["no host", { host: "" }],
  ["a path that isn't clean", { path: "/api/../metrics" }],
  ["a path with a query", { path: "/api?a" }],
  ["a path with a second line", { path: "/api HTTP/1.1\r\nX: y" }],
];
for (const [that, parts] of empty) {
  Deno.test(`upstream head with ${that}: never built (CVE-2026-23990)`, () => {
    assert.throws(() => upstreamHead(read(get()), { ...target, ...parts }), /missing|malformed/);
  });
}

Deno.test("upstream head of SPDY: a line for each version of the protocol, as kubectl sends them", () => {
  const head = read(post(
    ...["Content-Length: 0", "Connection: Upgrade", "Upgrade: SPDY/3.1"],
    ...["X-Stream-Protocol-Version: v5.channel.k8s.io", "X-Stream-Protocol-Version: v4.channel.k8s.io"],
  ));
  assert.deepEqual(upstreamHead(head, target).split("\r\n").slice(3, -2), [
    "connection: Upgrade",
    "upgrade: SPDY/3.1",
    "content-length: 0",
    "x-stream-protocol-version: v5.channel.k8s.io",
    "x-stream-protocol-version: v4.channel.k8s.io",
  ]);
});

Deno.test("headers that Connection names as the client's own: never pass", () => {
  for (const name of ["X-Remote-User", "Keep-Alive", "X-Forwarded-For"]) {
    const head = read(get(`Connection: keep-alive, ${name}`, `${name}: a`));
    assert.doesNotMatch(upstreamHead(head, target), new RegExp(`^${name}:`, "im"));
  }
});

// CVE-2021-31999, CVE-2022-23652, CVE-2023-48312, CVE-2025-64484 and the lesson of Go's Director: a proxy adds its
// identity headers, and then removes them, because the client's Connection names them.
const removable = [
  "Authorization",
  "Host",
  "Content-Type",
  "Content-Length",
  "Accept",
  "Sec-WebSocket-Key",
  "If-Match",
];
for (const name of removable) {
  Deno.test(`request head whose Connection names ${name}: refused, so that nothing is removed that counts`, () => {
    assert.throws(() => read(get(`Connection: close, ${name.toLowerCase()}`)), /must not name/);
    assert.throws(() => read(get("Connection: close", `connection:${name}`)), /must not name/);
  });
}

Deno.test("Connection names the impersonated user (CVE-2021-31999, CVE-2022-23652): ours is the only identity", () => {
  const head = read(get("Connection: Impersonate-User, Impersonate-Group"));
  const identities = upstreamHead(head, target).match(/^(authorization|impersonate|x-remote).*$/gim);
  assert.deepEqual(identities, ["authorization: Bearer ours"]);
});

Deno.test("head reader: any pieces give the same head, and the bytes behind it", () => {
  const text = `${get("Accept: a")}\r\n\r\n`;
  for (let cut = 0; cut <= text.length; cut++) {
    const reader = new HeadReader();
    const first = reader.read(latin1Bytes(text.slice(0, cut)));
    const found = first ?? reader.read(latin1Bytes(`${text.slice(cut)}rest`));
    assert.equal(found?.text, get("Accept: a"));
    assert.equal(found?.rest.length, first ? 0 : 4);
  }
});

Deno.test("head reader: byte by byte up to the limit: in linear time, then refused with 431", () => {
  const reader = new HeadReader("request", 64 * 1024);
  const bytes = latin1Bytes(get(`Accept: ${"a ".repeat(40_000)}`));
  const began = performance.now();
  let at = 0;
  assert.throws(() => {
    while (at < bytes.length) reader.read(bytes.subarray(at, ++at));
  }, (error) => error instanceof BadRequest && error.status === 431);
  assert.equal(at, 64 * 1024);
  assert.ok(performance.now() - began < 2000, `${performance.now() - began} ms`);
});

Deno.test("head reader: TLS on the plain port: refused at its first byte", () => {
  assert.throws(() => new HeadReader().read(new Uint8Array([0x16, 3, 1])), BadRequest);
});

Deno.test("request head of 64 KiB of spaces and colons: parsed or refused at once", () => {
  for (const filler of [" ", ":", ",", "a,", "%41", "../", "-"]) {
    const long = filler.repeat(60_000 / filler.length);
    const began = performance.now();
    for (
      const text of [get(`Accept: a${long}b`), get(`Connection: ${long}`), line(`GET /a?${long} HTTP/1.1`), get(long)]
    ) {
      for (const end of ["", "\x7f"]) {
        try {
          upstreamHead(parseClientHead(text + end), target);
        } catch (error) {
          assert.ok(error instanceof BadRequest);
        }
      }
    }
    assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms for ${JSON.stringify(filler)}`);
  }
});
