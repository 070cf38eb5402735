/** The socket of a tailscaled that runs on this machine. */
import { usualSocket } from "../realm_add/tailnet_nodes.ts";

/** Returns the path as packages install it. */
export const usualSocketOf = (os: typeof Deno.build.os): string =>
  os === "darwin" ? "/var/run/tailscaled.socket" : usualSocket;
