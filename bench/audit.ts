/**
 * Requests to the API server with their times, from its own audit log. With it, no watch runs during a measurement: on
 * a small machine it would take processor time from the measured programs.
 */
import { poll } from "../tests/lab/poll.ts";

/** One completed request. */
export interface AuditedRequest {
  verb: string;
  /** The resource with its subresource, e.g. `grants/status`. */
  what: string;
  namespace: string;
  name: string;
  code: number;
  userAgent: string;
  user: string;
  /** Times of arrival and of the complete response, epoch milliseconds. */
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

/** The audit log from a certain time on. */
export class AuditLog {
  readonly exchanges: AuditedRequest[] = [];
  readonly #path: string;
  readonly #decoder = new TextDecoder();
  #offset: number;
  #rest = "";
  /** True if the log begins in the middle of a line. */
  #midLine: boolean;

  private constructor(path: string, size: number) {
    this.#path = path;
    // Starts at the last byte, to see whether it ends a line.
    this.#offset = Math.max(0, size - 1);
    this.#midLine = size > 0;
  }

  /** Starts with the next line that begins. */
  static async fromNow(path: string): Promise<AuditLog> {
    return new AuditLog(path, (await Deno.stat(path)).size);
  }

  /** Reads and returns the new requests. */
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

  /** Waits until no request that `counts` has arrived for `quietMs`. */
  async quiet(
    what: string,
    counts: (exchange: AuditedRequest) => boolean,
    withinMs: number,
    quietMs = 3000,
  ): Promise<void> {
    let since = performance.now();
    await poll(what, async () => {
      if ((await this.read()).some(counts)) since = performance.now();
      return performance.now() - since > quietMs || "requests still arrive";
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

/** Selects the requests of the program with this name. */
export const by = (program: string) => ({ userAgent }: AuditedRequest): boolean => userAgent.startsWith(`${program}/`);

export const isRead = ({ verb }: AuditedRequest): boolean => verb === "get" || verb === "list";
export const isLeaseRequest = ({ what }: AuditedRequest): boolean => what === "leases";
export const isEvent = ({ what }: AuditedRequest): boolean => what === "events";
/** Selects all writes, including Events, except those of Leases. */
export const isWriteRequest = (exchange: AuditedRequest): boolean =>
  !isRead(exchange) && exchange.verb !== "watch" && !isLeaseRequest(exchange);

/** Selects the controller-manager's updates of a quota's status. */
export const isQuotaStatus = ({ what, user, code }: AuditedRequest): boolean =>
  what === "resourcequotas/status" && user.endsWith(":resourcequota-controller") && code === 200;

/** Counts the requests by verb and resource, e.g. `patch grants/status`. */
export function counted(exchanges: readonly AuditedRequest[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, what } of exchanges) counts[`${verb} ${what}`] = (counts[`${verb} ${what}`] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort());
}
