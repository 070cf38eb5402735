import { z } from "zod";

export const prefsSchema = z.looseObject({
  /** The control server, such as `https://controlplane.tailscale.com` or that of a Headscale. */
  ControlURL: z.string().nullish(),
  /** Whether the daemon is meant to be connected: `tailscale up` and `down`. */
  WantRunning: z.boolean().nullish(),
  LoggedOut: z.boolean().nullish(),
  /** The name to ask the control server for; empty means the operating system's. */
  Hostname: z.string().nullish(),
});

/** The daemon's settings, without private keys. Source: `ipn.Prefs` of tailscale.com. Unknown fields are kept. */
export type Prefs = z.infer<typeof prefsSchema>;
