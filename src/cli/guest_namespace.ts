import type { RestClient } from "../../lib/kubernetes/mod.ts";
import { guestNamespace, realmOfNamespace } from "../core/names.ts";
import { usageError } from "./exit.ts";

/** Returns the guest namespace from `-n`, `--realm` or the file, else the kubeconfig's. */
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
    `${named === undefined ? "No namespace is set" : `${named} is not a guest namespace`}. Use -n guest-REALM or ` +
      "--realm REALM.",
  );
}
