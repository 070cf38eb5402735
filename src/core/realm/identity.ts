/**
 * The form in which MagicDNS names are compared: lower case, without the trailing dot that tailscaled writes.
 *
 * ```ts
 * import { canonicalName } from "./identity.ts";
 * import { equal } from "node:assert/strict";
 * equal(canonicalName("Bob-Home.tailnet-name.ts.net."), "bob-home.tailnet-name.ts.net");
 * ```
 */
export const canonicalName = (identity: string): string => identity.toLowerCase().replace(/\.$/, "");
