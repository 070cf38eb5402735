/** This cluster's own realm, from the configuration or else from the tailnet. */
import type { LocalRealm } from "./facts.ts";

export interface LocalRealmWorld {
  /** KEYSTONE_REALM. */
  configured?: string;
  tailnet:
    | { kind: "none" }
    | { kind: "unavailable"; message: string }
    | { kind: "running"; selfName: string };
  /** Returns the names of the Realms with a canonical identity. */
  realmsOfIdentity: (identity: string) => readonly string[];
}

/**
 * Returns the configured realm; else the Realm whose identity is this node's MagicDNS name; else the first label of
 * that name, so that the grantor itself needs no Realm object.
 */
export function localRealmFrom({ configured, tailnet, realmsOfIdentity }: LocalRealmWorld): LocalRealm {
  if (configured !== undefined) return { kind: "known", name: configured };
  switch (tailnet.kind) {
    case "none":
      return { kind: "any" };
    case "unavailable":
      return {
        kind: "unknown",
        message: `this cluster's realm is unknown: ${tailnet.message}; start tailscaled or set KEYSTONE_REALM`,
      };
    case "running": {
      const realms = realmsOfIdentity(tailnet.selfName);
      if (realms.length > 1) {
        const message = `this cluster's realm is ambiguous: Realms ${[...realms].sort().join(", ")} all have this ` +
          `node's identity ${tailnet.selfName}; delete all but one, or set KEYSTONE_REALM`;
        return { kind: "unknown", message };
      }
      const name = realms[0] ?? tailnet.selfName.split(".")[0];
      return name
        ? { kind: "known", name }
        : { kind: "unknown", message: "tailscaled reports no name for this node yet" };
    }
  }
}
