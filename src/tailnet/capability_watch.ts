/** Which capabilities the tailnet's policy grants to the nodes that are watched: asked of whois, node by node. */
import { getLogger } from "@logtape/logtape";
import { isEqual } from "es-toolkit";
import type { Clock } from "../../lib/clock/mod.ts";
import { LocalApiError, type WhoIs } from "../../lib/tailscale/mod.ts";
import { Alarm } from "./alarm.ts";
import type { Capabilities, KnownCapabilities, TailnetPeer, TailnetState } from "./tailnet_state.ts";

/** Of all capabilities only those of Keystone matter here. */
const prefix = "keystone.io/cap/";

/** More than that of a node is left out: it is to be shown in a status, whose size has a limit. */
const most = 16;
const longest = 4096;

const timing = {
  /** How long known answers are gathered before they are told: each telling is a pass over all peers. */
  tellMs: 250,
  /** When to ask again of a node that couldn't be asked about. */
  retryMs: 30_000,
  /**
   * Between two rounds that the policy calls for: ten times as long as the last took, and at least that. Some daemons
   * tell of whatever changes as if it were all.
   */
  shortestRestMs: 2000,
} as const;

const logger = getLogger(["keystone", "tailnet"]);

type Ask = (address: string, signal: AbortSignal) => Promise<WhoIs>;

/** One question to whois: which node, and the address that it was last known under. */
interface Question {
  stableID: string;
  address: string;
}

/** Keeps the answers for the watched nodes; {@linkcode run} asks, one question at a time. */
export class CapabilityWatch {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #names: ReadonlySet<string> = new Set();
  #peers: ReadonlyMap<string, readonly TailnetPeer[]> = new Map();
  /** Whether the names or the peers have changed since they were compared. */
  #stale = false;
  /** Whether there is a tailnet to ask about. */
  #running = false;
  /** All of these by stableID. A node is asked about under its first address, and anew when that has changed. */
  #watched: ReadonlyMap<string, Question> = new Map();
  readonly #known = new Map<string, Capabilities>();
  readonly #asked = new Map<string, string>();
  readonly #queue = new Map<string, Question>();
  /** Whether all are to be asked about anew. */
  #roundDue = false;
  /** Monotonic times: since when it asks without a pause; before which no round begins; no question; of telling. */
  #busySince: number | undefined;
  #roundNotBefore = 0;
  #notBefore = 0;
  #tellAt = Infinity;
  #turn = 0;
  readonly #alarm: Alarm;

  /** `onChange` is called when `known` has changed; answers are gathered for a moment before. */
  constructor({ clock, onChange }: { clock: Clock; onChange: () => void }) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#alarm = new Alarm(clock);
  }

  /** What is known, of watched nodes only. */
  get known(): KnownCapabilities {
    return this.#known;
  }

  /** Watches the nodes with exactly these names. */
  watch(names: ReadonlySet<string>): void {
    this.#names = new Set(names);
    this.#stale = true;
    this.#alarm.ring();
  }

  /** Takes in who is there now: one pass over the watched names. While nobody can be asked, what was known stays. */
  observe(state: TailnetState): void {
    this.#running = state.kind === "running";
    if (state.kind !== "running") return;
    this.#peers = state.peers;
    this.#stale = true;
    this.#alarm.ring();
  }

  /** Has all watched nodes asked about anew, soon. */
  policyMayHaveChanged(): void {
    this.#roundDue = true;
    this.#alarm.ring();
  }

  /** Asks about one watched node, each in its turn, in case that a change went unnoticed; false when there is none. */
  askOne(): boolean {
    const questions = [...this.#watched.values()];
    const question = questions[this.#turn++ % questions.length];
    if (!question) return false;
    this.#queue.set(question.stableID, question);
    this.#alarm.ring();
    return true;
  }

  /** Asks what there is to ask until the signal aborts. */
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
      // An address that another node has by now says nothing of this one; the next status brings its own.
      if (Node.StableID === stableID) this.#learn(question, capabilitiesFrom(CapMap));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LocalApiError)) throw error;
      // A node that is gone will be missing in the next status.
      if (error.kind !== "NotFound") this.#failed(question, error);
    }
    const now = this.#clock.monotonic();
    // No more than half of the time: a daemon that is slow has others to answer.
    this.#notBefore = Math.max(this.#notBefore, now + (now - startedAt));
    if (this.#queue.size > 0) return;
    this.#roundNotBefore = now + Math.max(timing.shortestRestMs, 10 * (now - this.#busySince));
    this.#busySince = undefined;
  }

  #learn({ stableID, address }: Question, capabilities: Capabilities): void {
    // It may have gone or moved while it was asked about.
    if (this.#watched.get(stableID)?.address !== address) return;
    if (isEqual(this.#known.get(stableID), capabilities)) return;
    this.#known.set(stableID, capabilities);
    this.#tellAt = Math.min(this.#tellAt, this.#clock.monotonic() + timing.tellMs);
  }

  #failed(question: Question, error: LocalApiError): void {
    logger.debug("can't ask about capabilities: {message}", { message: error.message });
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
