/** The nodes of the tailnet, from tailscaled or from the output of `tailscale status --json`. */
import { LocalClient, parseStatus, type TailscaleStatus } from "../../../lib/tailscale/mod.ts";
import type { RealmSpec } from "../../api/mod.ts";
import { controlServerKind } from "../../core/realm/control_server.ts";
import { canonicalName } from "../../core/realm/identity.ts";
import { stateFrom, type TailnetPeer } from "../../tailnet/tailnet_state.ts";
import { Exit, exitCodes, no, usageError } from "../exit.ts";
import type { Io } from "../io.ts";

export interface TailnetNodes {
  /** Those that can be a realm's node: they have a name and an ID. */
  nodes: readonly TailnetPeer[];
  /** Kind of the control server, if the source names it. */
  connectionType?: RealmSpec["connectionType"];
}

/** Socket of a tailscaled that runs on this machine as packages install it. */
export const usualSocket = "/var/run/tailscale/tailscaled.sock";

/** Tag of the exit nodes that Tailscale adds for Mullvad VPN. */
const mullvad = "tag:mullvad-exit-node";

/** Returns the kind of control server by a node's name: only Tailscale's own gives names under ts.net. */
export const connectionTypeOf = (name: string): RealmSpec["connectionType"] =>
  /(^|\.)ts\.net$/.test(canonicalName(name)) ? "tailscale" : "headscale";

/** Reads the nodes from a file, or `-` for standard input, with the output of `tailscale status --json`. */
export async function nodesFromFile(io: Io, path: string): Promise<TailnetNodes> {
  const text = await (path === "-" ? io.stdin() : io.readTextFile(path)).catch((error) => {
    throw usageError(`-f ${path} can't be read: ${(error as Error).message}.`);
  });
  let status: TailscaleStatus;
  try {
    status = parseStatus(text);
  } catch {
    throw usageError(`-f ${path} is not the output of tailscale status --json. Write it there first.`);
  }
  return nodesOfStatus(status, path);
}

/** Reads the nodes from a tailscaled. */
export async function nodesFromSocket(socket: string): Promise<TailnetNodes> {
  using client = new LocalClient({ socket, timeoutMs: 5000 });
  try {
    const status = await client.status();
    const { ControlURL } = await client.prefs();
    // Without a URL the daemon uses Tailscale's own server.
    return nodesOfStatus(status, socket, ControlURL || "https://controlplane.tailscale.com");
  } catch (error) {
    if (error instanceof Exit) throw error;
    throw new Exit(exitCodes.unreachable, error instanceof Error ? error.message : String(error));
  }
}

function nodesOfStatus(status: TailscaleStatus, where: string, controlURL?: string): TailnetNodes {
  const state = stateFrom(status, where);
  if (state.kind !== "running") {
    throw new Exit(exitCodes.unreachable, state.kind === "unavailable" ? `${state.message}.` : "");
  }
  return {
    nodes: [...state.peers.values()].flat()
      // Without MagicDNS a name has no domain, and can't be an identity.
      .filter(({ dnsName, tags }) => dnsName.includes(".") && !tags?.includes(mullvad)),
    // The output of `tailscale status` has no URL.
    ...(controlURL === undefined ? {} : { connectionType: controlServerKind(controlURL) }),
  };
}

/** Returns the node that a full or short name and an ID mean; undefined if the tailnet has none. */
export function chosenNode(
  { nodes }: TailnetNodes,
  name: string,
  id: string | undefined,
): TailnetPeer | undefined {
  const wanted = canonicalName(name);
  const isShort = !wanted.includes(".");
  const named = nodes.filter(({ dnsName }) => isShort ? dnsName.split(".")[0] === wanted : dnsName === wanted);
  const found = id === undefined ? named : named.filter(({ stableID }) => stableID === id);
  if (found.length > 1) {
    const list = found.map(({ dnsName, stableID }) => `${dnsName} (${stableID})`).join(", ");
    throw no(
      `--identity is ${name}, and several nodes have that name: ${list}. Choose one with its full name and --node.`,
    );
  }
  if (found.length === 0 && id !== undefined && named.length > 0) {
    throw no(`--node is ${id}, but ${named[0]!.dnsName} is ${named.map(({ stableID }) => stableID).join(", ")}.`);
  }
  return found[0];
}
