/** Parts of the tailnet server that its connections use. */
import type { GuestAccess } from "../../core/people/guest_access.ts";
import type { Caller } from "../../core/people/caller.ts";
import type { TailnetIdentity } from "../../core/people/tailnet_identity.ts";
import type { Connection } from "./byte_stream.ts";
import type { HostNames } from "./host_check.ts";
import type { CutReason, Streams } from "./streams.ts";

/** Limits of connections and times. */
export interface TailnetBounds {
  /** Connections in all. */
  connections: number;
  /** Connections of one node that acts for somebody. */
  connectionsPerNode: number;
  /** Connections of one node that acts for nobody. */
  connectionsPerStranger: number;
  /** Connections whose node is not known yet. */
  unknownConnections: number;
  /** Time from the first byte of a head, or from the connection, to its last. */
  headMs: number;
  /** Longest time between two requests. A request itself may take any time, as a watch does. */
  idleMs: number;
  /** Longest time between two pieces of a request's body. */
  bodyMs: number;
  /** Time for a client to read an answer to an unread body. */
  lingerMs: number;
  /** Time for a connection of nobody to send a head, so that it gets an answer. */
  nobodyMs: number;
}

export const tailnetBounds: TailnetBounds = {
  connections: 2048,
  connectionsPerNode: 1024,
  connectionsPerStranger: 8,
  unknownConnections: 1024,
  headMs: 10_000,
  idleMs: 120_000,
  bodyMs: 60_000,
  lingerMs: 2000,
  nobodyMs: 500,
};

/**
 * Reasons to refuse a connection or a request before it reaches the API server. `closed`: the realm has no access now;
 * `site`: a page of another site; `stranger`: the node doesn't act for that realm; `unknown`: the node is unknown.
 */
export const tailnetRefusals = [
  "closed",
  "full",
  "malformed",
  "path",
  "site",
  "slow",
  "stranger",
  "unknown",
] as const;
export type TailnetRefusal = (typeof tailnetRefusals)[number];

/** An answered request, for the access log and metrics. */
export interface TailnetRequest {
  realm: string;
  login: string;
  /** MagicDNS name of the node; empty for a shared-in one. */
  node: string;
  stableId: string;
  method: string;
  /** Path on the API server. */
  path: string;
  query: string;
  /** HTTP status; 0 without a response. */
  status: number;
  /** Bytes from and to the client, without TLS. */
  received: number;
  sent: number;
  durationMs: number;
  /** ID of the token, as in the API server's audit log. */
  jti?: string;
  /** Reason that it was cut. */
  cut?: CutReason;
  /** Failure on the way to the API server. */
  error?: string;
}

/** Answers requests outside `/k8s`. */
export type PageHandler = (request: Request, caller: Caller) => Promise<Response>;

export interface ServerParts {
  /** Returns the node of a connection by its address. */
  ask(address: string, signal: AbortSignal): Promise<TailnetIdentity | { refused: string }>;
  /** Follows changes of a node while it has connections. */
  follow(identity: TailnetIdentity): Disposable;
  callerOf(identity: TailnetIdentity): Caller;
  strangerSentence(caller: Caller): string;
  access(realm: string): GuestAccess;
  /** Returns the names of the grants to a realm. */
  grants(realm: string): readonly string[];
  token(realm: string, stableId: string, signal: AbortSignal): Promise<{ token: string; jti: string }>;
  /** Forgets a token that the API server has refused. */
  dropToken(realm: string, stableId: string): void;
  /** Opens a connection to the API server. */
  dial(signal: AbortSignal): Promise<Connection>;
  /** Host and port of the API server. */
  apiHost: string;
  /** Names of this server. */
  names(): HostNames;
  /** Name of this cluster's realm. */
  lender(): string;
  streams: Streams;
  /** Called when a stream opens. */
  opened(): void;
  /**
   * Takes a place for a connection of a node; returns the function that gives it back, or undefined if the node has too
   * many.
   */
  seat(stableId: string, isStranger: boolean): (() => void) | undefined;
  answered(request: TailnetRequest): void;
  refused(reason: TailnetRefusal): void;
  page: PageHandler | undefined;
  /** True if connections are encrypted by TLS too. */
  isSecure: boolean;
  bounds: TailnetBounds;
}
