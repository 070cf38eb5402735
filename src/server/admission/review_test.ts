import assert from "node:assert/strict";
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
const ask = (body: BodyInit, method = "POST") =>
  reviewer(new Request("https://localhost/admit", { method, ...(method === "GET" ? {} : { body }) }));
const review = (object: unknown, more = {}) =>
  JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: { uid: "u1", kind: { group: "", version: "v1", kind: "Pod" }, operation: "CREATE", object, ...more },
  });

const judged: [string, unknown, Record<string, unknown>, ReviewRecord["verdict"]][] = [
  ["what fits is let through", {}, { uid: "u1", allowed: true }, "allowed"],
  ["what is odd is let through with a warning", "odd", { uid: "u1", allowed: true, warnings: ["odd"] }, "warned"],
  ["what is too big is refused, in one line", "big", {
    uid: "u1",
    allowed: false,
    status: { code: 403, reason: "Forbidden", message: "too big by far" },
  }, "refused"],
  ["what can't be judged is let through, and said", "crash", {
    uid: "u1",
    allowed: true,
    warnings: ["Keystone could not judge this Pod: no such field"],
  }, "failed"],
];
for (const [that, object, response, verdict] of judged) {
  Deno.test(that, async () => {
    const answer = await ask(review(object));
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
    assert.equal(records.at(-1)!.verdict, verdict);
  });
}

const malformed: [string, () => Promise<Response>, number][] = [
  ["nothing", () => ask(""), 400],
  ["no JSON", () => ask("{"), 400],
  ["another type", () => ask("[]"), 400],
  ["null", () => ask("null"), 400],
  ["no request", () => ask('{"kind":"AdmissionReview"}'), 400],
  ["no uid", () => ask(review({}, { uid: "" })), 400],
  ["bytes", () => ask(new Uint8Array([0xff, 0xfe, 0x00])), 400],
  ["another method", () => ask("", "GET"), 405],
  ["too much", () => ask(new Uint8Array(17 * 1024 * 1024)), 413],
];
for (const [that, call, status] of malformed) {
  Deno.test(`a malformed review is answered: ${that}`, async () => {
    const answer = await call();
    assert.equal(answer.status, status);
    assert.match(await answer.text(), /AdmissionReview/);
    assert.equal(records.at(-1)!.verdict, "malformed");
  });
}
