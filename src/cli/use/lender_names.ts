/** Names of possible lenders, for completion. */
import { LocalClient } from "../../../lib/tailscale/mod.ts";
import { stateFrom } from "../../tailnet/tailnet_state.ts";
import type { Io } from "../io.ts";
import { usualSocketOf } from "./usual_socket.ts";

/** Returns the short names of the other nodes, of two replicas the first. */
export async function lenderNames({ env }: Pick<Io, "env">, tsSocket: string | undefined): Promise<string[]> {
  const socket = tsSocket ?? (env("TS_SOCKET") || usualSocketOf(Deno.build.os));
  using client = new LocalClient({ socket, timeoutMs: 1000 });
  const state = stateFrom(await client.status(), socket);
  if (state.kind !== "running") return [];
  const names = [...state.peers.values()].flat().filter(({ self }) => !self)
    .map(({ dnsName }) => dnsName.split(".")[0]!);
  return names.filter((name) => !names.includes(name.replace(/-1$/, "")) || !name.endsWith("-1")).sort();
}
