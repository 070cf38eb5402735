import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { type SecondReading, secondReading } from "../../../tests/support/second_parser.ts";
import { framed, framedEnd } from "./body_reader.ts";
import { type ClientHead, parseClientHead } from "./client_head.ts";
import { HeadReader, latin1Bytes, latin1Text } from "./head_reader.ts";
import { BadRequest } from "./malformed.ts";
import { upstreamHead } from "./upstream_head.ts";

/** Number of heads; a million for the record: `KEYSTONE_HEADS=1000000`. */
const count = Number(Deno.env.get("KEYSTONE_HEADS") ?? 100_000);
const seed = Number(Deno.env.get("KEYSTONE_HEADS_SEED") ?? 1);

const token = "Bearer ours";
const apiServer = "10.0.0.1:6443";

/** Parts of valid heads, and of others. */
const parts = {
  method: {
    good: ["GET", "GET", "POST", "POST", "PATCH", "DELETE", "PUT"],
    bad: ["HEAD", "get", "CONNECT", "OPTIONS", "PRI"],
  },
  target: {
    good: [
      ...[
        "/k8s/bob/api/v1/namespaces/guest-bob/pods",
        "/k8s/bob/version",
        "/",
        "/k8s/bob/api?timeout=32s",
        "/k8s/bob/api?",
      ],
      ...["/k8s/bob/api/v1/namespaces/guest-bob/pods/p/exec?command=a&command=%2Fb", "/k8s/bob/api?a=%0d%0aX:%20y"],
    ],
    bad: [
      ...[
        "/k8s/bob/../alice",
        "/k8s/bob/%2e%2e/alice",
        "/k8s//bob",
        "/k8s/bob/./api",
        "/k8s/bob;a=b/api",
        "//evil/api",
      ],
      ...["http://evil/k8s/bob/api", "evil:80", "*", "/api#x", "/k8s\\bob", "/k8s/bob/a%00b", "/?a;b", "/?%", "/a/.."],
    ],
  },
  version: { good: ["HTTP/1.1"], bad: ["HTTP/1.0", "HTTP/2.0", "HTTP/01.1", "http/1.1", "HTTP/1.1 ", ""] },
};
/** Headers of clients, with valid values. */
const goodHeaders: [string, string[]][] = [
  ["Accept", ["*/*", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"]],
  ["accept", ["application/json"]],
  ["Accept-Encoding", ["gzip", ""]],
  ["User-Agent", ["kubectl/v1.34.4 (linux/amd64) kubernetes/$Format"]],
  ["Content-Type", ["application/json", "application/apply-patch+yaml"]],
  ["Kubectl-Command", ["kubectl get"]],
  ["Connection", ["keep-alive", "close", "X-Other", "te, close"]],
  ["If-Match", ['"a"', '"b"']],
  ["Range", ["bytes=0-1"]],
  ["Cookie", ["a=b"]],
  ["X-Forwarded-For", ["100.64.0.1"]],
  ["X-Remote-User", ["system:admin"]],
  ["Authorization", ["Bearer theirs"]],
  ["Proxy-Authorization", ["Basic eDp5"]],
  ["Tailscale-User-Login", ["alice@example.com"]],
  ["X-HTTP-Method-Override", ["DELETE"]],
  ["Expect", ["100-continue"]],
  ["TE", ["trailers"]],
  ["Via", ["1.1 proxy"]],
  ["X-Stream-Protocol-Version", ["v4.channel.k8s.io", "v5.channel.k8s.io"]],
  ["Sec-WebSocket-Protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"]],
];
const names = [
  ...[
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Authorization",
    "Impersonate-User",
    "X Y",
  ],
  ...["Content_Length", "Transfer_Encoding", "X_Remote_User", "Keep-Alive", "Impersonate-Group", "Trailer", "", "Via"],
  ...[
    "content-length",
    "HOST",
    "Content-Length ",
    "Host\t",
    " Host",
    "Sec-WebSocket-Protocol",
    "Content-Type",
    "Range",
  ],
];
const values = [
  ...[
    "alice-home:8443",
    "0",
    "1",
    "5",
    "05",
    "+5",
    "0x5",
    "5, 5",
    "chunked",
    "CHUNKED",
    "chunked, chunked",
    "identity",
  ],
  ...[
    "xchunked",
    "chunked;q=1",
    "\x0bchunked",
    "close",
    "keep-alive",
    "upgrade",
    "Upgrade, close",
    "websocket",
    "SPDY/3.1",
  ],
  ...[
    "h2c",
    "websocket, h2c",
    "Impersonate-User",
    "authorization",
    "content-length, close",
    "100-continue",
    "*/*",
    "gzip",
  ],
  ...[
    "system:admin",
    "Bearer theirs",
    "base64url.bearer.authorization.k8s.io.eA, v4.channel.k8s.io",
    "v4.channel.k8s.io",
  ],
  ...[
    "a\tb",
    "\xe4",
    "\xa0",
    "a\x00b",
    "",
    " ",
    "a:b",
    "a\r\n b",
    "a\rb",
    "a\nb",
    "x".repeat(300),
    "[::1]:80",
    "a_b",
    "@",
  ],
];
/** Bytes to insert anywhere. */
const bytes = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  "\x0b",
  "\x7f",
  "\x80",
  "\xba",
  "%",
  "/",
  ".",
  ";",
  "_",
  "-",
  ",",
  "A",
];

