/** A program for another network namespace: prints each datagram that arrives on a port, until it is killed. */
import { createSocket } from "node:dgram";

const port = Number(Deno.args[0]);
const lines = new TextEncoder();
for (const [type, address] of [["udp4", "0.0.0.0"], ["udp6", "::"]] as const) {
  const socket = createSocket({ type, ipv6Only: true });
  socket.on("message", (text) => Deno.stdout.writeSync(lines.encode(`${text.toString().trim()}\n`)));
  socket.bind(port, address);
}
