/** Heads of requests to the API server, built from a client's head. Nothing is copied that isn't on the list. */
import { type ClientHead, isSafePath } from "./client_head.ts";
import { passes, streamProtocolHeader } from "./passed_headers.ts";

/** Parts of a request that only this server decides. */
export interface UpstreamRequest {
  /** Path on the API server, without a query. */
  path: string;
  /** Name and port of the API server. */
  host: string;
  /** `Bearer` and a token. */
  authorization: string;
}

/**
 * Builds the head, with its final empty line.
 *
 * @throws {Error} if the path, the host or the token is empty or malformed: such a request is never sent
 */
export function upstreamHead(head: ClientHead, { path, host, authorization }: UpstreamRequest): string {
  if (!isSafePath(path)) throw new Error("The path of a request to the API server is malformed.");
  if (!/^[A-Za-z0-9.:[\]-]+$/.test(host)) throw new Error("The API server's address is malformed.");
  if (!/^Bearer [A-Za-z0-9._~+/-]+=*$/.test(authorization)) throw new Error("The token is missing or malformed.");
  const lines = [
    `${head.method} ${path}${head.query === "" ? "" : `?${head.query}`} HTTP/1.1`,
    `host: ${host}`,
    `authorization: ${authorization}`,
    ...connectionLines(head),
  ];
  for (const [name, value] of head.headers) {
    if (!passes(name, "request", head.upgrade !== undefined)) continue;
    const each = name === streamProtocolHeader ? value.split(/[ ,]+/).filter((version) => version !== "") : [value];
    lines.push(...each.map((one) => `${name}: ${one}`));
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function connectionLines({ body, upgrade, close }: ClientHead): string[] {
  if (upgrade !== undefined) {
    const length = body.kind === "length" ? ["content-length: 0"] : [];
    return ["connection: Upgrade", `upgrade: ${upgrade === "websocket" ? "websocket" : "SPDY/3.1"}`, ...length];
  }
  const connection = `connection: ${close ? "close" : "keep-alive"}`;
  if (body.kind === "none") return [connection];
  return [connection, body.kind === "length" ? `content-length: ${body.length}` : "transfer-encoding: chunked"];
}
