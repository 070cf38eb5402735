/** Strict parser of HTTP/1.1 request heads: refuses everything that two parsers could understand differently. */
import { connectionOptions, contentLength, headerLines, isChunked } from "./header_lines.ts";
import { BadRequest } from "./malformed.ts";
import { mayBeNamed, mayRepeat } from "./passed_headers.ts";

/** Body of a request. */
export type RequestBody = { kind: "none" } | { kind: "length"; length: number } | { kind: "chunked" };

/** Protocol that a connection changes to: WebSocket, or SPDY as older versions of kubectl use. */
export type UpgradeProtocol = "websocket" | "spdy/3.1";

export interface ClientHead {
  method: string;
  /** Path without its query. Has no encoded characters, empty segments or dot segments. */
  path: string;
  /** Query without its question mark, encoded as sent. */
  query: string;
  /** Headers by lower-case name. Several lines of one header are one list. */
  headers: ReadonlyMap<string, string>;
  body: RequestBody;
  upgrade?: UpgradeProtocol;
  /** True if the client waits for `100 Continue` before it sends the body. */
  expectsContinue: boolean;
  /** True if the client wants the connection closed after the response. */
  close: boolean;
}

/** Rules that differ between the servers of a front. */
export interface HeadPolicy {
  /** Accepts bodies of unknown length. */
  allowsChunked: boolean;
  /** Accepts connections that change to another protocol. */
  allowsUpgrade: boolean;
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);
const pathText = /^\/[A-Za-z0-9._~:@+,=/-]*$/;
/** No semicolon, because parsers differ about it, and no incomplete encoding. */
const queryText = /^(?:[A-Za-z0-9._~:@+,=/?!$'()*&-]|%[0-9A-Fa-f]{2})*$/;
const hostText = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const upgradeProtocols: ReadonlySet<string> = new Set<UpgradeProtocol>(["websocket", "spdy/3.1"]);

/**
 * Parses a head, without its final empty line.
 *
 * @param text one character for each byte (Latin-1)
 * @throws {BadRequest} with the response's status
 */
export function parseRequestHead(text: string, policy: HeadPolicy): ClientHead {
  const [first = "", ...lines] = text.split("\r\n");
  const { method, path, query } = requestLine(first);
  const headers = requestHeaders(lines);
  const options = connectionOptions(headers.get("connection"), "request");
  const named = options.find((name) => !mayBeNamed(name));
  if (named !== undefined) throw new BadRequest(400, `The header connection must not name ${named}.`);
  const body = requestBody(method, headers, policy);
  const upgrade = requestedUpgrade(method, headers, options, body);
  if (upgrade !== undefined && !policy.allowsUpgrade) {
    throw new BadRequest(400, "The header upgrade is set, but the protocol can't be changed here.");
  }
  const expect = headers.get("expect")?.toLowerCase();
  if (expect !== undefined && expect !== "100-continue") {
    throw new BadRequest(417, "The header expect must be 100-continue.");
  }
  return {
    method,
    path,
    query,
    headers,
    body,
    ...(upgrade === undefined ? {} : { upgrade }),
    expectsContinue: expect !== undefined && body.kind !== "none",
    close: options.includes("close"),
  };
}

/** Parses the head of a request to the tailnet server. @throws {BadRequest} */
export const parseClientHead = (text: string): ClientHead =>
  parseRequestHead(text, { allowsChunked: true, allowsUpgrade: true });

function requestLine(line: string): Pick<ClientHead, "method" | "path" | "query"> {
  const [method = "", target = "", version = "", ...more] = line.split(" ");
  if (more.length > 0 || !/^[A-Z]{1,16}$/.test(method) || !/^HTTP\/\d\.\d$/.test(version)) {
    throw new BadRequest(400, "The request line must be METHOD /PATH HTTP/1.1.");
  }
  if (version !== "HTTP/1.1") throw new BadRequest(505, `The version must be HTTP/1.1, not ${version}.`);
  if (!methods.has(method)) throw new BadRequest(405, `The method ${method} is not allowed.`);
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? "" : target.slice(mark + 1);
  if (!isSafePath(path)) {
    throw new BadRequest(
      400,
      "The path must begin with a slash and must have no encoded characters, no semicolon, no empty segment and no " +
        "segment of dots.",
    );
  }
  if (!queryText.test(query)) {
    throw new BadRequest(400, "The query has a character that must be encoded as %XX, or an incomplete one.");
  }
  return { method, path, query };
}

/** Reports whether a path has one meaning only: decoding and cleaning don't change it. */
export const isSafePath = (path: string): boolean =>
  pathText.test(path) && !path.includes("//") && !/\/\.{1,2}(\/|$)/.test(path);

function requestHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of headerLines(lines, "request")) {
    const earlier = headers.get(name);
    if (earlier !== undefined && !mayRepeat(name)) throw new BadRequest(400, `The header ${name} is set twice.`);
    if (name.startsWith("impersonate-")) {
      throw new BadRequest(403, `The header ${name} is set, but requests can't impersonate; omit --as and --as-group.`);
    }
    headers.set(name, [earlier ?? "", value].filter((each) => each !== "").join(", "));
  }
  const host = headers.get("host");
  if (host === undefined) throw new BadRequest(400, "The header host is missing.");
  if (!hostText.test(host)) throw new BadRequest(400, "The header host must be NAME or NAME:PORT.");
  // The API server takes a bearer token from this list, too.
  if (/bearer|authorization/i.test(headers.get("sec-websocket-protocol") ?? "")) {
    throw new BadRequest(403, "The header sec-websocket-protocol must not have a token.");
  }
  return headers;
}

function requestBody(method: string, headers: ReadonlyMap<string, string>, policy: HeadPolicy): RequestBody {
  const given = headers.get("content-length");
  const chunked = isChunked(headers.get("transfer-encoding"), given !== undefined, "request");
  if (chunked && !policy.allowsChunked) {
    throw new BadRequest(411, "The header transfer-encoding is set; send content-length instead.");
  }
  const length = given === undefined ? 0 : contentLength(given, "request");
  if (method === "GET" || method === "HEAD") {
    if (chunked || length > 0) throw new BadRequest(400, `The method ${method} must have no body.`);
    return { kind: "none" };
  }
  if (chunked) return { kind: "chunked" };
  return given === undefined ? { kind: "none" } : { kind: "length", length };
}

/**
 * Returns the protocol to change to. Others are refused, although a server may ignore them: a parser that doesn't ignore
 * them would see no body.
 */
function requestedUpgrade(
  method: string,
  headers: ReadonlyMap<string, string>,
  options: readonly string[],
  body: RequestBody,
): UpgradeProtocol | undefined {
  const protocol = headers.get("upgrade")?.toLowerCase();
  if (protocol === undefined) return undefined;
  if (!upgradeProtocols.has(protocol) || !options.includes("upgrade") || options.includes("close")) {
    throw new BadRequest(400, "The header upgrade must be websocket or SPDY/3.1, and connection must be upgrade.");
  }
  if (method !== "GET" && (method !== "POST" || protocol === "websocket")) {
    throw new BadRequest(400, `The method ${method} must not upgrade to ${protocol}.`);
  }
  if (body.kind === "chunked" || (body.kind === "length" && body.length > 0)) {
    throw new BadRequest(400, "A request that upgrades must have no body.");
  }
  return protocol as UpgradeProtocol;
}
