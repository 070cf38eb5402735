/**
 * What was asked of the API server and when, by its own audit log. Nothing has to watch while something is measured: on
 * a small machine a witness would take the processor from those that it watches.
 */
import { poll } from "../tests/lab/poll.ts";

/** One answered request. */
export interface AuditedRequest {
  verb: string;
  /** The resource, with its subresource: `grants/status`. */
  what: string;
  namespace: string;
  name: string;
  code: number;
  userAgent: string;
  user: string;
  /** When it came and when its answer was complete, epoch milliseconds. */
  received: number;
  done: number;
}

interface AuditEvent {
  verb: string;
  userAgent?: string;
  user: { username: string };
  objectRef?: { resource?: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp: string;
  stageTimestamp: string;
}

/** The audit log from a moment on. */
export class AuditLog {
  readonly exchanges: AuditedRequest[] = [];
  readonly #path: string;
  readonly #decoder = new TextDecoder();
  #offset: number;
  #rest = "";
  /** Whether what comes first is the end of a line that began before. */
  #midLine: boolean;

  private constructor(path: string, size: number) {
    this.#path = path;
    // With the last byte: whether that ends a line is seen when it is read.
    this.#offset = Math.max(0, size - 1);
    this.#midLine = size > 0;
  }

  /** Begins with the lines that begin from now on. */
  static async fromNow(path: string): Promise<AuditLog> {
    return new AuditLog(path, (await Deno.stat(path)).size);
  }

  /** Reads what has come since; returns it. */
  async read(): Promise<AuditedRequest[]> {
    using file = await Deno.open(this.#path);
    await file.seek(this.#offset, Deno.SeekMode.Start);
    let text = this.#rest;
    for await (const chunk of file.readable) {
      this.#offset += chunk.length;
      text += this.#decoder.decode(chunk, { stream: true });
    }
    const lines = text.split("\n");
    this.#rest = lines.pop()!;
    if (this.#midLine && lines.length > 0) {
      lines.shift();
      this.#midLine = false;
    }
    const news = lines.filter((line) => line !== "").map(parsed);
    for (const exchange of news) this.exchanges.push(exchange);
    return news;
  }

  /** Waits until nothing that `counts` has come for `quietMs`. */
  async quiet(
    what: string,
    counts: (exchange: AuditedRequest) => boolean,
    withinMs: number,
    quietMs = 3000,
  ): Promise<void> {
    let since = performance.now();
    await poll(what, async () => {
      if ((await this.read()).some(counts)) since = performance.now();
      return performance.now() - since > quietMs || "it goes on";
    }, { withinMs, everyMs: 500 });
  }
}

function parsed(line: string): AuditedRequest {
  const { verb, userAgent = "", user, objectRef = {}, responseStatus, ...at } = JSON.parse(line) as AuditEvent;
  const { resource = "other", subresource, namespace = "", name = "" } = objectRef;
  return {
    verb,
    what: subresource ? `${resource}/${subresource}` : resource,
    namespace,
    name,
    code: responseStatus?.code ?? 0,
    userAgent,
    user: user.username,
    received: Date.parse(at.requestReceivedTimestamp),
    done: Date.parse(at.stageTimestamp),
  };
}

/** Whether it comes from the program of this name. */
export const by = (program: string) => ({ userAgent }: AuditedRequest): boolean => userAgent.startsWith(`${program}/`);

export const isRead = ({ verb }: AuditedRequest): boolean => verb === "get" || verb === "list";
export const isLeaseRequest = ({ what }: AuditedRequest): boolean => what === "leases";
export const isEvent = ({ what }: AuditedRequest): boolean => what === "events";
/** All writes, events included, but those of Leases. */
export const isWriteRequest = (exchange: AuditedRequest): boolean =>
  !isRead(exchange) && exchange.verb !== "watch" && !isLeaseRequest(exchange);

/** The controller-manager says what of a quota counts from now on. */
export const isQuotaStatus = ({ what, user, code }: AuditedRequest): boolean =>
  what === "resourcequotas/status" && user.endsWith(":resourcequota-controller") && code === 200;

/** How often each was asked, such as `patch grants/status`. */
export function counted(exchanges: readonly AuditedRequest[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, what } of exchanges) counts[`${verb} ${what}`] = (counts[`${verb} ${what}`] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort());
}
