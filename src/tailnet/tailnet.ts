/** The tailnet as controllers see it: its current state, with notification of changes. */
import type { Ping } from "./pinger.ts";
import type { TailnetChange, TailnetState } from "./tailnet_state.ts";

export type { Ping } from "./pinger.ts";
export {
  type Capabilities,
  peerByID,
  type TailnetChange,
  type TailnetPeer,
  type TailnetState,
  type UnavailableReason,
} from "./tailnet_state.ts";

/** The live state of the tailnet. */
export interface Tailnet {
  /** The current state; each change makes a new object. */
  readonly state: TailnetState;
  /** Calls `listener` after each change, once `state` is updated. */
  onChange(listener: (change: TailnetChange) => void): void;
  /** Resolves once the first state is known, even if it is unavailable. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
  /**
   * Keeps `capabilities` of exactly the nodes with these names (canonical) known; called whenever the set changes.
   * They are queried when a node appears, when its addresses change and when the policy may have changed; changes are
   * reported like all others.
   */
  watch(names: ReadonlySet<string>): void;
  /**
   * Sends a node one ping (disco: it finds a path and doesn't reach into the node's network) and waits for the answer
   * for at most 5 s. At most 8 are under way at a time; others wait. Rejects only with the signal's reason.
   *
   * @param address one of the node's tailnet addresses
   */
  ping(address: string, signal: AbortSignal): Promise<Ping>;
  /** Keeps `state` current until the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** The tailnet of an operator without one. */
export const noTailnet: Tailnet = {
  state: { kind: "none" },
  onChange: () => {},
  ready: () => Promise.resolve(),
  watch: () => {},
  ping: () =>
    Promise.resolve({ kind: "unknown", message: "The operator runs without a tailnet; set TS_SOCKET to ping a node." }),
  run: (signal) =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    }),
};
