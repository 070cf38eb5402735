/** Decides if a server may listen on this machine's loopback beside a tailscaled. */
import { LocalClient } from "../../lib/tailscale/mod.ts";
import type { Tailnet } from "./tailnet.ts";

const askMs = 3000;

/**
 * A tailscaled in userspace mode delivers connections from any node of the tailnet, to any port, at 127.0.0.1.
 * Reports the reason why nothing may listen there, as a sentence, and each change of it; undefined if listening is
 * safe. Until the daemon has reported its mode it counts as userspace mode; if it becomes unreachable, its last mode
 * counts.
 */
export class LoopbackGuard {
  readonly #socket: string | undefined;
  readonly #listeners: ((closed: string | undefined) => void)[] = [];
  #tun: boolean | undefined;

  constructor(socket: string | undefined, tailnet: Pick<Tailnet, "state" | "onChange">) {
    this.#socket = socket;
    tailnet.onChange(() => {
      const { state } = tailnet;
      if (state.kind !== "none" && state.tun !== undefined) this.#learn(state.tun);
    });
  }

  get closed(): string | undefined {
    if (this.#socket === undefined || this.#tun === true) return undefined;
    return this.#tun === false
      ? `tailscaled at ${this.#socket} runs in userspace mode, so any node of the tailnet can connect to loopback. ` +
        `Use another address of this machine (--listen ADDRESS:PORT), or run tailscaled with a TUN device`
      : `tailscaled at ${this.#socket} has not reported its mode yet; in userspace mode any node of the ` +
        `tailnet can connect to loopback. Start tailscaled, or use another address of this machine (--listen ADDRESS:PORT)`;
  }

  /** Calls `listener` now and after each change. */
  subscribe(listener: (closed: string | undefined) => void): void {
    this.#listeners.push(listener);
    listener(this.closed);
  }

  /** Queries the mode once, so that it is known before anything waits for it. */
  async ask(): Promise<void> {
    if (this.#socket === undefined) return;
    using client = new LocalClient({ socket: this.#socket, timeoutMs: askMs });
    try {
      const { TUN } = await client.status({ peers: false });
      if (typeof TUN === "boolean") this.#learn(TUN);
    } catch { /* the tailnet says later what it is */ }
  }

  #learn(tun: boolean): void {
    if (tun === this.#tun) return;
    this.#tun = tun;
    for (const listener of this.#listeners) listener(this.closed);
  }
}
