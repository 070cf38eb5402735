/** Whether this machine's loopback is this machine's alone, beside a tailscaled. */
import { LocalClient } from "../../lib/tailscale/mod.ts";
import type { Tailnet } from "./tailnet.ts";

const askMs = 3000;

/**
 * A tailscaled in userspace mode delivers what any node of the tailnet sends to this one, on any port, to 127.0.0.1. Tells
 * why nothing may listen there, in a sentence, and each time that this changes; undefined where it may. Until the daemon
 * has said in which mode it runs it is taken for one in userspace mode; one that is gone is taken for what it was.
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
      ? `tailscaled at ${this.#socket} runs in userspace mode, so what any node of the tailnet sends comes to loopback. ` +
        `Name another address of this machine (--listen ADDRESS:PORT), or run tailscaled with a TUN device`
      : `tailscaled at ${this.#socket} has not said yet whether it runs in userspace mode, in which what any node of the ` +
        `tailnet sends comes to loopback. Start it, or name another address of this machine (--listen ADDRESS:PORT)`;
  }

  /** Calls `listener` now and after each change. */
  subscribe(listener: (closed: string | undefined) => void): void {
    this.#listeners.push(listener);
    listener(this.closed);
  }

  /** Asks once, so that it is known before anything else waits. */
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
