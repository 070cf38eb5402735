/** Says what a command has been waiting for: on a terminal by a line that changes, elsewhere by lines now and then. */
import type {
  ClientConfig,
  ClosableRestClient,
  CredentialSource,
  RequestOptions,
} from "../../../lib/kubernetes/mod.ts";
import { type LiveLines, wheelAt } from "./live_lines.ts";

/** Place where the wait is shown. */
export interface BusySink {
  /** Shows what is being done, and the milliseconds for which it takes; called several times in a second. */
  show(text: string, ms: number): void;
  /** Removes what is shown; the same wait may go on, with the next request. */
  clear(): void;
  /** Begins another wait. */
  begin(): void;
}

/** Returns a sink with one line that changes. */
export const drawnSink = (lines: LiveLines): BusySink => ({
  show: (text, ms) => lines.show([`${wheelAt(Date.now())} ${text}, ${Math.floor(ms / 1000)} s`]),
  clear: () => lines.clear(),
  begin: () => {},
});

/** Returns a sink that writes a line when a wait has become long, and again ever less often. */
export function writtenSink(write: (line: string) => void): BusySink {
  let nextMs = 0;
  return {
    show(text, ms) {
      if (ms < nextMs) return;
      write(`Still working (${Math.floor(ms / 1000)} s): ${text}.`);
      nextMs = Math.max(10_000, Math.min(ms * 3, ms + 60_000));
    },
    clear: () => {},
    begin: () => {
      nextMs = 0;
    },
  };
}

/** Time after which a wait is shown. */
const quietMs = 2000;
const frameMs = 120;
/** Requests that follow each other this fast are one wait. */
const gapMs = 200;

/** Follows the requests and steps of one command. */
export class BusyLine {
  readonly #sink: BusySink;
  readonly #waiting = new Map<symbol, string>();
  readonly #steps = new Map<symbol, () => string>();
  #since = 0;
  #lastEnd = -Infinity;
  /** Number of credentials that are being asked for: a plugin may be talking with the user. */
  #asking = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isShown = false;

  constructor(sink: BusySink) {
    this.#sink = sink;
  }

  /** Returns the configuration with credentials during whose request nothing is shown. */
  quietFor(config: ClientConfig): ClientConfig {
    const { credentials } = config;
    const asking = async <T>(answer: () => Promise<T>): Promise<T> => {
      if (++this.#asking === 1) this.#sink.clear();
      try {
        return await answer();
      } finally {
        this.#asking--;
      }
    };
    const quiet: CredentialSource = {
      ...(credentials.attended === undefined ? {} : { attended: credentials.attended }),
      current: () => asking(() => credentials.current()),
      renew: (refused) => asking(() => credentials.renew(refused)),
    };
    return { ...config, credentials: quiet };
  }

  /**
   * Returns the client, followed.
   *
   * @param server URL of the API server
   */
  follow(rest: ClosableRestClient, server: string): ClosableRestClient {
    const close = () => {
      this.#waiting.clear();
      this.#stop();
      rest.close();
    };
    return {
      defaultNamespace: rest.defaultNamespace,
      performRequest: (options) =>
        this.#during(this.#waiting, `${server}: ${requestText(options)}`, () => rest.performRequest(options)),
      performStream: (options) => rest.performStream(options),
      close,
      [Symbol.dispose]: close,
    };
  }

  /** Shows a step of the command, with its present text, instead of its single requests. */
  during<T>(text: () => string, work: () => Promise<T>): Promise<T> {
    return this.#during(this.#steps, text, work);
  }

  async #during<S, T>(list: Map<symbol, S>, what: S, work: () => Promise<T>): Promise<T> {
    const id = Symbol();
    const now = performance.now();
    if (this.#isIdle && now - this.#lastEnd > gapMs) {
      this.#since = now;
      this.#sink.begin();
    }
    list.set(id, what);
    this.#timer ??= setInterval(() => this.#show(), frameMs);
    try {
      return await work();
    } finally {
      list.delete(id);
      this.#lastEnd = performance.now();
      if (this.#isIdle) this.#stop();
    }
  }

  get #isIdle(): boolean {
    return this.#waiting.size + this.#steps.size === 0;
  }

  #show(): void {
    const ms = performance.now() - this.#since;
    const [step] = this.#steps.values();
    const [request] = this.#waiting.values();
    const text = step?.() ?? request;
    if (text === undefined || ms < quietMs || this.#asking > 0) return;
    this.#isShown = true;
    this.#sink.show(text, ms);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#isShown) this.#sink.clear();
    this.#isShown = false;
  }
}

const verbs: Readonly<Record<RequestOptions["method"], string>> = {
  GET: "reading",
  POST: "sending",
  PUT: "writing",
  PATCH: "writing",
  DELETE: "deleting",
};

/** Describes a request: `reading pods in guest-bob-home`. */
export function requestText({ method, path, querystring }: RequestOptions): string {
  const parts = path.split("/").filter((part) => part !== "");
  // /api/v1/… and /apis/GROUP/VERSION/…
  const rest = parts.slice(parts[0] === "api" ? 2 : parts[0] === "apis" ? 3 : 0);
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1] : undefined;
  const [plural = "", name, subresource] = namespace === undefined ? rest : rest.slice(2);
  const dryRun = querystring?.has("dryRun") ? " as a dry run" : "";
  const what = [plural || path, name, subresource].filter((part) => part !== undefined).join("/");
  return `${verbs[method]} ${what}${namespace === undefined ? "" : ` in ${namespace}`}${dryRun}`;
}
