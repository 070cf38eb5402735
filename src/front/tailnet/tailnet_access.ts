/** The answer to `GET /k8s`: what the caller can use here. */
import { guestNamespace } from "../../core/names.ts";
import type { Caller } from "../../core/people/caller.ts";
import type { ServerParts } from "./server_parts.ts";
import type { WholeAnswer } from "./status_answer.ts";

export interface TailnetAccess {
  apiVersion: "keystone.io/v1alpha1";
  kind: "TailnetAccess";
  /** Realm of this cluster; empty if it is not known. */
  lender: string;
  /** MagicDNS name of the caller's node. */
  node: string;
  login: string;
  realms: {
    realm: string;
    namespace: string;
    /** Path of the API server for this realm. */
    path: string;
    /** End of the last grant, RFC 3339. */
    ends?: string;
    /** False if its access is closed now; absent: it is open. */
    access?: false;
    /** Sentence with the reason for that. */
    message?: string;
  }[];
}

/** Returns the realms that the caller acts for, sorted. */
export function tailnetAccess(
  { identity: { node, login }, realms }: Caller,
  { access, lender }: Pick<ServerParts, "access" | "lender">,
): WholeAnswer {
  const answer: TailnetAccess = {
    apiVersion: "keystone.io/v1alpha1",
    kind: "TailnetAccess",
    lender: lender(),
    node,
    login,
    realms: [...realms].sort().map((realm) => {
      const now = access(realm);
      return {
        realm,
        namespace: guestNamespace(realm),
        path: `/k8s/${realm}`,
        ...(now.is === "open" && now.endsAt !== undefined ? { ends: new Date(now.endsAt).toISOString() } : {}),
        ...(now.is === "closed" ? { access: false as const, message: now.message } : {}),
      };
    }),
  };
  return { status: 200, type: "application/json", body: JSON.stringify(answer) };
}
