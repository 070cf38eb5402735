/** A client that shows, on a terminal only, which request a command has been waiting for. */
import type {
  ClientConfig,
  ClosableRestClient,
  CredentialSource,
  RequestOptions,
} from "../../../lib/kubernetes/mod.ts";
import { type LiveLines, wheelAt } from "./live_lines.ts";

/** Time after which a line appears. */
const quietMs = 2000;
const frameMs = 120;
/** Requests that follow each other this fast are one wait. */
const gapMs = 200;

/** Follows the requests of one command. */
export class BusyLine {
  readonly #lines: LiveLines;
  readonly #server: string;
  readonly #waiting = new Map<symbol, string>();
  #since = 0;
  #lastEnd = -Infinity;
  /** Number of credentials that are being asked for: a plugin may be talking with the user. */
  #asking = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isShown = false;

  /** @param server URL of the API server */
  constructor(lines: LiveLines, server: string) {
    this.#lines = lines;
    this.#server = server;
  }

  /** Returns the configuration with credentials during whose request nothing is shown. */
  quietFor(config: ClientConfig): ClientConfig {
    const { credentials } = config;
    const asking = async <T>(answer: () => Promise<T>): Promise<T> => {
      if (++this.#asking === 1) this.#lines.clear();
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

  /** Returns the client, followed. */
  follow(rest: ClosableRestClient): ClosableRestClient {
    return {
      defaultNamespace: rest.defaultNamespace,
      performRequest: (options) => this.#during(options, () => rest.performRequest(options)),
      performStream: (options) => rest.performStream(options),
      close: () => this.#close(rest),
      [Symbol.dispose]: () => this.#close(rest),
    };
  }

  #close(rest: ClosableRestClient): void {
    this.#waiting.clear();
    this.#stop();
    rest.close();
  }

  async #during<T>(request: RequestOptions, answer: () => Promise<T>): Promise<T> {
    const id = Symbol();
    const now = performance.now();
    if (this.#waiting.size === 0 && now - this.#lastEnd > gapMs) this.#since = now;
    this.#waiting.set(id, requestText(request));
    this.#timer ??= setInterval(() => this.#show(), frameMs);
    try {
      return await answer();
    } finally {
      this.#waiting.delete(id);
      this.#lastEnd = performance.now();
      if (this.#waiting.size === 0) this.#stop();
    }
  }

  #show(): void {
    const ms = performance.now() - this.#since;
    const [first] = this.#waiting.values();
    if (first === undefined || ms < quietMs || this.#asking > 0) return;
    this.#isShown = true;
    this.#lines.show([`${wheelAt(Date.now())} ${this.#server}: ${first}, ${Math.floor(ms / 1000)} s`]);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#isShown) this.#lines.clear();
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
