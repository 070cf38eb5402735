/**
 * The program of `tryAll`, which runs in another network namespace: reads the connections, tries them, writes the
 * outcomes.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { Tries, Try } from "./packets.ts";

/** Connections at a time; with more of them, responses wait for the processor. */
const AT_ONCE = 150;

/** Requests that agnhost's netexec and DNS servers answer. */
const QUESTIONS = [
  new TextEncoder().encode("hostname"),
  // kubernetes.default.svc.cluster.local, A
  Uint8Array.of(
    ...[0x4b, 0x53, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...["kubernetes", "default", "svc", "cluster", "local"].flatMap((label) => [
      label.length,
      ...new TextEncoder().encode(label),
    ]),
    ...[0, 0, 1, 0, 1],
  ),
];

function tryTcp({ to, port, from }: Try, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port, ...(from ? { localAddress: from } : {}) });
    const done = (reached: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reached);
    };
    const timer = setTimeout(() => done(false), withinMs);
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}

function tryUdp({ to, port, from }: Try, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(to.includes(":") ? "udp6" : "udp4");
    const ask = () => QUESTIONS.forEach((question) => socket.send(question, port, to, () => {}));
    const done = (reached: boolean) => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      resolve(reached);
    };
    const timer = setTimeout(() => done(false), withinMs);
    const again = setInterval(ask, withinMs / 3); // datagrams may be lost
    socket.on("message", () => done(true));
    socket.on("error", () => done(false));
    socket.bind({ port: 0, ...(from ? { address: from } : {}) }, ask);
  });
}

const { tries, withinMs } = JSON.parse(await new Response(Deno.stdin.readable).text()) as Tries;
const outcomes: boolean[] = [];
let next = 0;
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let index = next++; index < tries.length; index = next++) {
    const one = tries[index]!;
    outcomes[index] = await (one.protocol === "TCP" ? tryTcp : tryUdp)(one, withinMs);
  }
}));
console.log(JSON.stringify(outcomes));
Deno.exit(0);
