/** One cause within {@linkcode StatusDetails}: which field was wrong and why. */
export interface StatusCause {
  /** Why, as one CamelCase word, such as `FieldValueRequired`. */
  reason?: string;
  /** Why, in words for people. */
  message?: string;
  /** Path of the field in the object, such as `spec.ports[0].port`. */
  field?: string;
}

/** What a `Status` tells about the object and the fields concerned (meta/v1 `StatusDetails`). */
export interface StatusDetails {
  /** `metadata.name` of the object, when it is about a single one. */
  name?: string;
  /** API group of the object; absent for core. */
  group?: string;
  /** Kind of the object, or its plural in URLs: a missing pod is of kind `pods`. */
  kind?: string;
  /** `metadata.uid` of the object, when it is about a single one. */
  uid?: string;
  /** What is wrong one by one, such as each invalid field; not every reason tells. */
  causes?: StatusCause[];
  /** How long the server asks to wait before the next try. */
  retryAfterSeconds?: number;
}

/** The parts of a meta/v1 `Status` that {@linkcode ApiError} is made from. */
export interface StatusObject {
  kind: "Status";
  message?: string | undefined;
  reason?: string | undefined;
  details?: StatusDetails | undefined;
  code?: number | undefined;
}

/** What the API server's own code calls these answers; for the answers of proxies, which carry no reason. */
const REASONS: Record<number, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** How much of an answer that isn't a `Status` goes into a message: enough to recognize a proxy's page. */
const LONGEST_QUOTE = 300;

/**
 * The server answered, and the answer was not success. `message` holds the server's own words.
 *
 * `reason` is meta/v1 `StatusReason` (`NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`, …), which says more
 * than the code: 409 is `AlreadyExists` for a create and `Conflict` for a stale resourceVersion or a field owned by
 * another manager.
 */
export class ApiError extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "ApiError";
  /** HTTP status code. */
  readonly code: number;
  /** One CamelCase word; what the code means when the answer itself gave none. */
  readonly reason: string;
  /** The object and fields concerned, when the answer told. */
  readonly details: StatusDetails | undefined;
  /** How long the server asked to wait before the next try (header `Retry-After`, or the `Status`). */
  readonly retryAfterSeconds: number | undefined;
  /** HTTP method of the request that was answered so. */
  readonly method: string;
  /** Path of that request, without the query. */
  readonly path: string;

  /** Takes the message and what answer it stands for, both as they are. */
  constructor(
    message: string,
    answer: {
      code: number;
      reason: string;
      method: string;
      path: string;
      details?: StatusDetails | undefined;
      retryAfterSeconds?: number | undefined;
    },
  ) {
    super(message);
    this.code = answer.code;
    this.reason = answer.reason;
    this.method = answer.method;
    this.path = answer.path;
    this.details = answer.details;
    this.retryAfterSeconds = answer.retryAfterSeconds;
  }
}

/** No usable answer came at all: refused, unreachable, reset, not TLS, a certificate that isn't trusted. `cause` is kept. */
export class ConnectionError extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "ConnectionError";
}

/** An answer, or one line of a watch, was larger than what is read of it: the rest was left unread. */
export class AnswerTooLarge extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "AnswerTooLarge";
  /** Path of the request that was answered so. */
  readonly path: string;
  /** How many bytes are read at most. */
  readonly maxBytes: number;

  /** Takes what was asked for and the bound; the message says both, and what to do. */
  constructor(what: string, path: string, maxBytes: number) {
    super(
      `${what} is larger than ${maxBytes / 2 ** 20} MiB, the byte budget of an answer (maxBytes), and was not read. ` +
        "Ask for smaller pages, or find and delete the object that is so large.",
    );
    this.path = path;
    this.maxBytes = maxBytes;
  }
}

/** A watch's connection stayed open, but nothing came through it for `afterMs`: not even a bookmark. */
export class WatchStalled extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "WatchStalled";
  /** Path of the collection that was watched. */
  readonly path: string;
  /** How long nothing came, in milliseconds: the watch's `livenessMs`. */
  readonly afterMs: number;

  /** Takes what was watched and the milliseconds of silence; the message says both, and what to do. */
  constructor(path: string, afterMs: number) {
    super(
      `The watch of ${path} brought nothing for ${
        afterMs / 1000
      } s, not even a bookmark: the connection is taken for ` +
        `dead. Start it again from the last resourceVersion.`,
    );
    this.path = path;
    this.afterMs = afterMs;
  }
}

/**
 * Whether the error is an answer of the API server, and with `code`, whether it is that one.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { ApiError, isApiError } from "./mod.ts";
 *
 * const error: unknown = new ApiError('pods "web" not found', {
 *   code: 404,
 *   reason: "NotFound",
 *   method: "GET",
 *   path: "/api/v1/namespaces/default/pods/web",
 * });
 * assert.ok(isApiError(error));
 * assert.ok(isApiError(error, 404));
 * assert.ok(!isApiError(error, 409));
 * ```
 */
export function isApiError(error: unknown, code?: number): error is ApiError {
  return error instanceof ApiError && (code === undefined || error.code === code);
}

/**
 * Whether the write was refused because etcd's database has reached its size limit (its alarm `NOSPACE`): reads and
 * removals go on, and nothing else does until somebody makes room. The API server passes etcd's words on as they are.
 */
export const isStorageFull = (error: unknown): boolean =>
  isApiError(error, 500) && error.message.includes("etcdserver: mvcc: database space exceeded");

/** Whether a parsed body is a meta/v1 `Status`. */
export function isStatus(body: unknown): body is StatusObject {
  return typeof body === "object" && body !== null && (body as { kind?: unknown }).kind === "Status";
}

/** The error for a `Status` that came as the body of an answer or as an ERROR event of a watch. */
export function apiErrorFromStatus(
  status: StatusObject,
  exchange: { method: string; path: string; code?: number; retryAfterSeconds?: number | undefined },
): ApiError {
  const code = status.code ?? exchange.code ?? 500;
  return new ApiError(status.message || `${exchange.method} ${exchange.path} was answered with ${code}.`, {
    code,
    reason: status.reason || reasonFromCode(code),
    details: status.details,
    retryAfterSeconds: exchange.retryAfterSeconds ?? status.details?.retryAfterSeconds,
    method: exchange.method,
    path: exchange.path,
  });
}

/**
 * The error for an answer that isn't 2xx. A body that is no `Status` (a proxy's error page, plain text, nothing) is
 * quoted, cut after 300 characters.
 */
export function apiErrorFromResponse(
  response: { status: number; headers: Headers },
  body: string,
  request: { method: string; path: string },
): ApiError {
  const retryAfterSeconds = retryAfter(response.headers.get("retry-after"));
  const exchange = { method: request.method, path: request.path, code: response.status, retryAfterSeconds };
  const parsed = parseJson(body);
  if (isStatus(parsed)) return apiErrorFromStatus(parsed, exchange);

  const text = body.trim().replaceAll(/\s+/g, " ");
  const quote = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
  return new ApiError(
    `${request.method} ${request.path} was answered with ${response.status} and ${
      quote ? `without a Kubernetes Status: ${quote}` : "an empty body"
    }`,
    { ...exchange, reason: reasonFromCode(response.status) },
  );
}

function reasonFromCode(code: number): string {
  return REASONS[code] ?? "Unknown";
}

/** Kubernetes only ever sends seconds, never a date. */
function retryAfter(header: string | null): number | undefined {
  return header !== null && /^\d+$/.test(header) ? Number(header) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
