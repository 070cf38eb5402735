import type { PartSpec } from "./part.ts";
import { ask } from "./probe.ts";

/**
 * A tailscaled without root or network devices: one node of the tailnet. `joined` reports whether it has logged in;
 * `proxy` is the port of 127.0.0.1 of its proxy, SOCKS5 and HTTP.
 */
export function tailscaled(
  binary: string,
  dir: string,
  realm: string,
  socket: string,
  joined: () => boolean,
  proxy?: number,
): PartSpec {
  return {
    name: `tailscaled-${realm}`,
    command: binary,
    args: [
      "--tun=userspace-networking",
      `--statedir=${dir}/realms/${realm}`,
      `--socket=${socket}`,
      "--port=0",
      "--no-logs-no-support",
      ...(proxy === undefined
        ? []
        : [`--socks5-server=127.0.0.1:${proxy}`, `--outbound-http-proxy-listen=127.0.0.1:${proxy}`]),
    ],
    ready: async () => {
      const status = await tailscaleStatus(socket);
      if (typeof status === "string") return status;
      return status.BackendState === (joined() ? "Running" : "NeedsLogin") || `BackendState is ${status.BackendState}`;
    },
  };
}

/** Fields of LocalAPI's status that the lab reads. */
export interface DaemonStatus {
  BackendState: string;
  Self?: { DNSName: string; TailscaleIPs: string[] | null };
  Peer?:
    | Record<
      string,
      {
        ID: string;
        HostName: string;
        DNSName: string;
        Online: boolean;
        TailscaleIPs?: string[] | null;
        PeerAPIURL?: string[] | null;
      }
    >
    | null;
}

/** Requests the status of a tailscaled; returns it, or the reason why there is none. */
export async function tailscaleStatus(socket: string): Promise<DaemonStatus | string> {
  const answer = await ask("http://local-tailscaled.sock/localapi/v0/status", {
    proxy: { transport: "unix", path: socket },
  });
  if (typeof answer === "string") return answer;
  return answer.status === 200 ? JSON.parse(answer.body) as DaemonStatus : `status ${answer.status}: ${answer.body}`;
}
