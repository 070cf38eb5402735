/**
 * A transport for what Deno's `fetch` can't do: another name in the server's certificate than the URL's host, or a
 * certificate that isn't checked. Loaded only for such clusters.
 */
import { Agent, request } from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import { connect, type ConnectionOptions } from "node:tls";
import type { ClientCertificate, ClientConfig } from "./client_config.ts";
import { openTunnel } from "./proxy_tunnel.ts";
import { parseProxyUrl } from "./proxy_url.ts";

/** A request as for `fetch`. */
export interface NodeRequest {
  method: string;
  headers: readonly (readonly [string, string])[];
  body?: string | undefined;
  signal: AbortSignal;
}

/** Connections to one server, kept until they are closed. */
export interface NodeTransport {
  /** Rejects with a `TypeError` with a cause, as `fetch` does. */
  fetch(url: string, request: NodeRequest): Promise<Response>;
  close(): void;
}

/** Opens connections to the server of the configuration. */
export function nodeTransport(
  { source, tlsServerName, insecureSkipTlsVerify, proxyUrl }: ClientConfig,
  caCerts: string | undefined,
  certificate: ClientCertificate | undefined,
): NodeTransport {
  const agent = new Agent({
    keepAlive: true,
    // Without a list Deno reads its own authorities, which needs the permission --allow-sys=ca.
    ...(caCerts !== undefined ? { ca: [caCerts] } : insecureSkipTlsVerify ? { ca: [] } : {}),
    ...(certificate && { cert: certificate.certificate, key: certificate.key }),
    ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
    rejectUnauthorized: !insecureSkipTlsVerify,
  });
  let isClosed = false;
  if (proxyUrl !== undefined) {
    const proxy = parseProxyUrl(proxyUrl, source);
    agent.createConnection = (options, done) => {
      const { host, port, servername = "" } = options as ConnectionOptions;
      openTunnel(proxy, host!, Number(port)).then((socket) => {
        // The agent would keep it open for the next request.
        if (isClosed) socket.destroy(new Error("The client was closed."));
        // A name is for TLS only if it is no address.
        const secured = connect({
          ...options as ConnectionOptions,
          socket,
          servername: isIP(servername) ? "" : servername,
        });
        done!(null, secured);
      }, (error) => done!(error, undefined as never));
      // By Node's contract the connection is either returned or given to the callback.
      return undefined as never;
    };
  }
  return {
    fetch: (url, { method, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const call = request(url, { agent, method, headers: linesOf(headers), signal });
        call.on("error", (error) => reject(new TypeError("fetch failed", { cause: error })));
        call.on("response", (response) => {
          const status = response.statusCode!;
          const body = status === 204 || status === 304 ? null : Readable.toWeb(response);
          if (body === null) response.resume();
          const answered = Object.entries(response.headers).map(([name, value]): [string, string] => [
            name,
            String(value),
          ]);
          resolve(new Response(body as ReadableStream<Uint8Array> | null, { status, headers: answered }));
        });
        call.end(body);
      }),
    close: () => {
      isClosed = true;
      agent.destroy();
    },
  };
}

/** Returns the values of each header; several groups to impersonate must not become one with commas. */
function linesOf(headers: NodeRequest["headers"]): Record<string, string[]> {
  const lines: Record<string, string[]> = {};
  for (const [name, value] of headers) (lines[name] ??= []).push(value);
  return lines;
}
