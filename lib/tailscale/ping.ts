import { z } from "zod";

/**
 * At which layer: `disco` finds a path between the two daemons, `TSMP` goes through the tunnel and skips the node's
 * operating system, `ICMP` is answered by that, `peerapi` asks the daemon's own HTTP server over the tailnet.
 */
export type PingType = "disco" | "TSMP" | "ICMP" | "peerapi";

export const pingResultSchema = z.looseObject({
  /** Why there was no answer, such as `no matching peer`; empty when there was one. */
  Err: z.string().nullish(),
  NodeName: z.string().nullish(),
  /** Round trip in seconds; 0 when there was no answer. */
  LatencySeconds: z.number().nullish(),
  /** `ip:port` that answered when the path is direct, else empty. */
  Endpoint: z.string().nullish(),
  /** Code of the DERP region that the answer came through, else empty. */
  DERPRegionCode: z.string().nullish(),
  /** `ip:port:vni` of the peer relay that the answer came through, else empty. */
  PeerRelay: z.string().nullish(),
});

/** What a ping found. Source: `ipnstate.PingResult` of tailscale.com. Unknown fields are kept. */
export type PingResult = z.infer<typeof pingResultSchema>;
