import { z } from "zod";
import type { SchemaShape } from "./shape.ts";

/** The daemon's settings, without private keys. Source: `ipn.Prefs` of tailscale.com. Unknown fields are kept. */
export interface Prefs {
  /** The control server, such as that of a Headscale; empty means Tailscale's, `https://controlplane.tailscale.com`. */
  ControlURL?: string | null | undefined;
  /** Whether the daemon is meant to be connected: `tailscale up` and `down`. */
  WantRunning?: boolean | null | undefined;
  /** Whether a person wants it logged out, as after `tailscale logout`. */
  LoggedOut?: boolean | null | undefined;
  /** The name to ask the control server for; empty means the operating system's. */
  Hostname?: string | null | undefined;
  /** Whether subnets that other nodes advertise are routed to them (`--accept-routes`). */
  RouteAll?: boolean | null | undefined;
  /** Whether this machine resolves names by the tailnet's DNS (`--accept-dns`). */
  CorpDNS?: boolean | null | undefined;
  /** Whether connections from the tailnet are refused. */
  ShieldsUp?: boolean | null | undefined;
  /** Tags to ask the control server for. */
  AdvertiseTags?: string[] | null | undefined;
  /** Subnets that this node offers to route, as prefixes. */
  AdvertiseRoutes?: string[] | null | undefined;
  /** stableID of the node that traffic to the internet goes through; empty when none. */
  ExitNodeID?: string | null | undefined;
  /** What else the daemon tells, as it came. */
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
 * The body of a change: the daemon takes a field only if a second one says so, `WantRunning` by `WantRunningSet`.
 * Source: `ipn.MaskedPrefs` of tailscale.com, where the fields of AutoUpdate, alone of all, have marks of their own.
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
