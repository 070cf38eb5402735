import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/**
 * At which layer: `disco` finds a path between the two daemons, `TSMP` goes through the tunnel and skips the node's
 * operating system, `ICMP` is answered by that, `peerapi` asks the daemon's own HTTP server over the tailnet.
 */
export type PingType = "disco" | "TSMP" | "ICMP" | "peerapi";

/** What a ping found. Source: `ipnstate.PingResult` of tailscale.com. Unknown fields are kept. */
export interface PingResult {
  /** Why there was no answer, such as `no matching peer`; empty when there was one. */
  Err?: string | null | undefined;
  /** First part of the node's MagicDNS name, or what it calls itself; not always unique. */
  NodeName?: string | null | undefined;
  /** Round trip in seconds; 0 when there was no answer. */
  LatencySeconds?: number | null | undefined;
  /** `ip:port` that answered when the path is direct, else empty. */
  Endpoint?: string | null | undefined;
  /** Code of the DERP region that the answer came through, else empty. */
  DERPRegionCode?: string | null | undefined;
  /** `ip:port:vni` of the peer relay that the answer came through, else empty. */
  PeerRelay?: string | null | undefined;
  /** The address that was pinged. */
  IP?: string | null | undefined;
  /** Address of the node that answers for it: another one when it is behind a subnet router. */
  NodeIP?: string | null | undefined;
  /** URL of the peer's HTTP server, for pings of type `peerapi`. */
  PeerAPIURL?: string | null | undefined;
  /** Whether the address is this node's own, which isn't pinged. */
  IsLocalIP?: boolean | null | undefined;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

export const pingResultSchema: z.ZodType<PingResult> = z.looseObject(
  {
    Err: z.string().nullish(),
    NodeName: z.string().nullish(),
    LatencySeconds: z.number().nullish(),
    Endpoint: z.string().nullish(),
    DERPRegionCode: z.string().nullish(),
    PeerRelay: z.string().nullish(),
    IP: z.string().nullish(),
    NodeIP: z.string().nullish(),
    PeerAPIURL: z.string().nullish(),
    IsLocalIP: z.boolean().nullish(),
  } satisfies SchemaShape<PingResult>,
);
