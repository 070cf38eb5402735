/** Random request heads, for comparisons of the front's parser with others. */
import assert from "node:assert/strict";
import { framed, framedEnd } from "../../src/front/http/body_reader.ts";
import { type ClientHead, parseClientHead } from "../../src/front/http/client_head.ts";
import { HeadReader, latin1Bytes, latin1Text } from "../../src/front/http/head_reader.ts";
import { BadRequest } from "../../src/front/http/malformed.ts";
import type { SeededRandom } from "../simulation/random.ts";

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
    "x-chunked",
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

/** Returns the bytes of a random head, one character for each: often a valid one, or one with a small error. */
export function randomHead(random: SeededRandom): string {
  const part = ({ good, bad }: { good: string[]; bad: string[] }) => random.of(random.percent(95) ? good : bad);
  const lines = [`${part(parts.method)} ${part(parts.target)} ${part(parts.version)}`];
  const given: [string, string][] = random.percent(97) ? [["Host", "alice-home:8443"]] : [];
  const framing = random.below(100);
  if (framing < 25) given.push(["Content-Length", String(random.below(20))]);
  else if (framing < 45) given.push(["Transfer-Encoding", "chunked"]);
  else if (framing < 55) {
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
export function readHead(text: string, random: SeededRandom): { head: ClientHead; text: string } | undefined {
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

const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/** Returns a body that ends as the front says. */
export function bodyBytes(head: Pick<ClientHead, "body">): { wire: string; data: string } {
  if (head.body.kind === "none") return { wire: "", data: "" };
  const data = head.body.kind === "length" ? body.repeat(10).slice(0, head.body.length) : body;
  const wire = [...framed(latin1Bytes(data), head.body), ...framedEnd(head.body)].map(latin1Text).join("");
  return { wire, data };
}
