/** Which realm this cluster is: told by configuration, else by the tailnet. */
import type { LocalRealm } from "./facts.ts";

export interface LocalRealmWorld {
  /** KEYSTONE_REALM. */
  configured?: string;
  tailnet:
    | { kind: "none" }
    | { kind: "unavailable"; message: string }
    | { kind: "running"; selfName: string };
  /** Name of a Realm by its canonical identity. */
  realmOfIdentity: (identity: string) => string | undefined;
}

/**
 * The configured realm; else the Realm whose identity is this node's MagicDNS name; else the first label of that name,
 * so that no Realm object is needed for the grantor itself.
 */
export function localRealm({ configured, tailnet, realmOfIdentity }: LocalRealmWorld): LocalRealm {
  if (configured !== undefined) return { kind: "known", name: configured };
  switch (tailnet.kind) {
    case "none":
      return { kind: "any" };
    case "unavailable":
      return {
        kind: "unknown",
        message:
          `which realm this cluster is can't be asked: ${tailnet.message}; start tailscaled or set KEYSTONE_REALM`,
      };
    case "running": {
      const name = realmOfIdentity(tailnet.selfName) ?? tailnet.selfName.split(".")[0];
      return name
        ? { kind: "known", name }
        : { kind: "unknown", message: "tailscaled reports no name for this node yet" };
    }
  }
}
