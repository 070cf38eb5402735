import assert from "node:assert/strict";
import { type BoundedResponse, defaultBounds } from "./bounded_server.ts";
import { parseHead, type RequestHead } from "./request_head.ts";
import { createReviewer, type ReviewRecord } from "./review.ts";

const records: ReviewRecord[] = [];
const reviewer = createReviewer({
  judge: ({ object }) => {
    if (object === "crash") throw new Error("no such field");
    return object === "big"
      ? { allowed: false, message: "too big\nby far", warnings: [] }
      : { allowed: true, warnings: object === "odd" ? ["odd"] : [] };
  },
  onReview: (record) => records.push(record),
});
const post = parseHead("POST /admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json");
/** Sends a review as the server does: first the head, then the body or its beginning. */
const ask = (body: string | Uint8Array, head: Partial<RequestHead> = {}): BoundedResponse => {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const whole = { ...post, length: bytes.length, ...head };
  return reviewer.refuse(whole) ??
    (bytes.length > defaultBounds.body
      ? reviewer.tooLong(bytes.subarray(0, 8192), whole)
      : reviewer.answer(bytes, whole));
};
const review = (object: unknown, more = {}) =>
  JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: { uid: "u1", kind: { group: "", version: "v1", kind: "Pod" }, operation: "CREATE", object, ...more },
  });

const judged: [string, unknown, Record<string, unknown>, ReviewRecord["verdict"]][] = [
  ["review: object fits: allowed", {}, { uid: "u1", allowed: true }, "allowed"],
  ["review: object is odd: allowed with a warning", "odd", { uid: "u1", allowed: true, warnings: ["odd"] }, "warned"],
  ["review: object is too big: refused, in one line", "big", {
    uid: "u1",
    allowed: false,
    status: { code: 403, reason: "Forbidden", message: "too big by far" },
  }, "refused"],
  ["review: judging throws: allowed with a warning", "crash", {
    uid: "u1",
    allowed: true,
    warnings: ["Keystone could not judge this Pod: no such field"],
  }, "failed"],
];
for (const [that, object, response, verdict] of judged) {
  Deno.test(that, () => {
    const answer = ask(review(object));
    assert.equal(answer.status, 200);
    const expected = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
    assert.deepEqual(JSON.parse(answer.body), expected);
    assert.equal(records.at(-1)!.verdict, verdict);
  });
}

const headers = (more: Record<string, string>) => ({ headers: new Map([...post.headers, ...Object.entries(more)]) });
const malformed: [string, () => BoundedResponse, number][] = [
  ["nothing", () => ask(""), 400],
  ["not JSON", () => ask("{"), 400],
  ["another type", () => ask("[]"), 400],
  ["null", () => ask("null"), 400],
  ["no request", () => ask('{"kind":"AdmissionReview"}'), 400],
  ["no uid", () => ask(review({}, { uid: "" })), 400],
  ["bytes", () => ask(new Uint8Array([0xff, 0xfe, 0x00])), 400],
  ["another method", () => ask("", { method: "GET" }), 405],
  ["compressed", () => ask(review({}), headers({ "content-encoding": "gzip" })), 415],
  ["a form", () => ask("a=b", headers({ "content-type": "application/x-www-form-urlencoded" })), 415],
  ["100,000 levels", () => ask("[".repeat(100_000) + "]".repeat(100_000)), 400],
  ["a million values", () => ask(`[${"{},".repeat(1_000_000)}1]`), 413],
  ["too many bytes", () => ask(new Uint8Array(5 * 1024 * 1024)), 413],
];
for (const [that, call, status] of malformed) {
  Deno.test(`malformed review: ${that}: refused`, () => {
    const answer = call();
    assert.equal(answer.status, status);
    assert.match(answer.body, /AdmissionReview/);
    assert.equal(records.at(-1)!.verdict, "malformed");
  });
}

for (
  const [that, object] of [
    ["more bytes than the limit", { long: "x".repeat(5 * 1024 * 1024) }],
    ["more values than the limit", { many: Array(600_000).fill(0) }],
  ] as const
) {
  Deno.test(`review has ${that}: allowed, with a warning that it was not judged`, () => {
    const answer = ask(review(object));
    assert.equal(answer.status, 200);
    const { response } = JSON.parse(answer.body);
    assert.deepEqual([response.uid, response.allowed], ["u1", true]);
    assert.match(response.warnings[0], /^Keystone has not judged this object: .* The quota still applies\.$/);
    assert.equal(records.at(-1)!.verdict, "unjudged");
  });
}
