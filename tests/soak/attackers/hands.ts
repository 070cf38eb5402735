/** A hostile guest's requests: each response is counted, and the writes are limited to what the database can hold. */
import { sleep, systemClock } from "../../../lib/clock/mod.ts";
import { clientOfGuest } from "../../hostile/flood.ts";

/** Numbers of responses to one attack, by outcome. */
export interface Answers {
  /** 2xx. */
  through: number;
  /** 4xx except 429, and the 5xx with which the API server rejects input that it can't process. */
  refused: number;
  /** 429: the guests' seats and queues in the API server are full. */
  throttled: number;
  /** No response. */
  unanswered: number;
}

/** An attacker's report at the end. */
export interface Tally {
  /** By the name of the attack. */
  answers: Record<string, Answers>;
  /** Descriptions of requests that were accepted although guests must not make them. */
  breaches: string[];
}

/** Options of a request. */
export interface Asking {
  /** Content type. Default: JSON, or a merge patch for a PATCH. */
  type?: string;
  /** Description of a request that must never be accepted. */
  forbidden?: string;
}

/**
 * The budget of bytes to write. All writes stay in the API server's database for two compactions, and a full database
 * is a different attack (tests/hostile/nospace_test.ts).
 */
export class RequestBudget {
  #left: number;
  #at = performance.now();

  /** Bytes per second, of which those of ten seconds may be used at once. */
  constructor(readonly perSecond: number) {
    this.#left = perSecond * 10;
  }

  /** Takes this many bytes and returns true, if the budget has them. */
  take(bytes: number): boolean {
    const now = performance.now();
    this.#left = Math.min(this.perSecond * 10, this.#left + this.perSecond * (now - this.#at) / 1000);
    this.#at = now;
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}

/** Timeout of a request. */
const patienceMs = 20_000;
const mostBreaches = 20;

/** A guest's client of the API server, for one attack. */
export class Hands {
  constructor(
    readonly namespace: string,
    readonly budget: RequestBudget,
    readonly signal: AbortSignal,
    readonly attack: string,
    private readonly way: { server: string; client: Deno.HttpClient },
    private readonly tally: Tally,
  ) {}

  /** Returns a guest's clients for each attack, with one tally. */
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

  /** Sends a request; returns the status of the response, 0 without one. */
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
    // Aborted at the end of the attack.
    if (code === 0 && this.signal.aborted) return 0;
    this.#count(code);
    if (forbidden !== undefined && code >= 200 && code < 300 && this.tally.breaches.length < mostBreaches) {
      this.tally.breaches.push(`${this.attack}: ${forbidden}`);
    }
    return code;
  }

  /** Opens a watch and holds it for a while, with or without reading it. */
  async hold(path: string, ms: number, reads: boolean): Promise<void> {
    const end = AbortSignal.any([this.signal, AbortSignal.timeout(ms)]);
    try {
      const answer = await fetch(`${this.way.server}${path}`, { client: this.way.client, signal: end });
      this.#count(answer.status);
      if (!answer.ok || !reads) await this.pause(ms);
      else for await (const _ of answer.body!);
      await answer.body?.cancel();
    } catch {
      // The attack has ended.
    }
  }

  /** Waits, or until the attack ends. */
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
