/** Kind of the observed control server. */
import type { RealmSpec } from "../../api/mod.ts";
import type { DesiredCondition } from "../conditions.ts";

/** Returns the kind: Tailscale's own servers share one domain; any other server is Headscale or compatible. */
export function controlServerKind(url: string): RealmSpec["connectionType"] {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "tailscale.com" || host.endsWith(".tailscale.com") ? "tailscale" : "headscale";
}

/** Returns the condition ConnectionTypeMatches. */
export function connectionTypeCondition(
  { connectionType }: RealmSpec,
  controlServer: string | undefined,
): DesiredCondition {
  const type = "ConnectionTypeMatches";
  if (controlServer === undefined) {
    return { type, status: "Unknown", reason: "ControlServerUnknown", message: "The control server is not known yet." };
  }
  const seen = controlServerKind(controlServer);
  return seen === connectionType
    ? { type, status: "True", reason: "AsSpecified", message: `The control server is ${controlServer}.` }
    : {
      type,
      status: "False",
      reason: "ControlServerDiffers",
      message: `spec.connectionType is ${connectionType}, but the control server is ${controlServer}, which is ` +
        `${
          seen === "tailscale" ? "Tailscale's own" : "not Tailscale's own"
        }. Set spec.connectionType to ${seen}; both ` +
        "work alike.",
    };
}
