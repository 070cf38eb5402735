/** One cause within {@linkcode StatusDetails}: a field and its problem. */
export interface StatusCause {
  /** Reason, as one CamelCase word, such as `FieldValueRequired`. */
  reason?: string;
  /** Reason, as text for people. */
  message?: string;
  /** Path of the field in the object, such as `spec.ports[0].port`. */
  field?: string;
}

/** Details of a `Status`: the object and its fields (meta/v1 `StatusDetails`). */
export interface StatusDetails {
  /** `metadata.name` of the object, if the status is about a single one. */
  name?: string;
  /** API group of the object; absent for core. */
  group?: string;
  /** Kind of the object, or its plural in URLs: a missing pod has the kind `pods`. */
  kind?: string;
  /** `metadata.uid` of the object, if the status is about a single one. */
  uid?: string;
  /** Single problems, such as each invalid field; not present for every reason. */
  causes?: StatusCause[];
  /** Seconds that the server asks to wait before a retry. */
  retryAfterSeconds?: number;
}

/** The parts of a meta/v1 `Status` used for {@linkcode ApiError}. */
export interface StatusObject {
  kind: "Status";
  message?: string | undefined;
  reason?: string | undefined;
  details?: StatusDetails | undefined;
  code?: number | undefined;
}

/** The API server's reasons by code, for responses of proxies, which have none. */
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

/** Maximum length of a quoted response that isn't a `Status`: enough to recognize a proxy's page. */
const LONGEST_QUOTE = 300;

/**
 * An error response of the server. `message` is the server's message.
 *
 * `reason` is a meta/v1 `StatusReason` (`NotFound`, `AlreadyExists`, `Conflict`, `Expired`, `Invalid`, …), which is
 * more precise than the code: 409 is `AlreadyExists` for a create and `Conflict` for a stale resourceVersion or a
 * field owned by another manager.
 */
export class ApiError extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "ApiError";
  /** HTTP status code. */
  readonly code: number;
  /** One CamelCase word; derived from the code if the response has none. */
  readonly reason: string;
  /** Object and fields concerned, if the response has them. */
  readonly details: StatusDetails | undefined;
  /** Seconds that the server asked to wait before a retry (header `Retry-After`, or the `Status`). */
  readonly retryAfterSeconds: number | undefined;
  /** HTTP method of the request. */
  readonly method: string;
  /** Path of the request, without the query. */
  readonly path: string;

  /** Creates an error with the server's message and the properties of its response. */
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

/**
 * No usable response: refused, unreachable, reset, not TLS, or an untrusted certificate. `cause` has the original
 * error.
 */
export class ConnectionError extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "ConnectionError";
}

/** A response, or a line of a watch, exceeds the limit: the rest wasn't read. */
export class AnswerTooLarge extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "AnswerTooLarge";
  /** Path of the request. */
  readonly path: string;
  /** The limit in bytes. */
  readonly maxBytes: number;

  /** Creates an error whose message has the request, the limit and the remedy. */
  constructor(what: string, path: string, maxBytes: number) {
    super(
      `${what} is larger than ${maxBytes / 2 ** 20} MiB, the byte budget of a response (maxBytes), and was not read. ` +
        "Request smaller pages, or find and delete the large object.",
    );
    this.path = path;
    this.maxBytes = maxBytes;
  }
}

/** A watch's connection is open, but nothing arrived for `afterMs`, not even a bookmark. */
export class WatchStalled extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "WatchStalled";
  /** Path of the watched collection. */
  readonly path: string;
  /** Duration of the silence in milliseconds: the watch's `livenessMs`. */
  readonly afterMs: number;

  /** Creates an error whose message has the path, the duration and the remedy. */
  constructor(path: string, afterMs: number) {
    super(
      `The watch of ${path} received nothing for ${
        afterMs / 1000
      } s, not even a bookmark: the connection is taken for ` +
        `dead. Start it again from the last resourceVersion.`,
    );
    this.path = path;
    this.afterMs = afterMs;
  }
}

/**
 * Reports whether the error is a response of the API server and, with `code`, has that code.
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
 * Reports whether the write was refused because etcd's database has reached its size limit (its alarm `NOSPACE`):
 * only reads and removals work until somebody makes room. The API server passes etcd's message on unchanged.
 */
export const isStorageFull = (error: unknown): boolean =>
  isApiError(error, 500) && error.message.includes("etcdserver: mvcc: database space exceeded");

/** Reports whether a parsed body is a meta/v1 `Status`. */
export function isStatus(body: unknown): body is StatusObject {
  return typeof body === "object" && body !== null && (body as { kind?: unknown }).kind === "Status";
}

/** Returns the error for a `Status` that is the body of a response or an ERROR event of a watch. */
export function apiErrorFromStatus(
  status: StatusObject,
  exchange: { method: string; path: string; code?: number; retryAfterSeconds?: number | undefined },
): ApiError {
  const code = status.code ?? exchange.code ?? 500;
  return new ApiError(status.message || `${exchange.method} ${exchange.path} failed with ${code}.`, {
    code,
    reason: status.reason || reasonFromCode(code),
    details: status.details,
    retryAfterSeconds: exchange.retryAfterSeconds ?? status.details?.retryAfterSeconds,
    method: exchange.method,
    path: exchange.path,
  });
}

/**
 * Returns the error for a response other than 2xx. A body that is no `Status` (a proxy's error page, plain text,
 * nothing) is quoted, truncated to 300 characters.
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
    `${request.method} ${request.path} failed with ${response.status} and ${
      quote ? `without a Kubernetes Status: ${quote}` : "an empty body"
    }`,
    { ...exchange, reason: reasonFromCode(response.status) },
  );
}

function reasonFromCode(code: number): string {
  return REASONS[code] ?? "Unknown";
}

/** Kubernetes sends only seconds, never a date. */
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
