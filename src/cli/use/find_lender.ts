/** Finds a lender's tailnet server from this machine. */
import { LocalApiError, type LocalApiErrorKind, LocalClient } from "../../../lib/tailscale/mod.ts";
import { isTailnetAddress } from "../../tailnet/peer.ts";
import { stateFrom, type TailnetState } from "../../tailnet/tailnet_state.ts";
import { Exit, exitCodes, no, usageError } from "../exit.ts";
import { daemonProxy } from "./daemon_proxy.ts";
import { dialNode } from "./dial_lender.ts";
import { Forwarder } from "./forwarder.ts";
import type { ForwarderKeys } from "./forwarder_keys.ts";
import { type LenderNode, lenderNodes } from "./lender_nodes.ts";
import {
  addressesOfName,
  directRoute,
  firstOpenRoute,
  type LenderRoute,
  LenderUnreachable,
  type OpenRoute,
  proxyRoute,
  type Way,
} from "./lender_routes.ts";
import { askAccess, fixedClientCertificate } from "./lender_access.ts";
import { usualSocketOf } from "./usual_socket.ts";

/** A lender to find. */
export interface LenderWanted {
  /** Name as given. */
  lender: string;
  port: number;
  /** Socket of the tailscaled; undefined for the usual one. */
  socket?: string | undefined;
  proxyUrl?: string | undefined;
  /** The only way to try. */
  way?: Way | undefined;
  /** Owner of the nodes in an earlier use. */
  owner?: string | undefined;
  /** Deadline of each attempt in milliseconds. */
  timeoutMs: number;
  /** Makes the forwarder's keys. */
  keys(): Promise<ForwarderKeys>;
}

/** A lender's server that answers. */
export interface LenderFound extends OpenRoute {
  /** Full name of the lender's first node, or the name as given. */
  node: string;
  stableID?: string;
  owner?: string;
  socket: string;
}

/** Failures of the daemon itself: another node or the tailnet's policy would change nothing. */
const daemonKinds: ReadonlySet<LocalApiErrorKind> = new Set(["AccessDenied", "NotRunning", "Unsupported"]);

type Running = Extract<TailnetState, { kind: "running" }>;

/** Returns the first server of the lender that answers. Throws an Exit with a sentence. */
export async function findLender(wanted: LenderWanted): Promise<LenderFound> {
  const socket = wanted.socket ?? usualSocketOf(Deno.build.os);
  const daemon = await daemonState(socket);
  return "error" in daemon
    ? await withoutDaemon(wanted, socket, daemon.error)
    : await withDaemon(wanted, socket, daemon);
}

async function daemonState(socket: string): Promise<Running | { error: Exit }> {
  using client = new LocalClient({ socket, timeoutMs: 5000 });
  const failed = (message: string) => ({ error: new Exit(exitCodes.unreachable, message) });
  try {
    const state = stateFrom(await client.status(), socket);
    if (state.kind === "running") return state;
    return failed(state.kind === "unavailable" ? `${state.message}.` : "");
  } catch (error) {
    if (!(error instanceof LocalApiError)) throw error;
    const isMissing = error.kind === "NotRunning";
    return failed(isMissing ? `${error.message}: --ts-socket PATH` : `${error.message}.`);
  }
}

/** Finds the lender without a daemon: by a name that leads to a tailnet address, or by a proxy that is given. */
async function withoutDaemon(wanted: LenderWanted, socket: string, problem: Exit): Promise<LenderFound> {
  const { lender, port, proxyUrl, way, timeoutMs } = wanted;
  // The owner of a second node is unknown, so that one is used only by its own name.
  const routes: LenderRoute[] = [];
  if (proxyUrl !== undefined) routes.push(proxyRoute(lender, port, proxyUrl));
  else if (way === undefined || way === "direct") {
    const addresses = (await addressesOfName(lender)).filter(isTailnetAddress);
    if (addresses.length > 0) {
      routes.push(await directRoute({ dnsName: lender, addresses, stableID: "", online: true }, port));
    }
  }
  if (routes.length === 0) throw problem;
  const open = await firstOpenRoute(routes, (connection, signal) => askAccess(connection, { timeoutMs, signal }));
  return { ...open, node: lender, socket };
}

