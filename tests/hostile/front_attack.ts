/**
 * `front_attack.ts PORT`: strangers who flood the webhook on that port of this machine until standard input ends. Prints the
 * number of their connections.
 */
import { connect as connectTls } from "node:tls";
import { gzip } from "node:zlib";
import { promisify } from "node:util";

/** Attacks until the signal aborts; returns the number of connections. */
async function attacked(port: number, signal: AbortSignal): Promise<number> {
  let connections = 0;
  const compressed = await promisify(gzip)("[".repeat(4_000_000));
  const post = (body: string | Uint8Array, headers = "content-type: application/json", length = body.length) => [
    `POST /admit HTTP/1.1\r\nhost: x\r\n${headers}\r\ncontent-length: ${length}\r\n\r\n`,
    ...(typeof body === "string" ? [body] : [body]),
  ];
  const review = (object: unknown) =>
    JSON.stringify({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      request: {
        uid: "u",
        kind: { kind: "Pod" },
        operation: "CREATE",
        namespace: "guest-nobody",
        object: { apiVersion: "v1", kind: "Pod", metadata: {}, spec: object },
      },
    });
  /** Sends bytes on a new connection, and waits until it is closed or the time is over. */
  const send = (parts: (string | Uint8Array)[], ms: number) =>
    new Promise<void>((resolve) => {
      connections++;
      const where = { host: "127.0.0.1", port, localAddress: "127.0.0.2" };
      const socket = connectTls({ ...where, rejectUnauthorized: false }, () => {
        for (const part of parts) socket.write(part);
      });
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        socket.destroy();
        done();
      }, ms);
      socket.on("error", done).on("data", () => {}).on("close", done);
    });
  const deep = review({ deep: 0 }).replace("0}", `${"[".repeat(100_000)}${"]".repeat(100_000)}}`);
  const wide = review({ containers: Array(90_000).fill({ name: "c", resources: {} }) });
  const kinds: (() => Promise<void>)[] = [
    // Requests that are too long, two at a time.
    ...Array.from({ length: 2 }, () => () => send(post("x".repeat(15_000_000)), 3000)),
    // Requests sent only in part, 400 at a time, of every length.
    ...Array.from({ length: 400 }, (_, index) => () => send(post("{", undefined, 10 ** (index % 7 + 1)), 2500)),
    () => send(post(deep), 1000),
    () => send(post(compressed, "content-type: application/json\r\ncontent-encoding: gzip"), 1000),
    () => send(post("a=b", "content-type: application/x-www-form-urlencoded"), 1000),
    () => send(["\x16\x03\x01garbage"], 1000),
    ...Array.from({ length: 3 }, () => () => send(post(wide), 3000)),
    ...Array.from({ length: 12 }, () => () => send(post(review({ containers: [{ name: "c" }] })), 300)),
  ];
  await Promise.all(kinds.map(async (once) => {
    while (!signal.aborted) {
      await once();
      // Many strangers share one processor here: give way to the other processes.
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }));
  return connections;
}

if (import.meta.main) {
  const stop = new AbortController();
  const attack = attacked(Number(Deno.args[0]), stop.signal);
  for await (const _ of Deno.stdin.readable);
  stop.abort();
  console.log(await attack);
  Deno.exit(0);
}
