/** Pings of nodes, with bounded concurrency. */
import { LocalApiError, type PingResult, type TailscaleStatus } from "../../lib/tailscale/mod.ts";

/** Result of a ping. */
export type Ping =
  /** The node answered; `via` as in `Peer`. */
  | { kind: "answered"; path: "direct" | "relay"; via?: string; latencyMs: number }
  /** tailscaled works, but no answer came; the message is a sentence. */
  | { kind: "unanswered"; message: string }
  /**
   * tailscaled couldn't send the ping, which says nothing about the node; the message is a sentence with the remedy.
   */
  | { kind: "unknown"; message: string };

/** The used part of the LocalAPI. */
export interface PingApi {
  ping(ip: string, options: { signal: AbortSignal; timeoutMs: number }): Promise<PingResult>;
  status(options: { signal: AbortSignal; peers: false }): Promise<TailscaleStatus>;
}

const atOnce = 8;
const timeoutMs = 5000;

/** Sends pings; those beyond the limit wait. */
export class Pinger {
  #underWay = 0;
  readonly #waiting = new Set<() => void>();

  /** Sends a ping. Rejects only with the signal's reason. */
  async ping(api: PingApi, address: string, signal: AbortSignal): Promise<Ping> {
    await this.#turn(signal);
    try {
      return await pingOnce(api, address, signal);
    } finally {
      this.#underWay--;
      const [next] = this.#waiting;
      next?.();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const take = () => void this.#underWay++;
    if (this.#underWay < atOnce) return Promise.resolve(take());
    return new Promise((resolve, reject) => {
      const next = () => {
        end();
        resolve(take());
      };
      const stop = () => {
        end();
        reject(signal.reason);
      };
      const end = () => {
        this.#waiting.delete(next);
        signal.removeEventListener("abort", stop);
      };
      this.#waiting.add(next);
      signal.addEventListener("abort", stop, { once: true });
    });
  }
}

async function pingOnce(api: PingApi, address: string, signal: AbortSignal): Promise<Ping> {
  try {
    const { Err, Endpoint, PeerRelay, DERPRegionCode, LatencySeconds } = await api.ping(address, { signal, timeoutMs });
    if (Err) return await unanswered(api, `${address} can't be pinged: ${Err}`, signal);
    const latencyMs = (LatencySeconds ?? 0) * 1000;
    if (Endpoint) return { kind: "answered", path: "direct", via: Endpoint, latencyMs };
    const via = PeerRelay || DERPRegionCode;
    return { kind: "answered", path: "relay", ...(via ? { via } : {}), latencyMs };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LocalApiError)) throw error;
    if (error.kind !== "Timeout") return { kind: "unknown", message: error.message };
    return await unanswered(api, `${address} didn't answer a ping within ${timeoutMs / 1000} s`, signal);
  }
}

/** Distinguishes a node that doesn't answer from a daemon that hangs or is stopped, by the daemon's own state. */
async function unanswered(api: PingApi, message: string, signal: AbortSignal): Promise<Ping> {
  try {
    const { BackendState } = await api.status({ signal, peers: false });
    if (BackendState === "Running") return { kind: "unanswered", message };
    return {
      kind: "unknown",
      message: `tailscaled is not connected, so it can't ping (its state is ${BackendState})`,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LocalApiError)) throw error;
    return { kind: "unknown", message: error.message };
  }
}
