/** One connection of the tailnet: its node, and its requests one after the other. */
import { refusedPath } from "../../core/proxy/allowed_path.ts";
import { realmPath } from "../../core/proxy/realm_path.ts";
import { guestNamespace } from "../../core/names.ts";
import { type ClientHead, parseClientHead } from "../http/client_head.ts";
import { MalformedMessage } from "../http/malformed.ts";
import { MessageSource } from "../http/message_source.ts";
import { isDiscovery } from "./api_request.ts";
import { ByteStream, type Connection } from "./byte_stream.ts";
import type { Caller } from "../../core/people/caller.ts";
import type { TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import { foreignSite } from "./host_check.ts";
import { answerPage } from "./page_answer.ts";
import { ProxiedConnection } from "./proxied_connection.ts";
import type { ServerParts, TailnetRefusal } from "./server_parts.ts";
import { discoveryAnswer, statusAnswer, type WholeAnswer, writtenAnswer } from "./status_answer.ts";
import type { CutReason, OpenStream } from "./streams.ts";
import { tailnetAccess } from "./tailnet_access.ts";

/** The node of a connection, or the reason to refuse it. */
type Known = TailnetIdentity | { refused: string; why: TailnetRefusal };

export class ClientConnection {
  readonly #parts: ServerParts;
  readonly #address: string;
  readonly #client: ByteStream;
  readonly #source: MessageSource;
  readonly #proxied: ProxiedConnection;
  readonly #end = new AbortController();
  #identity: TailnetIdentity | undefined;
  #followed: Disposable | undefined;
  #giveBack: (() => void) | undefined;
  #stream: { realm: string; account: string; remove: () => void } | undefined;
  #headMs: number;
  #isIdle = true;
  #isLeaving = false;
  /** Milliseconds on the clock of `performance.now`. */
  #deadline: number;

  constructor(parts: ServerParts, connection: Connection, address: string) {
    this.#parts = parts;
    this.#address = address;
    this.#client = new ByteStream(connection);
    this.#source = new MessageSource(() => this.#client.read(), "request");
    this.#proxied = new ProxiedConnection(parts, {
      client: this.#client,
      source: this.#source,
      within: (ms) => this.#within(ms),
      close: () => this.#close(),
      signal: this.#end.signal,
    });
    this.#headMs = parts.bounds.headMs;
    this.#deadline = performance.now() + this.#headMs;
  }

  /** StableID of its node; undefined while it is unknown. */
  get node(): string | undefined {
    return this.#identity?.stableId;
  }

  /** Serves requests until the connection ends. Never rejects. */
  async run(): Promise<void> {
    const asked = this.#identify();
    try {
      while (await this.#serveNext(asked));
    } catch {
      /* the connection broke or was cut */
    } finally {
      this.#close();
      this.#stream?.remove();
      await asked.catch(() => {});
      this.#followed?.[Symbol.dispose]();
      this.#giveBack?.();
    }
  }

  /** Cuts the connection if it is late. */
  cutIfLate(now: number): void {
    if (now < this.#deadline) return;
    if (!this.#isIdle) this.#parts.refused("slow");
    this.#close();
  }

  /** Takes a change of the node's identity; undefined: the node is gone. Judge its streams afterwards. */
  identityChanged(identity: TailnetIdentity | undefined): void {
    if (identity?.stableId !== this.#identity?.stableId) return this.#identityGone();
    this.#identity = identity;
  }

  /** Ends after the request under way; at once if there is none. */
  finish(): void {
    this.#isLeaving = true;
    this.#proxied.finish();
    if (this.#isIdle) this.#close();
  }

  #identityGone(): void {
    this.#identity = undefined;
    if (!this.#stream) this.#close();
  }

  async #identify(): Promise<Known> {
    const { ask, callerOf, seat, follow } = this.#parts;
    const answer = await ask(this.#address, this.#end.signal);
    if ("refused" in answer) {
      // A few connections get the reason; the others of a flood end at once, so that they take no places.
      this.#giveBack = seat("", true);
      if (!this.#giveBack) {
        this.#parts.refused("unknown");
        this.#close();
      }
      return this.#nobody({ ...answer, why: "unknown" });
    }
    const { realms, isViewer } = callerOf(answer);
    const isStranger = realms.length === 0 && !isViewer;
    if (this.#client.closed) return answer;
    this.#giveBack = seat(answer.stableId, isStranger);
    if (!this.#giveBack) {
      return this.#nobody({ refused: "This node has too many connections; close some and try again.", why: "full" });
    }
    // First, because it ends earlier connections of a node that has another login now, and not this one.
    if (!isStranger) this.#followed = follow(answer);
    this.#identity = answer;
    return answer;
  }

  /** Gives a connection that is refused the time for one head, and for its answer. */
  #nobody<T>(refusal: T): T {
    this.#headMs = this.#parts.bounds.nobodyMs;
    this.#deadline = Math.min(this.#deadline, performance.now() + this.#headMs);
    return refusal;
  }

  /** Serves one request. Returns false if the connection ends. */
  async #serveNext(asked: Promise<Known>): Promise<boolean> {
    if (!this.#source.hasMore && !await this.#client.ahead()) return false;
    this.#isIdle = false;
    this.#within(this.#headMs);
    let head: ClientHead;
    try {
      const text = await this.#source.head();
      if (text === undefined) return false;
      head = parseClientHead(text);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      return await this.#refuse("malformed", error.status, error.message);
    }
    const known = await asked;
    if ("refused" in known) return await this.#refuse(known.why, known.why === "full" ? 429 : 403, known.refused, head);
    this.#within(Infinity);
    const goesOn = await this.#answer(head) && !head.close && !this.#isLeaving;
    this.#isIdle = true;
    this.#within(this.#parts.bounds.idleMs);
    return goesOn;
  }

  async #answer(head: ClientHead): Promise<boolean> {
    const { callerOf, names, strangerSentence } = this.#parts;
    const foreign = foreignSite(head.headers, names());
    if (foreign) return await this.#refuse("site", foreign.status, foreign.sentence, head);
    const identity = this.#identity;
    if (!identity) return false;
    const caller = callerOf(identity);
    const target = realmPath(head.path);
    if (target) return await this.#proxy(head, target, caller);
    if (head.path === "/k8s" || head.path === "/k8s/") {
      if (caller.realms.length === 0 && !caller.isViewer) {
        return await this.#refuse("stranger", 403, strangerSentence(caller), head);
      }
      return await this.#respond(tailnetAccess(caller, this.#parts), head);
    }
    return await this.#page(head, caller);
  }

  async #proxy(head: ClientHead, { realm, path }: { realm: string; path: string }, caller: Caller): Promise<boolean> {
    const { access, grants, strangerSentence, opened } = this.#parts;
    const { identity, realms } = caller;
    if (!realms.includes(realm)) {
      const sentence = realms.length === 0
        ? strangerSentence(caller)
        : `This node acts for ${realms.join(", ")}, not for ${realm}.`;
      return await this.#refuse("stranger", 403, sentence, head);
    }
    if (!this.#followed) {
      return await this.#refuse("stranger", 503, "This node's rights have changed; connect again.", head);
    }
    const now = access(realm);
    if (now.is === "closed") return await this.#refuse("closed", 403, now.message, head);
    const scope = { realm, namespace: guestNamespace(realm), grants: grants(realm) };
    const refused = refusedPath(head.method, path, scope, head.query);
    if (refused !== undefined) return await this.#refuse("path", 403, refused, head);
    this.#actFor(realm, now.account, identity.stableId);
    opened();
    return await this.#proxied.exchange(head, { realm, path, identity });
  }

  /** Registers the connection for the realm; another one, or other people, need another upstream connection. */
  #actFor(realm: string, account: string, node: string): void {
    if (this.#stream?.realm === realm && this.#stream.account === account) return;
    this.#stream?.remove();
    this.#proxied.drop();
    const stream: OpenStream = {
      realm,
      node,
      judge: () => this.#judge(realm, account),
      cut: (reason) => this.#cut(reason),
    };
    this.#stream = { realm, account, remove: this.#parts.streams.add(stream) };
  }

  #judge(realm: string, account: string): CutReason | undefined {
    const { access, callerOf } = this.#parts;
    if (!this.#identity) return "IdentityChanged";
    const now = access(realm);
    if (now.is === "closed") return now.reason;
    const isSame = now.account === account && callerOf(this.#identity).realms.includes(realm);
    return isSame ? undefined : "PeopleChanged";
  }

  async #page(head: ClientHead, caller: Caller): Promise<boolean> {
    const { page, streams, callerOf, isSecure } = this.#parts;
    if (!page) return await this.#respond(statusAnswer(404, `There is nothing at ${head.path}; see /k8s.`), head);
    if ((head.method !== "GET" && head.method !== "HEAD") || head.upgrade !== undefined) {
      return await this.#respond(statusAnswer(405, `The method ${head.method} is not allowed here.`), head);
    }
    const seen = rights(caller);
    const remove = streams.add({
      realm: "",
      node: caller.identity.stableId,
      judge: () => !this.#identity || rights(callerOf(this.#identity)) !== seen ? "PeopleChanged" : undefined,
      cut: (reason) => this.#cut(reason),
    });
    try {
      return await answerPage(page, head, caller, {
        client: this.#client,
        hasMore: this.#source.hasMore,
        isSecure,
        isLast: head.close || this.#isLeaving,
        close: () => this.#close(),
        signal: this.#end.signal,
      });
    } finally {
      remove();
    }
  }

  async #refuse(reason: TailnetRefusal, status: number, sentence: string, head?: ClientHead): Promise<boolean> {
    this.#parts.refused(reason);
    const target = head && realmPath(head.path);
    const answer = target && isDiscovery(target.path) ? discoveryAnswer : statusAnswer;
    return await this.#respond(answer(status, sentence), head, true);
  }

  /** Writes an answer of this server. Returns false if the connection ends with it. */
  async #respond(answer: WholeAnswer, head: ClientHead | undefined, isLast = false): Promise<boolean> {
    const close = isLast || head === undefined || head.close || head.body.kind !== "none" || this.#isLeaving;
    this.#within(this.#parts.bounds.lingerMs);
    await this.#client.write(writtenAnswer(answer, { close, head: head?.method === "HEAD" }));
    if (!close) return true;
    // Unread bytes at the close would reset the connection before the client has read the answer.
    await this.#client.endWriting();
    while (await this.#client.read());
    return false;
  }

  #within(ms: number): void {
    this.#deadline = performance.now() + ms;
  }

  #cut(reason: CutReason): void {
    this.#proxied.cut = reason;
    this.#close();
  }

  #close(): void {
    this.#end.abort();
    this.#client.close();
    this.#proxied.drop();
  }
}

const rights = ({ realms, isViewer }: Caller): string => JSON.stringify([[...realms].sort(), isViewer]);
