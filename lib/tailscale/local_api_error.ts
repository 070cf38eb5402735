/**
 * Kind of an error, for callers to act upon:
 *
 * - `NotRunning`: nothing listens on the socket, or the daemon ended during its response.
 * - `AccessDenied`: the daemon (403), the socket's file mode or Deno's permissions refuse this process.
 * - `NotFound`: the daemon doesn't know the requested object (404), such as an address without a node.
 * - `Conflict`: the object to change has changed in the meantime (412); read it again.
 * - `Refused`: the daemon understood the request but refuses it, for the reason in its response (400, 500, …).
 * - `Unsupported`: the daemon is too old for the request, or was built without the feature.
 * - `Timeout`: no response within the deadline.
 * - `Protocol`: not a response of the LocalAPI: another program, no JSON, an unexpected type, too long.
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

/** A failed call of the LocalAPI. The message is a sentence with the socket, the cause and the remedy. */
export class LocalApiError extends Error {
  /** Kind of the error, for callers to act upon. */
  readonly kind: LocalApiErrorKind;

  /** Creates an error with this message; `options.cause` is the original error. */
  constructor(kind: LocalApiErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LocalApiError";
    this.kind = kind;
  }
}
