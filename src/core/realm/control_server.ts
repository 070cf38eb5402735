/** Which kind of control server is really there. */
import type { RealmSpec } from "../../api/mod.ts";
import type { DesiredCondition } from "../conditions.ts";

/** Tailscale's own are all of one domain; whatever else speaks the protocol is Headscale or a kin of it. */
function controlServerKind(url: string): RealmSpec["connectionType"] {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "tailscale.com" || host.endsWith(".tailscale.com") ? "tailscale" : "headscale";
}

/** The condition ConnectionTypeMatches. */
export function connectionTypeCondition(
  { connectionType }: RealmSpec,
  controlServer: string | undefined,
): DesiredCondition {
  const type = "ConnectionTypeMatches";
  if (controlServer === undefined) {
    return { type, status: "Unknown", reason: "ControlServerUnknown", message: "No control server is seen yet." };
  }
  const seen = controlServerKind(controlServer);
  return seen === connectionType
    ? { type, status: "True", reason: "AsSpecified", message: `The control server is ${controlServer}.` }
    : {
      type,
      status: "False",
      reason: "ControlServerDiffers",
      message: `spec.connectionType is ${connectionType}, and the control server is ${controlServer}, which is ` +
        `${seen === "tailscale" ? "Tailscale's own" : "not Tailscale's own"}. Both work alike; to be exact, set ` +
        `spec.connectionType to ${seen}.`,
    };
}
