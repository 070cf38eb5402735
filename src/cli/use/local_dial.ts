/** Interim: replaced by LocalClient.dial of branch people. */
import type { LenderConnection } from "./forwarder.ts";

export async function localDial(
  socket: string,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<LenderConnection> {
  signal.throwIfAborted();
  const conn = await Deno.connect({ transport: "unix", path: socket });
  const abort = () => {
    try {
      conn.close();
    } catch { /* closed */ }
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    await conn.write(
      new TextEncoder().encode(
        `POST /localapi/v0/dial HTTP/1.1\r\nHost: local-tailscaled.sock\r\nUpgrade: ts-dial\r\nConnection: upgrade\r\nDial-Host: ${host}\r\nDial-Port: ${port}\r\nContent-Length: 0\r\n\r\n`,
      ),
    );
    let head = new Uint8Array();
    const buf = new Uint8Array(4096);
    let end = -1;
    while (end < 0) {
      const n = await conn.read(buf);
      if (n === null) throw new Error("tailscaled closed the connection");
      head = new Uint8Array([...head, ...buf.subarray(0, n)]);
      end = new TextDecoder("latin1").decode(head).indexOf("\r\n\r\n");
    }
    const text = new TextDecoder("latin1").decode(head);
    if (!text.startsWith("HTTP/1.1 101")) {
      throw new Error(
        text.startsWith("HTTP/1.1 200") ? "not in the tailnet" : text.slice(end + 4).trim() || text.split("\r\n")[0],
      );
    }
    const rest = head.slice(end + 4);
    signal.removeEventListener("abort", abort);
    const readable = rest.length === 0 ? conn.readable : new ReadableStream<Uint8Array>({
      start(c) {
        c.enqueue(rest);
      },
      async pull(c) {
        const n = await conn.read(buf).catch(() => null);
        if (n === null) c.close();
        else c.enqueue(buf.slice(0, n));
      },
    });
    return { readable, writable: conn.writable, close: abort };
  } catch (error) {
    abort();
    throw signal.aborted ? signal.reason : error;
  }
}
