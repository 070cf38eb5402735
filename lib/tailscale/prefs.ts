import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/** The daemon's settings, without private keys. Source: `ipn.Prefs` of tailscale.com. Unknown fields are kept. */
export interface Prefs {
  /** The control server, such as that of a Headscale; empty means Tailscale's, `https://controlplane.tailscale.com`. */
  ControlURL?: string | null | undefined;
  /** True if the daemon should be connected: `tailscale up` and `down`. */
  WantRunning?: boolean | null | undefined;
  /** True if a person logged it out, as with `tailscale logout`. */
  LoggedOut?: boolean | null | undefined;
  /** Requested host name; empty means the operating system's. */
  Hostname?: string | null | undefined;
  /** True if subnets that other nodes advertise are routed to them (`--accept-routes`). */
  RouteAll?: boolean | null | undefined;
  /** True if this machine resolves names by the tailnet's DNS (`--accept-dns`). */
  CorpDNS?: boolean | null | undefined;
  /** True if connections from the tailnet are refused. */
  ShieldsUp?: boolean | null | undefined;
  /** Requested tags. */
  AdvertiseTags?: string[] | null | undefined;
  /** Subnets that this node offers to route, as prefixes. */
  AdvertiseRoutes?: string[] | null | undefined;
  /** stableID of the exit node; empty if there is none. */
  ExitNodeID?: string | null | undefined;
  /** Other fields, unchanged. */
  [field: string]: unknown;
}

export const prefsSchema: z.ZodType<Prefs> = z.looseObject(
  {
    ControlURL: z.string().nullish(),
    WantRunning: z.boolean().nullish(),
    LoggedOut: z.boolean().nullish(),
    Hostname: z.string().nullish(),
    RouteAll: z.boolean().nullish(),
    CorpDNS: z.boolean().nullish(),
    ShieldsUp: z.boolean().nullish(),
    AdvertiseTags: z.array(z.string()).nullish(),
    AdvertiseRoutes: z.array(z.string()).nullish(),
    ExitNodeID: z.string().nullish(),
  } satisfies SchemaShape<Prefs>,
);

/**
 * Returns the body of a change: the daemon applies a field only if a second one is set, for example `WantRunning`
 * with `WantRunningSet`. Source: `ipn.MaskedPrefs` of tailscale.com, in which only AutoUpdate's fields have separate
 * flags.
 */
export function maskedPrefs(changes: Partial<Prefs>): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(changes)) {
    if (value === undefined) continue;
    masked[field] = value;
    masked[`${field}Set`] = field === "AutoUpdate"
      ? Object.fromEntries(Object.keys(value ?? {}).map((part) => [`${part}Set`, true]))
      : true;
  }
  return masked;
}
