/** Heads of the API server's responses: parsed as strictly as requests, and built again for the client. */
import { STATUS_CODES } from "node:http";
import type { BodyFraming } from "./body_reader.ts";
import type { ClientHead, UpgradeProtocol } from "./client_head.ts";
import { connectionOptions, contentLength, headerLines, isChunked } from "./header_lines.ts";
import { BadResponse } from "./malformed.ts";
import { passes } from "./passed_headers.ts";

/** Header lines; names are in lower case. */
type HeaderLines = readonly (readonly [name: string, value: string])[];

/** A response before the final one, such as `100 Continue`. It is not passed on. */
export interface InterimResponse {
  kind: "interim";
  status: number;
}

/** The response to a request. */
export interface FinalResponse {
  kind: "final";
  status: number;
  headers: HeaderLines;
  body: BodyFraming;
  /** True if no other request may use the connections: because the server says so, or because an upgrade failed. */
  close: boolean;
}

/** A change of protocol that the client has requested. Only after it are bytes passed on as they are. */
export interface SwitchedResponse {
  kind: "switched";
  status: 101;
  headers: HeaderLines;
  upgrade: UpgradeProtocol;
}

export type ResponseHead = InterimResponse | FinalResponse | SwitchedResponse;

/** Headers that may appear only once, because otherwise it would be unclear which one counts. */
const singleHeaders = [
  "connection",
  "content-length",
  "content-type",
  "content-encoding",
  "transfer-encoding",
  "upgrade",
];

/**
 * Parses a response's head, without its final empty line.
 *
 * @param text one character for each byte (Latin-1)
 * @param request the request that it answers
 * @throws {BadResponse}
 */
export function parseResponseHead(text: string, request: Pick<ClientHead, "method" | "upgrade">): ResponseHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [, code] = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\x20-\x7e]*)?$/.exec(first) ?? [];
  if (code === undefined) throw new BadResponse("The API server's status line is malformed.");
  const status = Number(code);
  const headers = headerLines(lines, "response");
  const values = new Map<string, string>();
  for (const [name, value] of headers) {
    if (values.has(name) && singleHeaders.includes(name)) {
      throw new BadResponse(`The API server's response has the header ${name} twice.`);
    }
    values.set(name, value);
  }
  const options = connectionOptions(values.get("connection"), "response");
  const body = responseBody(status, request.method, values);
  if (status === 101) {
    const upgrade = values.get("upgrade")?.toLowerCase();
    if (request.upgrade === undefined || upgrade !== request.upgrade || !options.includes("upgrade")) {
      throw new BadResponse("The API server changed the protocol to one that was not requested.");
    }
    return { kind: "switched", status, headers, upgrade: request.upgrade };
  }
  if (status < 200) return { kind: "interim", status };
  const close = options.includes("close") || body.kind === "close" || request.upgrade !== undefined;
  return { kind: "final", status, headers: headers.filter(([name]) => !options.includes(name)), body, close };
}

function responseBody(status: number, method: string, values: ReadonlyMap<string, string>): BodyFraming {
  const given = values.get("content-length");
  const length = given === undefined ? undefined : contentLength(given, "response");
  const chunked = isChunked(values.get("transfer-encoding"), given !== undefined, "response");
  if (status < 200 || status === 204 || status === 304) {
    if (chunked || (status !== 304 && length !== undefined && length > 0)) {
      throw new BadResponse(`The API server's response ${status} has a body.`);
    }
    return { kind: "none" };
  }
  if (method === "HEAD") return { kind: "none" };
  if (chunked) return { kind: "chunked" };
  return length === undefined ? { kind: "close" } : { kind: "length", length };
}

/** Builds the client's head, with its final empty line. Encode it as Latin-1. */
export function clientResponseHead(response: FinalResponse | SwitchedResponse, { close }: { close: boolean }): string {
  const isSwitch = response.kind === "switched";
  const lines = [
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}`,
    ...(isSwitch ? switchLines(response.upgrade) : framingLines(response, close)),
    // A browser must not take a pod's log for a page of this server.
    ...(isSwitch ? [] : ["x-content-type-options: nosniff", "content-security-policy: sandbox"]),
  ];
  for (const [name, value] of response.headers) {
    if (passes(name, "response", true)) lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

const switchLines = (upgrade: UpgradeProtocol): string[] => [
  "connection: Upgrade",
  `upgrade: ${upgrade === "websocket" ? "websocket" : "SPDY/3.1"}`,
];

function framingLines({ body, headers, status, close }: FinalResponse, closes: boolean): string[] {
  const connection = close || closes ? ["connection: close"] : [];
  if (body.kind === "chunked") return [...connection, "transfer-encoding: chunked"];
  if (body.kind === "length") return [...connection, `content-length: ${body.length}`];
  // The length of a body that HEAD doesn't send. Not that of a 304, because some parsers wait for its body.
  const length = status === 204 || status === 304
    ? undefined
    : headers.find(([name]) => name === "content-length")?.[1];
  return body.kind === "none" && length !== undefined ? [...connection, `content-length: ${length}`] : connection;
}
