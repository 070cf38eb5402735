/** Logs when the tailnet goes away and comes back: one line each, instead of one for each realm. */
import type { Clock } from "../../lib/clock/mod.ts";
import { spanText } from "../core/report/relative_time.ts";
import type { Tailnet, TailnetState } from "../tailnet/tailnet.ts";
import type { Log } from "./operator_log.ts";

/** Parts of the state that the log reports; other changes need no line. */
const formOf = (state: TailnetState): string =>
  state.kind === "unavailable"
    ? `unavailable ${state.reason}`
    : state.kind === "running"
    ? `running ${state.self.online}`
    : "none";

const consequence =
  "Realms are Unknown until then; what is open to their nodes stays open, and no other node is trusted.";

/** Subscribes to the tailnet. The first state is logged, too. */
export function logTailnet(tailnet: Tailnet, { log, clock }: { log: Log; clock: Clock }): void {
  let shown = formOf(tailnet.state);
  let awaySince: number | undefined;
  tailnet.onChange(() => {
    const { state } = tailnet;
    const form = formOf(state);
    if (form === shown) return;
    shown = form;
    if (state.kind === "unavailable") {
      awaySince ??= clock.now();
      const said = state.message.replace(/[.;]$/, "");
      return log.warn("{tailnet}", {
        tailnet: `The tailnet is unavailable: ${said}. ${consequence}`,
        reason: state.reason,
      });
    }
    if (state.kind !== "running") return;
    if (!state.self.online) {
      awaySince ??= clock.now();
      return log.warn("{tailnet}", {
        tailnet: `The tailnet's control server doesn't respond to tailscaled. ${consequence}`,
        reason: "ControlServerUnreachable",
      });
    }
    const nodes = [...state.peers.values()].flat().filter(({ self }) => !self);
    const online = nodes.filter((node) => node.online).length;
    const list = `${online} of ${nodes.length} other nodes ${online === 1 ? "is" : "are"} online`;
    const again = awaySince === undefined ? "" : ` again after ${spanText(clock.now() - awaySince)}`;
    awaySince = undefined;
    log.info("{tailnet}", { tailnet: `Connected to the tailnet${again} as ${state.self.dnsName}; ${list}.`, online });
  });
}

/** Returns the tailnet's limitation as a sentence for `/readyz`; undefined: there is none. */
export function tailnetRemark({ state }: Tailnet): string | undefined {
  if (state.kind === "unavailable") {
    return `The tailnet is unavailable: ${state.message.replace(/[.;]$/, "")}. ${consequence}`;
  }
  return state.kind === "running" && !state.self.online
    ? `The tailnet's control server doesn't respond to tailscaled. ${consequence}`
    : undefined;
}
