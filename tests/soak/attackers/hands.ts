/** Requests as a hostile guest: every answer is counted, and no more is written than the database holds. */
import { sleep, systemClock } from "../../../lib/clock/mod.ts";
import { clientOfGuest } from "../../hostile/flood.ts";

/** Number of answers to one attack, by what they said. */
export interface Answers {
  /** 2xx. */
  through: number;
  /** 4xx but 429, and the 5xx with which the API server refuses what it can't take. */
  refused: number;
  /** 429: the guests' seats and queues are full. */
  throttled: number;
  /** No answer at all. */
  unanswered: number;
}

/** Report of an attacker at the end. */
export interface Tally {
  /** By the name of the attack. */
  answers: Record<string, Answers>;
  /** Requests that went through although guests may not make them, in words. */
  breaches: string[];
}

/** Options of a request. */
export interface Asking {
  /** Content type; JSON, or a merge patch for a PATCH, unless told. */
  type?: string;
  /** In words, what must never go through. */
  forbidden?: string;
}

/**
 * Bytes that may be written: all that is written stays in the API server's database until its next compaction but one, and
 * a full database is an attack of its own (tests/hostile/nospace_test.ts).
 */
export class RequestBudget {
  #left: number;
  #at = performance.now();

  /** At most so many bytes a second, of which those of ten seconds may come at once. */
  constructor(readonly perSecond: number) {
    this.#left = perSecond * 10;
  }

  /** Spends so many and returns true, if there is room for them. */
  take(bytes: number): boolean {
    const now = performance.now();
    this.#left = Math.min(this.perSecond * 10, this.#left + this.perSecond * (now - this.#at) / 1000);
    this.#at = now;
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}

/** A request is given up after so long. */
const patienceMs = 20_000;
const mostBreaches = 20;

/** A guest's way to the API server, for one attack. */
export class Hands {
  constructor(
    readonly namespace: string,
    readonly budget: RequestBudget,
    readonly signal: AbortSignal,
    readonly attack: string,
    private readonly way: { server: string; client: Deno.HttpClient },
    private readonly tally: Tally,
  ) {}

  /** The hands of a guest for each attack, which count into one tally. */
  static async of(
    kubeconfig: string,
    namespace: string,
    budget: RequestBudget,
    signal: AbortSignal,
  ): Promise<{ tally: Tally; hands(attack: string): Hands }> {
    const way = await clientOfGuest(kubeconfig);
    const tally: Tally = { answers: {}, breaches: [] };
    return { tally, hands: (attack) => new Hands(namespace, budget, signal, attack, way, tally) };
  }

  /** Sends a request; the status of the answer, 0 without one. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    { type, forbidden }: Asking = {},
  ): Promise<number> {
    if (this.signal.aborted) return 0;
    const usual = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const code = await fetch(`${this.way.server}${path}`, {
      method,
      client: this.way.client,
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(patienceMs)]),
      ...(text === undefined ? {} : { body: text, headers: { "content-type": type ?? usual } }),
    }).then(async (answer) => {
      await answer.body?.cancel();
      return answer.status;
    }).catch(() => 0);
    // Cut off by the end of it all.
    if (code === 0 && this.signal.aborted) return 0;
    this.#count(code);
    if (forbidden !== undefined && code >= 200 && code < 300 && this.tally.breaches.length < mostBreaches) {
      this.tally.breaches.push(`${this.attack}: ${forbidden}`);
    }
    return code;
  }

  /** Opens a watch and holds it for a while, reading it or not. */
  async hold(path: string, ms: number, reads: boolean): Promise<void> {
    const end = AbortSignal.any([this.signal, AbortSignal.timeout(ms)]);
    try {
      const answer = await fetch(`${this.way.server}${path}`, { client: this.way.client, signal: end });
      this.#count(answer.status);
      if (!answer.ok || !reads) await this.pause(ms);
      else for await (const _ of answer.body!);
      await answer.body?.cancel();
    } catch {
      // It is over.
    }
  }

  /** A while, unless it all ends before. */
  pause(ms: number): Promise<void> {
    return sleep(systemClock, ms, this.signal);
  }

  #count(code: number): void {
    const none = { through: 0, refused: 0, throttled: 0, unanswered: 0 };
    const answers = this.tally.answers[this.attack] ??= none;
    if (code === 0) answers.unanswered++;
    else if (code === 429) answers.throttled++;
    else if (code >= 200 && code < 300) answers.through++;
    else answers.refused++;
  }
}
