/** Tells tailscaled's connections on loopback from those of other users' processes. */
import type { SocketOwners } from "./socket_owners.ts";

/**
 * Returns a check of connections by their port. It reports false only if tailscaled certainly hasn't opened the connection:
 * another user has, or no process has it open any more. Rejects only with the signal's reason. A process of tailscaled's own user passes; such a process could
 * also reconfigure tailscaled.
 *
 * @param socket socket of tailscaled, whose owner is tailscaled's user
 * @param cantTell called when the check can't be made
 */
export function daemonConnectionCheck(
  { owners, socket, cantTell }: { owners: Pick<SocketOwners, "of">; socket: string; cantTell: () => void },
): (port: number, signal: AbortSignal) => Promise<boolean> {
  return async (port, signal) => {
    const [owner, daemon] = await Promise.all([
      owners.of(port, signal),
      Deno.stat(socket).then(({ uid }) => uid, () => null),
    ]);
    if (owner !== "unknown" && daemon !== null) return owner === daemon;
    cantTell();
    return true;
  };
}
