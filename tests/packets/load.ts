/**
 * A program for another network namespace: keeps connections to some places open and in use, opens new ones steadily, and
 * prints each answer, until it is killed.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";

export interface LoadPlace {
  name: string;
  to: string;
  tcp: number;
  udp: number;
  /** Source address. */
  from?: string;
}

/** One line of its output: a request, answered or not. */
export interface LoadEvent {
  /** Time of the request, in milliseconds since 1970. */
  at: number;
  place: string;
  /** True for a request over a connection that was already open. */
  kept: boolean;
  protocol: "TCP" | "UDP";
  answered: boolean;
}

const KEPT = 3;
const ASK_EVERY_MS = 100;
const OPEN_EVERY_MS = 50;
const PATIENCE_MS = 3_000;

const lines = new TextEncoder();
const say = (event: LoadEvent) => Deno.stdout.writeSync(lines.encode(`${JSON.stringify(event)}\n`));

/** A request that netexec answers, keeping the connection open. */
const REQUEST = "GET /hostname HTTP/1.1\r\nHost: outside\r\n\r\n";

function overTcp({ name, to, tcp, from }: LoadPlace, kept: boolean): void {
  const asked: number[] = [];
  const opened = Date.now();
  const event = (at: number, answered: boolean) => say({ at, place: name, kept, protocol: "TCP", answered });
  const socket = connect({ host: to, port: tcp, ...(from ? { localAddress: from } : {}) });
  socket.on("error", () => {});
  let answered = false;
  const ask = () => {
    while (kept && asked.length > 0 && asked[0]! < Date.now() - PATIENCE_MS) event(asked.shift()!, false);
    asked.push(Date.now());
    socket.write(REQUEST);
  };
  if (!kept) {
    const done = () => {
      event(opened, answered);
      socket.destroy();
    };
    const timer = setTimeout(done, PATIENCE_MS);
    socket.on("connect", () => {
      answered = true;
      clearTimeout(timer);
      done();
    });
    return;
  }
  socket.on("connect", () => setInterval(ask, ASK_EVERY_MS));
  socket.on("data", () => {
    const at = asked.shift();
    if (at !== undefined) event(at, true);
  });
}

function overUdp({ name, to, udp, from }: LoadPlace, kept: boolean): void {
  const asked: number[] = [];
  const event = (at: number, answered: boolean) => say({ at, place: name, kept, protocol: "UDP", answered });
  const socket = createSocket(to.includes(":") ? "udp6" : "udp4");
  socket.on("error", () => {});
  const ask = () => {
    while (asked.length > 0 && asked[0]! < Date.now() - PATIENCE_MS) event(asked.shift()!, false);
    asked.push(Date.now());
    socket.send("hostname", udp, to, () => {});
  };
  socket.on("message", () => {
    const at = asked.shift();
    if (at !== undefined) event(at, true);
    if (!kept) socket.close();
  });
  socket.bind({ port: 0, ...(from ? { address: from } : {}) }, () => {
    ask();
    if (kept) return void setInterval(ask, ASK_EVERY_MS);
    setTimeout(() => {
      const at = asked.shift();
      if (at === undefined) return;
      event(at, false);
      socket.close();
    }, PATIENCE_MS);
  });
}

if (import.meta.main) {
  for (const place of JSON.parse(Deno.args[0]!) as LoadPlace[]) {
    for (let index = 0; index < KEPT; index++) {
      overTcp(place, true);
      overUdp(place, true);
    }
    setInterval(() => {
      overTcp(place, false);
      overUdp(place, false);
    }, OPEN_EVERY_MS);
  }
}
