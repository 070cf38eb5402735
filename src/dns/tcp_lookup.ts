/**
 * Lookups over TCP (RFC 7766). Deno's own resolver and its `node:dns` are unsuitable: the former reports no TTL, and
 * both report "not found" if a server fails (SERVFAIL), which would close open destinations whenever DNS has trouble.
 * TCP instead of UDP, because answers can't be spoofed as easily and are complete.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../lib/clock/mod.ts";
import { type Lookup, LookupError, type LookupResult } from "./lookup.ts";
import { encodeQuery, type Query, readAnswer } from "./message.ts";
import { hostPort, type Server } from "./resolv_conf.ts";

/**
 * Makes a {@linkcode Lookup} that queries the servers one after the other until one answers, beginning with the last
 * one that did.
 *
 * @param options.timeoutMs maximum duration of a query to one server
 */
export function tcpLookup(
  { servers, clock, timeoutMs = 2000 }: { servers: readonly Server[]; clock: Clock; timeoutMs?: number },
): Lookup {
  let first = 0;
  return async (name, family, signal) => {
    // In the servers' order, so that the message doesn't depend on the server that was queried first.
    const failures: string[] = servers.map(() => "");
    for (const offset of servers.keys()) {
      const place = (first + offset) % servers.length;
      const server = servers[place]!;
      try {
        const answer = await ask(server, { id: randomId(), name, family }, { clock, timeoutMs, signal });
        first = place;
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        failures[place] = `nameserver ${hostPort(server)} ${reasonOf(error, server)}`;
      }
    }
    throw new LookupError(failures.join(", ") || "there is no nameserver");
  };
}

const randomId = (): number => crypto.getRandomValues(new Uint16Array(1))[0]!;

async function ask(
  server: Server,
  query: Query,
  { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal: AbortSignal },
): Promise<LookupResult> {
  signal.throwIfAborted();
  // Not Deno.connect: if it is aborted just when it has connected, the connection stays open (Deno 2.9.6).
  const socket = connect({ host: server.hostname, port: server.port });
  const stop = () => void socket.destroy(signal.reason);
  signal.addEventListener("abort", stop);
  const late = new LookupError(`does not answer within ${timeoutMs / 1000} s`);
  const timer = clock.setTimer(timeoutMs, () => void socket.destroy(late));
  try {
    socket.write(encodeQuery(query));
    return readAnswer(await receive(socket), query);
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

/** Reads the first message: its length in two bytes, and as many bytes. */
async function receive(socket: Socket): Promise<Uint8Array> {
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    const end = received.length < 2 ? Infinity : 2 + received.readUInt16BE();
    if (received.length >= end) return received.subarray(2, end);
  }
  throw new LookupError(ended);
}

const ended = "ends the connection without an answer";

function reasonOf(error: unknown, server: Server): string {
  if (error instanceof LookupError) return error.message;
  if (error instanceof Deno.errors.NotCapable) {
    return `may not be queried: the operator runs without --allow-net=${hostPort(server)}`;
  }
  const { code, name } = error as { code?: string; name?: string };
  if (code === "ECONNREFUSED") return "refuses connections over TCP";
  if (code === "ECONNRESET" || code === "EPIPE") return ended;
  return `can't be reached (${code ?? name ?? error})`;
}
