import assert from "node:assert/strict";
import { type ApiError, apiErrorFromResponse, apiErrorFromStatus, isApiError } from "./errors.ts";

const request = { method: "PUT", path: "/api/v1/namespaces/x" };

function answer(code: number, body: string, headers: Record<string, string> = {}): ApiError {
  return apiErrorFromResponse({ status: code, headers: new Headers(headers) }, body, request);
}

Deno.test("errors: Status: error with its message, code, reason and details", () => {
  const details = { name: "x", kind: "namespaces", causes: [{ field: "spec.a", message: "no" }] };
  const error = answer(
    422,
    JSON.stringify({
      kind: "Status",
      status: "Failure",
      message: "it is wrong",
      reason: "Invalid",
      code: 422,
      details,
    }),
  );
  assert.equal(error.message, "it is wrong");
  assert.equal(error.code, 422);
  assert.equal(error.reason, "Invalid");
  assert.deepEqual(error.details, details);
  assert.equal(error.method, "PUT");
  assert.equal(error.path, "/api/v1/namespaces/x");
  assert.ok(isApiError(error, 422) && isApiError(error) && !isApiError(error, 409) && !isApiError(new Error()));
});

Deno.test("errors: Retry-After: from the header, otherwise from the Status", () => {
  const busy = (seconds: number) =>
    JSON.stringify({ kind: "Status", code: 429, details: { retryAfterSeconds: seconds } });
  assert.equal(answer(429, busy(7), { "retry-after": "3" }).retryAfterSeconds, 3);
  assert.equal(answer(429, busy(7)).retryAfterSeconds, 7);
  assert.equal(answer(429, "", { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }).retryAfterSeconds, undefined);
});

for (
  const { name, body, message } of [
    { name: "HTML", body: "<html>\n  <h1>Bad Gateway</h1>", message: "<html> <h1>Bad Gateway</h1>" },
    { name: "text", body: "upstream error", message: "upstream error" },
    { name: "JSON that is no Status", body: '{"error":"x"}', message: '{"error":"x"}' },
    { name: "JSON null", body: "null", message: "null" },
  ]
) {
  Deno.test(`errors: response with ${name}: quoted`, () => {
    const error = answer(502, body);
    assert.equal(
      error.message,
      `PUT /api/v1/namespaces/x failed with 502 and without a Kubernetes Status: ${message}`,
    );
    assert.equal(error.reason, "Unknown");
  });
}

Deno.test("errors: empty or long response: short message, reason by its code", () => {
  assert.match(answer(401, " ").message, /with 401 and an empty body$/);
  assert.equal(answer(401, "").reason, "Unauthorized");
  const long = answer(503, "x".repeat(1_000_000));
  assert.ok(long.message.length < 500, `${long.message.length}`);
  assert.ok(long.message.endsWith("…"));
});

Deno.test("errors: ERROR event: has the code of its Status", () => {
  const error = apiErrorFromStatus({ kind: "Status", code: 410, reason: "Expired", message: "too old" }, {
    method: "GET",
    path: "/p",
  });
  assert.equal(error.code, 410);
  assert.equal(error.reason, "Expired");
});
