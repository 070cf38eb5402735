/** Connections to a lender's tailnet server through the local tailscaled, never around the tailnet. */
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { LocalClient } from "../../../lib/tailscale/mod.ts";
import { stateFrom } from "../../tailnet/tailnet_state.ts";
import type { LenderConnection } from "./forwarder.ts";
import { type LenderNode, lenderNodes } from "./lender_nodes.ts";

/** A tailnet server, as the local tailscaled reaches it. */
export interface DialTarget {
  /** Socket of the tailscaled. */
  socket: string;
  /** Full name of the lender's first node. */
  lender: string;
  owner?: string | undefined;
  port: number;
  tls: boolean;
}

/** Time for one node, after which the other one is tried. */
const nodeMs = 5000;

/** Connects to the first of the lender's nodes that answers. Rejects with a sentence. */
export async function dialLender(target: DialTarget, signal: AbortSignal): Promise<LenderConnection> {
  using client = new LocalClient({ socket: target.socket });
  const status = await client.status({ signal });
  const state = stateFrom(status, target.socket);
  if (state.kind === "unavailable") throw new Error(`${state.message}.`);
  if (state.kind === "none") throw new Error("There is no tailscaled.");
  const found = lenderNodes([...state.peers.values()].flat(), target.lender, {
    suffix: state.magicDNSSuffix,
    owner: target.owner,
  });
  if ("problem" in found) throw new Error(found.problem);
  const problems: string[] = [];
  for (const node of found.nodes) {
    try {
      return await dialNode(client, node, target, signal);
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`${node.dnsName}${node.online ? "" : " (offline)"}: ${(error as Error).message}`);
    }
  }
  throw new Error(`The lender can't be reached on port ${target.port}. ${problems.join("; ")}`);
}

/** Connects to one node. The signal ends the connection at any time. */
export async function dialNode(
  client: LocalClient,
  { dnsName, addresses }: LenderNode,
  { port, tls }: Pick<DialTarget, "port" | "tls">,
  signal: AbortSignal,
): Promise<LenderConnection> {
  const address = addresses[0];
  if (address === undefined) throw new Error(`${dnsName} has no tailnet address`);
  const raw = await client.dial(address, port, { signal, timeoutMs: nodeMs });
  return tls ? await withTls(raw, dnsName, signal) : raw;
}

/** Adds TLS, with a certificate for the node's name. */
async function withTls(raw: LenderConnection, servername: string, signal: AbortSignal): Promise<LenderConnection> {
  const stream = Duplex.fromWeb({ readable: raw.readable, writable: raw.writable } as never);
  const socket = connectTls({ socket: stream as never, servername, rejectUnauthorized: true });
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      socket.once("secureConnect", () => resolve());
      socket.once("error", reject);
    });
  } catch (error) {
    socket.destroy();
    raw.close();
    throw error;
  }
  socket.on("error", () => {});
  const { readable, writable } = Duplex.toWeb(socket as never) as unknown as LenderConnection;
  return {
    readable,
    writable,
    close() {
      socket.destroy();
      raw.close();
    },
  };
}
