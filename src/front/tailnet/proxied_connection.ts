/**
 * The connection to the API server that belongs to one client's connection. It is never shared with another client, is kept
 * only for the same realm, and ends with the client's connection.
 */
import { framed, framedEnd } from "../http/body_reader.ts";
import type { ClientHead } from "../http/client_head.ts";
import { latin1Bytes } from "../http/head_reader.ts";
import { BadResponse, MalformedMessage } from "../http/malformed.ts";
import { MessageSource } from "../http/message_source.ts";
import {
  clientResponseHead,
  type FinalResponse,
  parseResponseHead,
  type SwitchedResponse,
} from "../http/response_head.ts";
import { upstreamHead } from "../http/upstream_head.ts";
import { isDiscovery } from "./api_request.ts";
import { ByteStream } from "./byte_stream.ts";
import type { TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import { RealmTokenError } from "./realm_tokens.ts";
import type { ServerParts, TailnetRequest } from "./server_parts.ts";
import { splice, type SpliceSide } from "./splice.ts";
import { discoveryAnswer, statusAnswer, writtenAnswer } from "./status_answer.ts";
import type { CutReason } from "./streams.ts";

/** The client's side. */
export interface ClientSide {
  client: ByteStream;
  source: MessageSource;
  /** Closes the connection unless it is called again within this time. */
  within(ms: number): void;
  close(): void;
  signal: AbortSignal;
}

export interface ProxiedTarget {
  realm: string;
  path: string;
  identity: TailnetIdentity;
}

/** A connection to the API server, between or during requests. */
interface Upstream {
  stream: ByteStream;
  source: MessageSource;
  /** Requests sent so far. */
  requests: number;
  /** Identifies the pause between two requests; undefined during one. */
  pause: object | undefined;
}

/** State of a request's body. */
interface Sending {
  /** True once the body has been read from the client and sent. */
  isDone: boolean;
}

/** The API server closed a connection without a response. */
class UpstreamClosed extends Error {}

/** Small pieces are written together. */
const smallPiece = 16 * 1024;

export class ProxiedConnection {
  readonly #parts: ServerParts;
  readonly #side: ClientSide;
  #upstream: Upstream | undefined;
  #isLeaving = false;
  /** Reason that the client's connection was cut. */
  cut: CutReason | undefined;

  constructor(parts: ServerParts, side: ClientSide) {
    this.#parts = parts;
    this.#side = side;
  }

  /** Closes the connection to the API server. */
  drop(): void {
    this.#upstream?.stream.close();
    this.#upstream = undefined;
  }

  /** Ends the client's connection with the next response. */
  finish(): void {
    this.#isLeaving = true;
  }

  /** Sends one request and passes its response on. Returns false if the client's connection ends with it. */
  async exchange(head: ClientHead, { realm, path, identity }: ProxiedTarget): Promise<boolean> {
    const { client } = this.#side;
    const began = performance.now();
    const before = { received: client.received, sent: client.sent };
    const request: TailnetRequest = {
      realm,
      login: identity.login,
      node: identity.node,
      stableId: identity.stableId,
      method: head.method,
      path,
      query: head.query,
      status: 0,
      received: 0,
      sent: 0,
      durationMs: 0,
    };
    try {
      return await this.#exchange(head, request);
    } finally {
      request.received = client.received - before.received;
      request.sent = client.sent - before.sent;
      request.durationMs = performance.now() - began;
      if (this.cut) request.cut = this.cut;
      this.#parts.answered(request);
    }
  }

  async #exchange(head: ClientHead, request: TailnetRequest): Promise<boolean> {
    const { token, apiHost } = this.#parts;
    const { signal } = this.#side;
    let text: string;
    try {
      const { token: bearer, jti } = await token(request.realm, request.stableId, signal);
      request.jti = jti;
      text = upstreamHead(head, { path: request.path, host: apiHost, authorization: `Bearer ${bearer}` });
    } catch (error) {
      return await this.#fail(request, error instanceof RealmTokenError ? error.status : 503, error);
    }
    const bytes = latin1Bytes(text);
    // The API server may close a kept connection while a request is on its way. Without a body it can be sent again.
    const mayRepeat = head.body.kind === "none" && head.upgrade === undefined;
    for (let attempt = 0;; attempt++) {
      let upstream: Upstream;
      try {
        upstream = await this.#connect();
      } catch (error) {
        return await this.#fail(request, 502, error);
      }
      const isKept = upstream.requests++ > 0;
      let response: FinalResponse | SwitchedResponse;
      const sending: Sending = { isDone: false };
      try {
        await upstream.stream.write(bytes);
        void this.#sendBody(head, upstream, sending);
        response = await this.#response(head, upstream);
      } catch (error) {
        this.drop();
        if (signal.aborted) throw error;
        if (isKept && mayRepeat && attempt === 0 && !(error instanceof MalformedMessage)) continue;
        return await this.#fail(request, 502, error);
      }
      request.status = response.status;
      if (response.status === 401) this.#parts.dropToken(request.realm, request.stableId);
      return response.kind === "switched"
        ? await this.#switch(response, upstream)
        : await this.#pass(head, response, upstream, sending);
    }
  }

  /** Returns the kept connection, or a new one. */
  async #connect(): Promise<Upstream> {
    const kept = this.#upstream;
    if (kept) {
      kept.pause = undefined;
      if (!kept.stream.closed) return kept;
    }
    const stream = new ByteStream(await this.#parts.dial(this.#side.signal));
    if (this.#side.signal.aborted) {
      stream.close();
      throw new Error("The client has closed its connection.");
    }
    const source = new MessageSource(() => stream.read(), "response");
    return this.#upstream = { stream, source, requests: 0, pause: undefined };
  }

  /** Sends the request's body, then watches the client: if it goes, nobody waits for the response. */
  async #sendBody(head: ClientHead, { stream }: Upstream, sending: Sending): Promise<void> {
    const { client, source, within, close } = this.#side;
    try {
      if (head.body.kind !== "none") {
        if (head.expectsContinue) await client.write(continued);
        within(this.#parts.bounds.bodyMs);
        for await (const data of source.body(head.body)) {
          if (!await sent(stream, framed(data, head.body))) return;
          within(this.#parts.bounds.bodyMs);
        }
        if (!await sent(stream, framedEnd(head.body))) return;
        within(Infinity);
      }
      sending.isDone = true;
      if (head.upgrade === undefined && !source.hasMore && !await client.ahead()) close();
    } catch {
      // The client's body is malformed or incomplete, or its connection broke: the API server must not take it for whole.
      close();
    }
  }

  async #response(head: ClientHead, { source }: Upstream): Promise<FinalResponse | SwitchedResponse> {
    while (true) {
      const text = await source.head();
      if (text === undefined) throw new UpstreamClosed("The API server closed the connection without a response.");
      const response = parseResponseHead(text, head);
      if (response.kind !== "interim") return response;
    }
  }

  async #pass(head: ClientHead, response: FinalResponse, upstream: Upstream, sending: Sending): Promise<boolean> {
    const { client } = this.#side;
    const close = head.close || response.close || this.#isLeaving || !sending.isDone;
    // The head goes with what has come after it: a small write after another would wait for the client's answer.
    const held = [latin1Bytes(clientResponseHead(response, { close }))];
    if (!upstream.source.hasMore) await send(client, held.splice(0));
    for await (const data of upstream.source.body(response.body)) {
      await send(client, [...held.splice(0), ...framed(data, response.body)]);
    }
    await send(client, [...held, ...framedEnd(response.body)]);
    if (response.close || !sending.isDone || upstream.source.hasMore) this.drop();
    else this.#keep(upstream);
    if (!close) return true;
    await client.endWriting();
    this.#side.within(this.#parts.bounds.lingerMs);
    // Only then does the client surely have the response; what it still sends is not read as a request.
    while (await client.read());
    return false;
  }

  /** Keeps the connection for the next request; anything that arrives in the pause ends it. */
  #keep(upstream: Upstream): void {
    const pause = upstream.pause = {};
    upstream.stream.ahead().then(() => {
      if (upstream.pause === pause) upstream.stream.close();
    });
  }

  async #switch(response: SwitchedResponse, upstream: Upstream): Promise<boolean> {
    const { client, source } = this.#side;
    await client.write(latin1Bytes(clientResponseHead(response, { close: false })));
    await splice(sideOf(client, source), sideOf(upstream.stream, upstream.source));
    return false;
  }

  async #fail(request: TailnetRequest, status: number, error: unknown): Promise<boolean> {
    const { client, signal, within } = this.#side;
    if (signal.aborted) return false;
    const said = error instanceof Error ? error.message : String(error);
    request.error = said;
    request.status = status;
    this.drop();
    const sentence = error instanceof BadResponse || status !== 502
      ? said
      : `The API server can't be reached: ${said.replace(/\.$/, "")}.`;
    within(this.#parts.bounds.lingerMs);
    const answer = (isDiscovery(request.path) ? discoveryAnswer : statusAnswer)(status, sentence);
    await client.write(writtenAnswer(answer, { close: true, head: request.method === "HEAD" }));
    await client.endWriting();
    return false;
  }
}

const continued = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

const sideOf = (stream: ByteStream, source: MessageSource): SpliceSide => ({
  read: () => source.raw(),
  write: (bytes) => stream.write(bytes),
  endWriting: () => stream.endWriting(),
  close: () => stream.close(),
});

/** Writes pieces, small ones at once. */
async function send(stream: ByteStream, pieces: readonly Uint8Array[]): Promise<void> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (pieces.length < 2 || length > smallPiece) {
    for (const piece of pieces) await stream.write(piece);
    return;
  }
  const together = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    together.set(piece, at);
    at += piece.length;
  }
  await stream.write(together);
}

/** Writes pieces to the API server. Returns false if it has closed: its response may say why. */
async function sent(stream: ByteStream, pieces: readonly Uint8Array[]): Promise<boolean> {
  try {
    await send(stream, pieces);
    return true;
  } catch {
    return false;
  }
}
