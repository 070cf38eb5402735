/** Checks the tailnet: the local daemon if its socket is known, else what the operator reports in the Realms. */
import { countText } from "../../core/plain_text.ts";
import { LocalClient } from "../../../lib/tailscale/mod.ts";
import type { Realm } from "../../api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../core/conditions.ts";
import { type DoctorFinding, fail, ok, unknown, warn } from "./doctor_finding.ts";

const name = "tailscaled";

export async function daemonFinding(socket: string): Promise<DoctorFinding> {
  using client = new LocalClient({ socket, timeoutMs: 5000 });
  try {
    const { BackendState, Self } = await client.status({ peers: false });
    return BackendState === "Running"
      ? ok(name, `Running as ${Self?.DNSName?.replace(/\.$/, "") ?? "a node without a name"}.`)
      : fail(name, `tailscaled has the state ${BackendState}.`, `tailscale --socket=${socket} up`);
  } catch (error) {
    return fail(name, error instanceof Error ? error.message : String(error), "Start tailscaled.");
  }
}

/** Returns the operator's view of the tailnet, as the Realms report it. */
export function realmFindings(realms: readonly Realm[]): DoctorFinding[] {
  const failing = realms.filter(({ status }) => status?.connectionState === "Error");
  if (failing.length > 0) {
    return failing.map(({ metadata, status }) =>
      warn(
        name,
        `Realm ${metadata!.name}: ${conditionOf(status, "Ready")?.message ?? "its node is not trusted."}`,
        `kubectl describe realm ${metadata!.name}, then keystone realm trust ${metadata!.name} if the node is right.`,
      )
    );
  }
  const observed = realms.filter(({ status }) => /^(Connected|Disconnected)$/.test(status?.connectionState ?? ""));
  if (observed.length > 0) {
    return [ok(name, `The operator observes the nodes of ${countText(observed.length, "realm")}.`)];
  }
  const reason = realms.map(({ status }) => conditionOf(status, "Reachable")?.message).find((text) => text);
  return [unknown(
    name,
    `TS_SOCKET is not set, so tailscaled was not asked${reason === undefined ? "." : `. ${reason}`}`,
    "Set TS_SOCKET, or use --ts-socket.",
  )];
}
