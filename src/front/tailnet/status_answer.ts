/** Answers of the tailnet server itself, as complete HTTP responses. */

/** A response that is written as a whole. */
export interface WholeAnswer {
  status: number;
  type: string;
  body: string;
}

const reasons: Readonly<Record<number, readonly [phrase: string, reason: string]>> = {
  200: ["OK", ""],
  400: ["Bad Request", "BadRequest"],
  403: ["Forbidden", "Forbidden"],
  404: ["Not Found", "NotFound"],
  405: ["Method Not Allowed", "MethodNotAllowed"],
  408: ["Request Timeout", "Timeout"],
  411: ["Length Required", "BadRequest"],
  413: ["Content Too Large", "RequestEntityTooLarge"],
  417: ["Expectation Failed", "BadRequest"],
  421: ["Misdirected Request", "BadRequest"],
  429: ["Too Many Requests", "TooManyRequests"],
  431: ["Request Header Fields Too Large", "BadRequest"],
  500: ["Internal Server Error", "InternalError"],
  501: ["Not Implemented", "NotImplemented"],
  502: ["Bad Gateway", "InternalError"],
  503: ["Service Unavailable", "ServiceUnavailable"],
};

/** Returns a Kubernetes Status, whose sentence kubectl prints. */
export const statusAnswer = (status: number, message: string): WholeAnswer => ({
  status,
  type: "application/json",
  body: JSON.stringify({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: reasons[status]?.[1] ?? "Unknown",
    code: status,
  }),
});

/**
 * Returns an answer to a request for discovery, such as `/api`. There kubectl takes no message from a Status, and none with
 * status 503.
 */
export const discoveryAnswer = (status: number, message: string): WholeAnswer => ({
  status: status === 503 ? 502 : status,
  type: "text/plain; charset=utf-8",
  body: message,
});

/** Returns the bytes of a response. The connection ends with it if `close` is set. */
export function writtenAnswer({ status, type, body }: WholeAnswer, { close, head }: { close: boolean; head: boolean }) {
  const bytes = new TextEncoder().encode(body);
  const lines = [
    `HTTP/1.1 ${status} ${reasons[status]?.[0] ?? "Unknown"}`,
    `Content-Type: ${type}`,
    `Content-Length: ${bytes.length}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    ...(close ? ["Connection: close"] : []),
  ];
  const text = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
  if (head) return text;
  const whole = new Uint8Array(text.length + bytes.length);
  whole.set(text);
  whole.set(bytes, text.length);
  return whole;
}
