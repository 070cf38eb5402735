import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { usageError } from "./exit.ts";

/** The guest namespace that is meant: by `-n`, by `--realm`, by what is asked about, else the kubeconfig's own. */
export function guestNamespaceOf(
  options: { namespace?: unknown; realm?: unknown },
  rest: RestClient,
  written?: string,
): string {
  const named = options.namespace ??
    (options.realm === undefined ? undefined : guestNamespace(String(options.realm))) ??
    written ?? rest.defaultNamespace;
  if (typeof named === "string" && realmOfNamespace(named) !== undefined) return named;
  throw usageError(
    `${named ?? "No namespace"} is no guest namespace; write -n guest-REALM or --realm REALM.`,
  );
}