function randomHead(random: SeededRandom): string {
  const part = ({ good, bad }: { good: string[]; bad: string[] }) => random.of(random.percent(95) ? good : bad);
  const lines = [`${part(parts.method)} ${part(parts.target)} ${part(parts.version)}`];
  const given: [string, string][] = random.percent(97) ? [["Host", "alice-home:8443"]] : [];
  if (random.percent(25)) given.push(["Content-Length", String(random.below(20))]);
  else if (random.percent(25)) given.push(["Transfer-Encoding", "chunked"]);
  else if (random.percent(15)) {
    given.push(["Connection", "Upgrade"], ["Upgrade", random.of(["websocket", "SPDY/3.1", "h2c"])]);
  }
  for (let more = random.below(5); more > 0; more--) {
    const [name, good] = random.of(goodHeaders);
    if (random.percent(90)) given.push([name, random.of(good)]);
    else given.push([random.of(random.percent(50) ? names : [name]), random.of(values)]);
  }
  for (const [name, value] of random.shuffled(given)) {
    lines.push(`${name}:${random.of(["", " ", " ", "  "])}${value}${random.percent(5) ? " " : ""}`);
  }
  let text = `${lines.join("\r\n")}\r\n\r\n`;
  for (let more = random.percent(25) ? 1 + random.below(2) : 0; more > 0; more--) {
    const at = random.below(text.length);
    const cut = random.percent(50) ? random.below(3) : 0;
    text = text.slice(0, at) + (random.percent(70) ? random.of(bytes) : "") + text.slice(at + cut);
  }
  return text;
}

/** Reads a head in random pieces. Returns undefined if it is refused or incomplete. */
function read(text: string, random: SeededRandom): { head: ClientHead; text: string } | undefined {
  const reader = new HeadReader();
  const all = latin1Bytes(text);
  try {
    for (let at = 0; at < all.length;) {
      const next = random.percent(20) ? at + 1 + random.below(40) : all.length;
      const found = reader.read(all.subarray(at, next));
      if (found) return { head: parseClientHead(found.text), text: `${found.text}\r\n\r\n` };
      at = next;
    }
  } catch (error) {
    assert.ok(error instanceof BadRequest, String(error));
  }
  return undefined;
}

/** Compares two values; `assert.equal` takes longer than both parsers. */
function same<T>(actual: T, expected: T): void {
  if (actual !== expected) assert.equal(actual, expected);
}

const valuesOf = ({ headers }: SecondReading, name: string): string[] =>
  headers.filter(([each]) => each.toLowerCase().replaceAll("_", "-") === name).map(([, value]) => value);

const listOf = (message: SecondReading, name: string): string =>
  valuesOf(message, name).filter((value) => value !== "").join(", ");

