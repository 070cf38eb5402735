/**
 * Lookups over TCP (RFC 7766). Deno's own resolver and its `node:dns` don't do: the former tells no TTL, and both say
 * "not found" when a server fails (SERVFAIL), which would close what is open whenever DNS has trouble. TCP rather than
 * UDP because Deno's UDP is not stable, because nobody can slip in an answer from aside, and because answers are whole.
 */
import type { Clock } from "../../lib/clock/mod.ts";
import { type Answer, type Lookup, LookupError } from "./lookup.ts";
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
): Promise<Answer> {
  signal.throwIfAborted();
  const abort = new AbortController();
  const stop = () => abort.abort(signal.reason);
  signal.addEventListener("abort", stop);
  const timer = clock.setTimer(
    timeoutMs,
    () => abort.abort(new LookupError(`does not answer within ${timeoutMs / 1000} s`)),
  );
  try {
    using connection = await Deno.connect({ ...server, signal: abort.signal });
    // Ends a read or write that is under way.
    const close = () => connection[Symbol.dispose]();
    abort.signal.addEventListener("abort", close);
    if (abort.signal.aborted) close();
    await writeAll(connection, encodeQuery(query));
    const length = await readExactly(connection, 2);
    return readAnswer(await readExactly(connection, new DataView(length.buffer).getUint16(0)), query);
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", stop);
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function readExactly(connection: Deno.Conn, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const read = await connection.read(bytes.subarray(filled));
    if (read === null) throw new LookupError(ended);
    filled += read;
  }
  return bytes;
}

const ended = "ends the connection without an answer";

function reasonOf(error: unknown, server: Server): string {
  if (error instanceof LookupError) return error.message;
  if (error instanceof Deno.errors.ConnectionRefused) return "refuses connections over TCP";
  if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) return ended;
  if (error instanceof Deno.errors.NotCapable) {
    return `may not be asked: the operator runs without --allow-net=${hostPort(server)}`;
  }
  return `can't be reached (${error instanceof Error ? (error as { code?: string }).code ?? error.name : error})`;
}
