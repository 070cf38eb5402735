/**
 * Lookups over TCP (RFC 7766). Deno's own resolver and its `node:dns` don't do: the former tells no TTL, and both say
 * "not found" when a server fails (SERVFAIL), which would close what is open whenever DNS has trouble. TCP rather than
 * UDP because nobody can slip in an answer from aside, and because answers are whole.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../lib/clock/mod.ts";
import { type Lookup, LookupError, type LookupResult } from "./lookup.ts";
import { encodeQuery, type Query, readAnswer } from "./message.ts";
import { hostPort, type Server } from "./resolv_conf.ts";

/**
 * A {@linkcode Lookup} that asks the servers one after the other, until one has an answer; it begins with the one that
 * had the last.
 *
 * @param options.timeoutMs how long one server may take for all of it
 */
export function tcpLookup(
  { servers, clock, timeoutMs = 2000 }: { servers: readonly Server[]; clock: Clock; timeoutMs?: number },
): Lookup {
  let first = 0;
  return async (name, family, signal) => {
    // By place, so that the message is the same whichever server is asked first.
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
  // Not Deno.connect: aborted just when it has connected, it leaves the connection open (Deno 2.9.6).
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

/** The first message: its length in two bytes, and as many bytes. */
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
    return `may not be asked: the operator runs without --allow-net=${hostPort(server)}`;
  }
  const { code, name } = error as { code?: string; name?: string };
  if (code === "ECONNREFUSED") return "refuses connections over TCP";
  if (code === "ECONNRESET" || code === "EPIPE") return ended;
  return `can't be reached (${code ?? name ?? error})`;
}
