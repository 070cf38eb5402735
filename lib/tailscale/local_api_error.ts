/**
 * What went wrong, so that a caller can decide by it:
 *
 * - `NotRunning`: nothing listens on the socket, or the daemon went away in the middle of its answer.
 * - `AccessDenied`: the daemon (403), the socket's file mode or Deno's permissions refuse this process.
 * - `NotFound`: the daemon doesn't know what was asked for (404), such as an address that belongs to no node.
 * - `Conflict`: what was to be changed has changed meanwhile (412); read it again.
 * - `Refused`: the daemon understood and won't or can't, for the reason it gives (400, 500, …).
 * - `Unsupported`: this daemon is too old for what was asked, or was built without it.
 * - `Timeout`: no answer within the deadline.
 * - `Protocol`: not what the LocalAPI sends: no tailscaled, no JSON, an unexpected type, too long.
 */
export type LocalApiErrorKind =
  | "NotRunning"
  | "AccessDenied"
  | "NotFound"
  | "Conflict"
  | "Refused"
  | "Unsupported"
  | "Timeout"
  | "Protocol";

/** A call to the LocalAPI that failed. The message is a sentence naming the socket, the cause and the remedy. */
export class LocalApiError extends Error {
  /** What went wrong, for a caller to decide by. */
  readonly kind: LocalApiErrorKind;

  /** Takes the message as it is; `options.cause` is what the call really failed of. */
  constructor(kind: LocalApiErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LocalApiError";
    this.kind = kind;
  }
}