/** Headers by which some server knows a user. */
const identity = /^(authorization|impersonate-.*|x-remote-.*|x-forwarded-.*|tailscale-.*|cookie|proxy-.*|x-.*-user)$/;
/** The headers of `names` that pass. */
const passing = new Set([
  ...["accept", "accept-encoding", "content-type", "user-agent", "if-match", "range", "kubectl-command"],
  ...["sec-websocket-protocol", "x-stream-protocol-version"],
]);
const next = "GET /next HTTP/1.1\r\nHost: next\r\n\r\n";
const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/** Returns a body that ends as the front says. */
function bodyBytes(head: Pick<ClientHead, "body">): { wire: string; data: string } {
  if (head.body.kind === "none") return { wire: "", data: "" };
  const data = head.body.kind === "length" ? body.repeat(10).slice(0, head.body.length) : body;
  const wire = [...framed(latin1Bytes(data), head.body), ...framedEnd(head.body)].map(latin1Text).join("");
  return { wire, data };
}

/** Returns the one message of the bytes, whose body must end where the next request begins. */
function onlyMessage(text: string, head: Pick<ClientHead, "body" | "upgrade">): SecondReading {
  const { wire, data } = bodyBytes(head);
  const { messages, error, rest } = secondReading(latin1Bytes(text + wire + next));
  same(error, undefined);
  const [first, second, ...more] = messages;
  same(first!.body, data);
  assert.ok(first!.complete);
  same(more.length, 0);
  if (first!.upgrade) same(rest, next.length);
  else same(second?.target, "/next");
  return first!;
}

/** Compares the front's reading of a client's head with the second one. */
function compareClient(head: ClientHead, text: string): void {
  const second = onlyMessage(text, head);
  // What and where.
  same(second.method, head.method);
  same(second.target.replace(/\?$/, ""), head.query === "" ? head.path : `${head.path}?${head.query}`);
  const url = new URL(second.target, "http://lender");
  same(url.pathname, head.path);
  same(url.host, "lender");
  same(decodeURIComponent(head.path), head.path);
  same(valuesOf(second, "host").join("\n"), head.headers.get("host"));
  if (head.upgrade !== undefined) assert.ok(second.upgrade);
  // Every header, so that no two readings of one differ.
  for (const [name] of second.headers) {
    same(listOf(second, name.toLowerCase()), head.headers.get(name.toLowerCase()));
  }
}

/** Compares the bytes for the API server, as read by the second parser, with the client's request. */
function compareUpstream(head: ClientHead): void {
  const text = upstreamHead(head, { path: head.path, host: apiServer, authorization: token });
  const second = onlyMessage(text, head);
  // Who.
  same(second.headers.filter(([name]) => identity.test(name)).join("\n"), `authorization,${token}`);
  // What and where.
  same(second.method, head.method);
  same(second.target, head.query === "" ? head.path : `${head.path}?${head.query}`);
  same(valuesOf(second, "host").join("\n"), apiServer);
  same(second.upgrade, head.upgrade !== undefined);
  const framing = [...valuesOf(second, "content-length"), ...valuesOf(second, "transfer-encoding")];
  const { body } = head;
  same(framing.join("\n"), body.kind === "none" ? "" : body.kind === "length" ? String(body.length) : "chunked");
  const own = new Set(["host", "authorization", "connection", "upgrade", "content-length", "transfer-encoding"]);
  for (const [name] of second.headers) {
    assert.ok(own.has(name) || passing.has(name) || name.startsWith("kubectl-"), name);
  }
  for (const [name, value] of head.headers) {
    if (!passing.has(name) || (head.upgrade === undefined && /^(sec|x)-/.test(name))) continue;
    same(
      listOf(second, name),
      name === "x-stream-protocol-version" ? value.split(/[ ,]+/).filter((each) => each !== "").join(", ") : value,
    );
  }
}

Deno.test(`request heads: ${count} random ones: no accepted one is read differently by another parser`, () => {
  const random = new SeededRandom(seed);
  const seen = { accepted: 0, upgrades: 0, chunked: 0, lengths: 0 };
  for (let at = 0; at < count; at++) {
    const text = randomHead(random);
    const found = read(text, random);
    if (!found) continue;
    const { head } = found;
    seen.accepted++;
    if (head.upgrade !== undefined) seen.upgrades++;
    if (head.body.kind === "chunked") seen.chunked++;
    if (head.body.kind === "length") seen.lengths++;
    try {
      compareClient(head, found.text);
      compareUpstream(head);
    } catch (error) {
      throw new Error(`head ${at} of seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  if (Deno.env.has("KEYSTONE_HEADS")) console.log(seen);
  for (const each of Object.values(seen)) assert.ok(each > count / 500, JSON.stringify(seen));
});
