/**
 * The handover from an operator to the front beside it: one file in a folder that only these two share. The operator
 * writes and the front reads, so the front can't affect the operator.
 */
import { z } from "zod";
import type { ClientConfig } from "../../lib/kubernetes/mod.ts";
import { systemNamespace } from "../core/names.ts";

export interface Handover {
  /** Connection parameters of the API server, as the operator uses them. */
  api: {
    server: string;
    caCerts?: string | undefined;
    tlsServerName?: string | undefined;
    insecureSkipTlsVerify?: boolean | undefined;
    proxyUrl?: string | undefined;
  };
  /** Token of the account keystone-front, valid for minutes; absent while there is none. */
  token?: string | undefined;
  /** Certificate of the webhook; absent while there is none. */
  serving?: { certificate: string; key: string } | undefined;
  /** Reason why nothing may be served on this machine's loopback; absent if it may. */
  loopbackClosed?: string | undefined;
}

const handover = z.object({
  api: z.object({
    server: z.url(),
    caCerts: z.string().optional(),
    tlsServerName: z.string().optional(),
    insecureSkipTlsVerify: z.boolean().optional(),
    proxyUrl: z.string().optional(),
  }),
  token: z.string().min(1).optional(),
  serving: z.object({ certificate: z.string(), key: z.string() }).optional(),
  loopbackClosed: z.string().optional(),
});

export const handoverFile = (folder: string): string => `${folder}/handover.json`;

/** Takes changes; other fields stay unchanged. */
export interface HandoverSink {
  put(change: Partial<Omit<Handover, "api">>): Promise<void>;
}

/** The operator's side. Token and certificate from an earlier operator stay valid until this one replaces them. */
export class HandoverWriter implements HandoverSink {
  readonly #folder: string;
  readonly #path: string;
  #handover: Handover;
  #earlier: Promise<Pick<Handover, "token" | "serving">> | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(folder: string, { server, caCerts, tlsServerName, insecureSkipTlsVerify, proxyUrl }: ClientConfig) {
    this.#folder = folder;
    this.#path = handoverFile(folder);
    this.#handover = {
      api: {
        server,
        ...(caCerts ? { caCerts } : {}),
        ...(tlsServerName ? { tlsServerName } : {}),
        ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
        ...(proxyUrl ? { proxyUrl } : {}),
      },
    };
  }

  /** Replaces the file atomically: a reader sees the old or the new version. */
  put(change: Partial<Omit<Handover, "api">>): Promise<void> {
    this.#handover = { ...this.#handover, ...change };
    return this.#written = this.#written.catch(() => {}).then(async () => {
      // A serving front must not stop because its operator restarts.
      const handover = { ...await (this.#earlier ??= earlierIn(this.#folder)), ...this.#handover };
      const next = `${this.#path}.next`;
      // In a pod the front is another user of the same group.
      await Deno.writeTextFile(next, JSON.stringify(handover), { mode: 0o640 });
      await Deno.rename(next, this.#path);
    });
  }
}

/** Reads token and certificate of an earlier handover; nothing if the file can't be read. */
async function earlierIn(folder: string): Promise<Pick<Handover, "token" | "serving">> {
  const { token, serving } = await readHandover(folder).catch(() => undefined) ?? {};
  return { ...(token === undefined ? {} : { token }), ...(serving === undefined ? {} : { serving }) };
}

/** Reads the file; undefined if there is none. */
export async function readHandover(folder: string): Promise<Handover | undefined> {
  try {
    return handover.parse(JSON.parse(await Deno.readTextFile(handoverFile(folder))));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // The error's message quotes the text around the error, which can contain the token or the key.
    const why = error instanceof SyntaxError ? "it is not JSON" : (error as Error).message;
    throw new Error(`${handoverFile(folder)} can't be read: ${why}`);
  }
}

/** Poll interval, for file systems that don't report changes. */
const lookEveryMs = 5000;

/** The front's side: reports the current handover and each change. */
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

  /** Calls `listener` now, if there is a handover, and after each change. */
  subscribe(listener: (handover: Handover) => void): void {
    this.#listeners.push(listener);
    if (this.#now) listener(this.#now);
  }

  /** Reads until the signal aborts. If the file can't be read, the last handover stays. */
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

/** Returns the front's client configuration: the operator's API server, with the token of keystone-front. */
export const configFrom = ({ api }: Handover, now: () => Handover | undefined): ClientConfig => ({
  source: "the operator's handover",
  server: api.server,
  ...(api.caCerts ? { caCerts: api.caCerts } : {}),
  ...(api.tlsServerName ? { tlsServerName: api.tlsServerName } : {}),
  ...(api.insecureSkipTlsVerify ? { insecureSkipTlsVerify: true } : {}),
  ...(api.proxyUrl ? { proxyUrl: api.proxyUrl } : {}),
  namespace: systemNamespace,
  credentials: {
    current() {
      const token = now()?.token;
      return token === undefined
        ? Promise.reject(new Error("The operator has not handed over a token yet."))
        : Promise.resolve({ authorization: `Bearer ${token}` });
    },
    renew: ({ authorization }) => Promise.resolve(authorization !== `Bearer ${now()?.token}`),
  },
});
