/** Capabilities that the tailnet's policy grants to watched nodes, queried by whois, node by node. */
import { getLogger } from "@logtape/logtape";
import { isEqual } from "es-toolkit";
import type { Clock } from "../../lib/clock/mod.ts";
import { LocalApiError, type WhoIs } from "../../lib/tailscale/mod.ts";
import { Alarm } from "./alarm.ts";
import type { Capabilities, KnownCapabilities, TailnetPeer, TailnetState } from "./tailnet_state.ts";

/** Only capabilities with this prefix are kept. */
const prefix = "keystone.io/cap/";

/** Maximum number for each node: they are shown in a status, whose size is limited. */
const most = 16;
const longest = 4096;

const timing = {
  /** Time to gather answers before they are reported, because each report is a pass over all peers. */
  tellMs: 250,
  /** Delay before a failed query is retried. */
  retryMs: 30_000,
  /**
   * Minimum pause between two rounds that policy changes cause; otherwise ten times the duration of the last round.
   * Some daemons report every change as a possible policy change.
   */
  shortestRestMs: 2000,
} as const;

const logger = getLogger(["keystone", "tailnet"]);

type Ask = (address: string, signal: AbortSignal) => Promise<WhoIs>;

/** A whois query: the node and its last known address. */
interface Question {
  stableID: string;
  address: string;
}

/** Keeps the capabilities of the watched nodes; {@linkcode run} queries them one at a time. */
export class CapabilityWatch {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #names: ReadonlySet<string> = new Set();
  #peers: ReadonlyMap<string, readonly TailnetPeer[]> = new Map();
  /** True if the names or the peers have changed since they were compared. */
  #stale = false;
  /** True while there is a tailnet to query. */
  #running = false;
  /** Watched nodes by stableID. A node is queried by its first address, and again when that changes. */
  #watched: ReadonlyMap<string, Question> = new Map();
  readonly #known = new Map<string, Capabilities>();
  readonly #asked = new Map<string, string>();
  readonly #queue = new Map<string, Question>();
  /** True if all nodes must be queried again. */
  #roundDue = false;
  /** Monotonic times: start of uninterrupted queries; earliest start of a round, of a query; next report. */
  #busySince: number | undefined;
  #roundNotBefore = 0;
  #notBefore = 0;
  #tellAt = Infinity;
  #turn = 0;
  readonly #alarm: Alarm;

  /** Calls `onChange` when `known` has changed; answers are gathered for a moment before. */
  constructor({ clock, onChange }: { clock: Clock; onChange: () => void }) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#alarm = new Alarm(clock);
  }

  /** Known capabilities, of watched nodes only. */
  get known(): KnownCapabilities {
    return this.#known;
  }

  /** Watches exactly the nodes with these names. */
  watch(names: ReadonlySet<string>): void {
    this.#names = new Set(names);
    this.#stale = true;
    this.#alarm.ring();
  }

  /** Compares the current peers with the watched names. While the tailnet is unavailable, known capabilities stay. */
  observe(state: TailnetState): void {
    this.#running = state.kind === "running";
    if (state.kind !== "running") return;
    this.#peers = state.peers;
    this.#stale = true;
    this.#alarm.ring();
  }

  /** Queries all watched nodes again, soon. */
  policyMayHaveChanged(): void {
    this.#roundDue = true;
    this.#alarm.ring();
  }

  /** Queries one watched node, in turn, in case a change was missed; returns false if there is none. */
  askOne(): boolean {
    const questions = [...this.#watched.values()];
    const question = questions[this.#turn++ % questions.length];
    if (!question) return false;
    this.#queue.set(question.stableID, question);
    this.#alarm.ring();
    return true;
  }

  /** Runs queries until the signal aborts. */
  async run(ask: Ask, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = this.#clock.monotonic();
      if (this.#stale) this.#compare();
      const roundDue = this.#running && this.#roundDue && this.#queue.size === 0;
      if (roundDue && this.#roundNotBefore <= now) this.#startRound();
      const [question] = this.#running ? this.#queue.values() : [];
      if (this.#tellAt <= now) this.#tell();
      else if (question && this.#notBefore <= now) await this.#ask(question, ask, signal);
      else {
        const next = question ? this.#notBefore : roundDue ? this.#roundNotBefore : Infinity;
        await this.#alarm.wait(Math.min(this.#tellAt, next) - now, signal);
      }
    }
  }

  #compare(): void {
    this.#stale = false;
    const watched = new Map<string, Question>();
    for (const name of this.#names) {
      for (const { stableID, addresses: [address], self } of this.#peers.get(name) ?? []) {
        if (!self && stableID && address) watched.set(stableID, { stableID, address });
      }
    }
    this.#watched = watched;
    for (const map of [this.#asked, this.#known, this.#queue]) {
      for (const stableID of map.keys()) if (!watched.has(stableID)) map.delete(stableID);
    }
    for (const question of watched.values()) {
      if (this.#asked.get(question.stableID) !== question.address) this.#queue.set(question.stableID, question);
    }
  }

  #startRound(): void {
    this.#roundDue = false;
    for (const question of this.#watched.values()) this.#queue.set(question.stableID, question);
  }

  async #ask(question: Question, ask: Ask, signal: AbortSignal): Promise<void> {
    const { stableID, address } = question;
    const startedAt = this.#clock.monotonic();
    this.#busySince ??= startedAt;
    this.#queue.delete(stableID);
    this.#asked.set(stableID, address);
    try {
      const { Node, CapMap } = await ask(address, signal);
      // If another node has the address by now, the answer isn't about this one; the next status has its new address.
      if (Node.StableID === stableID) this.#learn(question, capabilitiesFrom(CapMap));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LocalApiError)) throw error;
      // A node that no longer exists will be missing in the next status.
      if (error.kind !== "NotFound") this.#failed(question, error);
    }
    const now = this.#clock.monotonic();
    // At most half of the time, because a slow daemon has other clients.
    this.#notBefore = Math.max(this.#notBefore, now + (now - startedAt));
    if (this.#queue.size > 0) return;
    this.#roundNotBefore = now + Math.max(timing.shortestRestMs, 10 * (now - this.#busySince));
    this.#busySince = undefined;
  }

  #learn({ stableID, address }: Question, capabilities: Capabilities): void {
    // The node may have been removed or moved during the query.
    if (this.#watched.get(stableID)?.address !== address) return;
    if (isEqual(this.#known.get(stableID), capabilities)) return;
    this.#known.set(stableID, capabilities);
    this.#tellAt = Math.min(this.#tellAt, this.#clock.monotonic() + timing.tellMs);
  }

  #failed(question: Question, error: LocalApiError): void {
    logger.debug("can't query capabilities: {message}", { message: error.message });
    if (this.#watched.has(question.stableID)) this.#queue.set(question.stableID, question);
    this.#notBefore = this.#clock.monotonic() + timing.retryMs;
  }

  #tell(): void {
    this.#tellAt = Infinity;
    this.#onChange();
  }
}

function capabilitiesFrom(capMap: WhoIs["CapMap"]): Capabilities {
  return Object.fromEntries(
    Object.entries(capMap ?? {})
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, values]): [string, unknown[]] => [name, values ?? []])
      .filter((capability) => JSON.stringify(capability).length <= longest)
      .slice(0, most),
  );
}
