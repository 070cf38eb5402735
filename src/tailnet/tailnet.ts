/** The tailnet as controllers see it: what it looks like now, and whom to wake when that changes. */
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

/** A live picture of the tailnet. */
export interface Tailnet {
  /** What is known now; each change makes a new object. */
  readonly state: TailnetState;
  /** Calls `listener` after each change, with the new state already in `state`. */
  onChange(listener: (change: TailnetChange) => void): void;
  /** Resolves when the first state is known, also when that is unavailable. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
  /**
   * Keeps `capabilities` known of the nodes with exactly these names (canonical); called whenever the set changes. Asked
   * when a node appears or has other addresses and when the policy may have changed; a change is told as any other.
   */
  watch(names: ReadonlySet<string>): void;
  /**
   * Sends a node one ping (disco: it finds a path and doesn't reach into the node's network) and waits for the answer
   * for at most 5 s. At most 8 are under way at a time, further ones wait. Rejects with the signal's reason only.
   *
   * @param address one of the node's tailnet addresses
   */
  ping(address: string, signal: AbortSignal): Promise<Ping>;
  /** Keeps `state` up to date until the signal aborts, then resolves; whatever tailscaled does, it doesn't throw. */
  run(signal: AbortSignal): Promise<void>;
}

/** The tailnet of an operator that was not given any. */
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
