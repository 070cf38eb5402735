/** Pings of nodes, a bounded number at a time. */
import { LocalApiError, type PingResult, type TailscaleStatus } from "../../lib/tailscale/mod.ts";

/** What a ping found. */
export type Ping =
  /** It answered; `via` as in `Peer`. */
  | { kind: "answered"; path: "direct" | "relay"; via?: string; latencyMs: number }
  /** tailscaled is well, but no answer came; the message says so in a sentence. */
  | { kind: "unanswered"; message: string }
  /** tailscaled couldn't be asked, which says nothing of the node; the message is a sentence with the remedy. */
  | { kind: "unknown"; message: string };

/** What is needed of the LocalAPI. */
export interface PingApi {
  ping(ip: string, options: { signal: AbortSignal; timeoutMs: number }): Promise<PingResult>;
  status(options: { signal: AbortSignal; peers: false }): Promise<TailscaleStatus>;
}

const atOnce = 8;
const timeoutMs = 5000;

/** Asks for pings; those beyond the bound wait for their turn. */
export class Pinger {
  #underWay = 0;
  readonly #waiting = new Set<() => void>();

  /** Rejects with the signal's reason only. */
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

/**
 * A daemon that hangs, or is told to stop, and a node that doesn't answer look the same; the daemon's own state tells
 * them apart.
 */
async function unanswered(api: PingApi, message: string, signal: AbortSignal): Promise<Ping> {
  try {
    const { BackendState } = await api.status({ signal, peers: false });
    if (BackendState === "Running") return { kind: "unanswered", message };
    return {
      kind: "unknown",
      message: `tailscaled is not connected, so nothing can be pinged (it is ${BackendState})`,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LocalApiError)) throw error;
    return { kind: "unknown", message: error.message };
  }
}
