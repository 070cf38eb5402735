import assert from "node:assert/strict";
import { SeededRandom } from "../../../tests/simulation/random.ts";
import { type SecondReading, secondReading } from "../../../tests/support/second_parser.ts";
import { bodyBytes, randomHead, readHead } from "../../../tests/support/random_heads.ts";
import type { ClientHead } from "./client_head.ts";
import { latin1Bytes } from "./head_reader.ts";
import { upstreamHead } from "./upstream_head.ts";

/** Number of heads; a million for the record: `KEYSTONE_HEADS=1000000`. */
const count = Number(Deno.env.get("KEYSTONE_HEADS") ?? 100_000);
const seed = Number(Deno.env.get("KEYSTONE_HEADS_SEED") ?? 1);

const token = "Bearer ours";
const apiServer = "10.0.0.1:6443";

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
    const found = readHead(text, random);
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
  for (const each of Object.values(seen)) assert.ok(each > count / 500, JSON.stringify(seen));
});
