import { z } from "zod";
import type { Shape } from "./shape.ts";

/** The daemon's settings, without private keys. Source: `ipn.Prefs` of tailscale.com. Unknown fields are kept. */
export interface Prefs {
  /** The control server, such as `https://controlplane.tailscale.com` or that of a Headscale. */
  ControlURL?: string | null;
  /** Whether the daemon is meant to be connected: `tailscale up` and `down`. */
  WantRunning?: boolean | null;
  /** Whether a person wants it logged out, as after `tailscale logout`. */
  LoggedOut?: boolean | null;
  /** The name to ask the control server for; empty means the operating system's. */
  Hostname?: string | null;
  /** What else the daemon tells, as it came. */
  [field: string]: unknown;
}

export const prefsSchema: z.ZodType<Prefs> = z.looseObject(
  {
    ControlURL: z.string().nullish(),
    WantRunning: z.boolean().nullish(),
    LoggedOut: z.boolean().nullish(),
    Hostname: z.string().nullish(),
  } satisfies Shape<Prefs>,
);
