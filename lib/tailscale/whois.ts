import { z } from "zod";

export const whoIsSchema = z.looseObject({
  Node: z.looseObject({
    StableID: z.string(),
    /** MagicDNS name with a trailing dot. */
    Name: z.string().nullish(),
    /** The node's own addresses as prefixes, such as `100.64.0.2/32`. */
    Addresses: z.array(z.string()).nullish(),
    Tags: z.array(z.string()).nullish(),
    Online: z.boolean().nullish(),
    /** RFC 3339; year 1 or absent when the key doesn't expire. */
    KeyExpiry: z.string().nullish(),
  }),
  UserProfile: z.looseObject({ LoginName: z.string().nullish(), DisplayName: z.string().nullish() }),
  /** Capabilities that the tailnet's policy grants the node towards this one, by name, with their arguments. */
  CapMap: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
});

/** Who stands behind an address. Source: `apitype.WhoIsResponse` of tailscale.com. Unknown fields are kept. */
export type WhoIs = z.infer<typeof whoIsSchema>;