async function withDaemon(wanted: LenderWanted, socket: string, state: Running): Promise<LenderFound> {
  const { lender, port, owner: recorded } = wanted;
  const found = lenderNodes([...state.peers.values()].flat(), lender, {
    suffix: state.magicDNSSuffix,
    owner: recorded,
  });
  if ("problem" in found) throw no(found.problem);
  const { nodes, owner } = found;
  const first = nodes.find(({ dnsName }) => !/^[^.]+-1\./.test(dnsName)) ?? nodes[0]!;
  const details = {
    node: first.dnsName,
    stableID: first.stableID,
    socket,
    ...(owner === undefined ? {} : { owner }),
  };
  const problems: string[] = [];
  for await (const way of waysOf(wanted, socket, state)) {
    try {
      return { ...await openRoute(way, nodes, wanted, socket), ...details };
    } catch (error) {
      if (!(error instanceof LenderUnreachable)) throw error;
      problems.push(error.message);
    }
  }
  const states = nodes.map(({ dnsName, online }) => `${dnsName} is ${online ? "online" : "offline"}`).join(", ");
  const remedy = nodes.some(({ online }) => online)
    ? `Either its tailnet server is off, or the tailnet's policy doesn't allow this node tcp:${port} there. Ask the lender.`
    : "Try again when it is back.";
  throw new Exit(
    exitCodes.unreachable,
    `${lender} doesn't answer on port ${port} (${states}). ${remedy} Tried: ${problems.join("; ")}.`,
  );
}

interface TriedWay {
  way: Way;
  proxyUrl?: string;
}

async function* waysOf(
  { way, proxyUrl }: LenderWanted,
  socket: string,
  { tun }: Running,
): AsyncGenerator<TriedWay> {
  const may = (each: Way) => way === undefined ? proxyUrl === undefined || each === "proxy" : way === each;
  if (may("direct") && (tun !== false || way === "direct")) yield { way: "direct" };
  // A daemon with a network device needs neither proxy nor forwarder.
  if (tun === true && way === undefined && proxyUrl === undefined) return;
  if (may("proxy")) {
    const url = proxyUrl ?? await daemonProxy(socket, usualSocketOf(Deno.build.os));
    if (url !== undefined) yield { way: "proxy", proxyUrl: url };
    else if (way === "proxy") throw usageError("--proxy-url is not set, and tailscaled's command line names no proxy.");
  }
  if (may("forwarder")) yield { way: "forwarder" };
}

async function openRoute(
  { way, proxyUrl }: TriedWay,
  nodes: readonly LenderNode[],
  { port, timeoutMs, keys: makeKeys }: LenderWanted,
  socket: string,
): Promise<OpenRoute> {
  const ask = (connection: Parameters<typeof askAccess>[0], signal: AbortSignal) =>
    askAccess(connection, { timeoutMs, signal });
  if (way === "direct") {
    return await firstOpenRoute(await Promise.all(nodes.map((node) => directRoute(node, port))), ask);
  }
  if (way === "proxy") {
    return await firstOpenRoute(nodes.map(({ dnsName }) => proxyRoute(dnsName, port, proxyUrl!)), ask);
  }
  const keys = await makeKeys();
  using client = new LocalClient({ socket });
  await using opened = new AsyncDisposableStack();
  let unable: LocalApiError | undefined;
  const routes = await Promise.all(nodes.map(async (node): Promise<LenderRoute> => ({
    way,
    node: node.dnsName,
    connections: await Promise.all([false, true].map(async (tls) => {
      const connect = (signal: AbortSignal) =>
        dialNode(client, node, { port, tls }, signal).catch((error) => {
          if (error instanceof LocalApiError && daemonKinds.has(error.kind)) unable = error;
          throw error;
        });
      const forwarder = opened.use(await Forwarder.open({ keys, port: 0, connect }));
      return {
        server: `https://127.0.0.1:${forwarder.port}`,
        caCerts: keys.authority,
        credentials: fixedClientCertificate(keys),
        upstreamTls: tls,
      };
    })),
  })));
  try {
    return await firstOpenRoute(routes, ask);
  } catch (error) {
    throw unable ? new Exit(exitCodes.unreachable, `${unable.message}.`) : error;
  }
}
