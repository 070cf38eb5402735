import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/**
 * Layer of a ping: `disco` finds a path between the two daemons, `TSMP` goes through the tunnel and skips the node's
 * operating system, the operating system answers `ICMP`, and the daemon's HTTP server answers `peerapi` over the
 * tailnet.
 */
export type PingType = "disco" | "TSMP" | "ICMP" | "peerapi";

/** Result of a ping. Source: `ipnstate.PingResult` of tailscale.com. Unknown fields are kept. */
export interface PingResult {
  /** Reason for no answer, such as `no matching peer`; empty if there was one. */
  Err?: string | null | undefined;
  /** First part of the node's MagicDNS name, or its host name; not always unique. */
  NodeName?: string | null | undefined;
  /** Round trip in seconds; 0 without an answer. */
  LatencySeconds?: number | null | undefined;
  /** `ip:port` that answered if the path is direct, otherwise empty. */
  Endpoint?: string | null | undefined;
  /** Code of the answer's DERP region, otherwise empty. */
  DERPRegionCode?: string | null | undefined;
  /** `ip:port:vni` of the answer's peer relay, otherwise empty. */
  PeerRelay?: string | null | undefined;
  /** Pinged address. */
  IP?: string | null | undefined;
  /** Address of the answering node: another one if the address is behind a subnet router. */
  NodeIP?: string | null | undefined;
  /** URL of the peer's HTTP server, for pings of type `peerapi`. */
  PeerAPIURL?: string | null | undefined;
  /** True for this node's own address, which isn't pinged. */
  IsLocalIP?: boolean | null | undefined;
  /** Other fields, unchanged. */
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
