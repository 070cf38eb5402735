/** Opens connections to the API server. Each belongs to one client's connection and is never shared. */
import type { Handover } from "../handover.ts";
import type { Connection } from "./byte_stream.ts";

/** Reason, as a sentence, that the API server can't be reached in a way that keeps guests' tokens secret. */
export function dialObstacle({ server, insecureSkipTlsVerify, proxyUrl }: Handover["api"]): string | undefined {
  if (!server.startsWith("https:")) {
    return `The API server's URL is ${server}, but must begin with https:, because guests' tokens are sent to it.`;
  }
  if (new URL(server).pathname !== "/") {
    return `The API server's URL is ${server}, but must have no path: what is there would read guests' tokens, and ` +
      "wouldn't take them.";
  }
  if (insecureSkipTlsVerify) {
    return "The API server's certificate is not verified (insecure-skip-tls-verify), so guests' tokens could be " +
      "read. Set certificate-authority-data in the kubeconfig.";
  }
  if (proxyUrl) return `The API server is behind the proxy ${proxyUrl}; connect to it without a proxy-url.`;
  return undefined;
}

const connectMs = 10_000;

/**
 * Connects and verifies the server's certificate.
 *
 * @throws with a sentence
 */
export async function dialApiServer(
  { server, caCerts, tlsServerName }: Handover["api"],
  signal: AbortSignal,
): Promise<Connection> {
  const { hostname: host, port } = new URL(server);
  const hostname = host.replace(/^\[|\]$/g, "");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(connectMs)]);
  const raw = await Deno.connect({ hostname, port: Number(port || 443), signal: limit });
  // Else a small body waits 40 ms for the answer to its head.
  raw.setNoDelay();
  const end = () => close(raw);
  limit.addEventListener("abort", end, { once: true });
  try {
    const connection = await Deno.startTls(raw, {
      hostname: tlsServerName ?? hostname,
      ...(caCerts ? { caCerts: [caCerts] } : {}),
      alpnProtocols: ["http/1.1"],
    });
    const endTls = () => close(connection);
    limit.addEventListener("abort", endTls, { once: true });
    try {
      await connection.handshake();
    } catch (error) {
      close(connection);
      throw error;
    } finally {
      limit.removeEventListener("abort", endTls);
    }
    return connection as unknown as Connection;
  } catch (error) {
    close(raw);
    throw error;
  } finally {
    limit.removeEventListener("abort", end);
  }
}

function close(connection: { close(): void }): void {
  try {
    connection.close();
  } catch { /* it has closed already */ }
}
