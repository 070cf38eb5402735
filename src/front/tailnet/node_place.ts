/** Addresses at which the tailnet server listens, as this node's tailscaled reports itself. */
import type { TailscaleStatus } from "../../../lib/tailscale/mod.ts";
import type { TailnetPlace } from "../../config.ts";
import { type HostNames, hostNames } from "./host_check.ts";

/** Where to listen, and under which names; or the reason, as a sentence, not to listen. */
export type NodePlace =
  | { is: "open"; addresses: readonly string[]; names: HostNames; dnsName: string }
  | { is: "closed"; reason: string };

/** Decides by the daemon's status. */
export function nodePlace({ at, port }: TailnetPlace, { BackendState, Self, TUN }: TailscaleStatus): NodePlace {
  const addresses = Self?.TailscaleIPs ?? [];
  if (BackendState !== "Running" || addresses.length === 0) {
    return { is: "closed", reason: `tailscaled is not connected (${BackendState}); log it in` };
  }
  const isUserspace = TUN !== true;
  if (at === "loopback" && !isUserspace) {
    const reason = "tailscaled has a TUN device, so it delivers nothing to 127.0.0.1; set KEYSTONE_TAILNET_LISTEN to " +
      `tailnet:${port}`;
    return { is: "closed", reason };
  }
  if (at === "tailnet" && isUserspace) {
    const reason = "tailscaled runs in userspace mode, so this machine has no tailnet address; set " +
      `KEYSTONE_TAILNET_LISTEN to 127.0.0.1:${port}`;
    return { is: "closed", reason };
  }
  const dnsName = (Self?.DNSName ?? "").replace(/\.$/, "");
  return {
    is: "open",
    addresses: at === "loopback" ? ["127.0.0.1"] : addresses,
    names: hostNames(dnsName, addresses),
    dnsName,
  };
}
