/**
 * What an operator hands to the front beside it: one file in a folder that only these two share. It goes one way: the
 * operator writes, the front reads, so nothing that happens in the front reaches the operator.
 */
import { z } from "zod";
import type { ClientConfig } from "../../lib/kubernetes/mod.ts";
import { systemNamespace } from "../core/names.ts";

export interface Handover {
  /** The API server, as the operator reaches it. */
  api: { server: string; caCerts?: string | undefined; proxyUrl?: string | undefined };
  /** Token of the account keystone-front, good for minutes; absent while there is none. */
  token?: string | undefined;
  /** What the webhook is served with; absent while there is none. */
  serving?: { certificate: string; key: string } | undefined;
  /** Why nothing may be served on the loopback of this machine, a sentence; absent where it may. */
  loopbackClosed?: string | undefined;
}

const handover = z.object({
  api: z.object({ server: z.url(), caCerts: z.string().optional(), proxyUrl: z.string().optional() }),
  token: z.string().min(1).optional(),
  serving: z.object({ certificate: z.string(), key: z.string() }).optional(),
  loopbackClosed: z.string().optional(),
});

export const handoverFile = (folder: string): string => `${folder}/handover.json`;

/** Takes what changes; the rest stays as it is. */
export interface HandoverSink {
  put(change: Partial<Omit<Handover, "api">>): Promise<void>;
}

/** The operator's side. What an operator before this one has handed over stands until this one hands over the same. */
export class HandoverWriter implements HandoverSink {
  readonly #folder: string;
  readonly #path: string;
  #handover: Handover;
  #earlier: Promise<Pick<Handover, "token" | "serving">> | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(folder: string, { server, caCerts, proxyUrl }: ClientConfig) {
    this.#folder = folder;
    this.#path = handoverFile(folder);
    this.#handover = {
      api: { server, ...(caCerts ? { caCerts } : {}), ...(proxyUrl ? { proxyUrl } : {}) },
    };
  }

  /** Replaces the file in one step; a reader sees the old one or the new one. */
  put(change: Partial<Omit<Handover, "api">>): Promise<void> {
    this.#handover = { ...this.#handover, ...change };
    return this.#written = this.#written.catch(() => {}).then(async () => {
      // A front that serves already must not stop because its operator begins anew.
      const handover = { ...await (this.#earlier ??= earlierIn(this.#folder)), ...this.#handover };
      const next = `${this.#path}.next`;
      await Deno.writeTextFile(next, JSON.stringify(handover), { mode: 0o600 });
      await Deno.rename(next, this.#path);
    });
  }
}

/** What was handed over before; nothing of a file that can't be read. */
async function earlierIn(folder: string): Promise<Pick<Handover, "token" | "serving">> {
  const { token, serving } = await readHandover(folder).catch(() => undefined) ?? {};
  return { ...(token === undefined ? {} : { token }), ...(serving === undefined ? {} : { serving }) };
}

/** Reads the file; undefined while there is none. */
export async function readHandover(folder: string): Promise<Handover | undefined> {
  try {
    return handover.parse(JSON.parse(await Deno.readTextFile(handoverFile(folder))));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // Its message quotes the text around the fault, which can be the token or the key.
    const why = error instanceof SyntaxError ? "it is no JSON" : (error as Error).message;
    throw new Error(`${handoverFile(folder)} can't be read: ${why}`);
  }
}

/** Where changes are not reported, as on some file systems, they are found by looking. */
const lookEveryMs = 5000;

/** The front's side: what was handed over last, and calls for each change. */
export class HandoverReader {
  readonly #folder: string;
  readonly #listeners: ((handover: Handover) => void)[] = [];
  #text = "";
  #now: Handover | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get now(): Handover | undefined {
    return this.#now;
  }

  /** Calls `listener` now, if there is anything, and after each change. */
  subscribe(listener: (handover: Handover) => void): void {
    this.#listeners.push(listener);
    if (this.#now) listener(this.#now);
  }

  /** Reads until the signal aborts. What can't be read leaves what was handed over before. */
  async run(signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    const look = async () => {
      try {
        const read = await readHandover(this.#folder);
        const text = JSON.stringify(read);
        if (!read || text === this.#text) return;
        this.#text = text;
        this.#now = read;
        for (const listener of this.#listeners) listener(read);
      } catch (error) {
        onError(error);
      }
    };
    await look();
    if (signal.aborted) return;
    const timer = setInterval(look, lookEveryMs);
    const watcher = Deno.watchFs(this.#folder, { recursive: false });
    const stop = () => watcher.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const _ of watcher) await look();
    } finally {
      clearInterval(timer);
    }
  }
}

/** How the front reaches the API server: as the operator does, as keystone-front. */
export const configFrom = ({ api }: Handover, now: () => Handover | undefined): ClientConfig => ({
  source: "what the operator hands over",
  server: api.server,
  ...(api.caCerts ? { caCerts: api.caCerts } : {}),
  ...(api.proxyUrl ? { proxyUrl: api.proxyUrl } : {}),
  namespace: systemNamespace,
  credentials: {
    current() {
      const token = now()?.token;
      return token === undefined
        ? Promise.reject(new Error("The operator has handed over no token yet."))
        : Promise.resolve({ authorization: `Bearer ${token}` });
    },
    renew: ({ authorization }) => Promise.resolve(authorization !== `Bearer ${now()?.token}`),
  },
});
