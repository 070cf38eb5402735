/**
 * What went wrong, so that a caller can decide by it:
 *
 * - `NotRunning`: nothing listens on the socket, or the daemon went away in the middle of its answer.
 * - `AccessDenied`: the daemon (403), the socket's file mode or Deno's permissions refuse this process.
 * - `NotFound`: the daemon doesn't know what was asked for (404), such as an address that belongs to no node.
 * - `Timeout`: no answer within the deadline.
 * - `Protocol`: an answer that is not what the LocalAPI sends: another status, no JSON, an unexpected type, too long.
 */
export type LocalApiErrorKind = "NotRunning" | "AccessDenied" | "NotFound" | "Timeout" | "Protocol";

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
