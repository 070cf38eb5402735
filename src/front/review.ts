/** Answers AdmissionReviews (admission.k8s.io/v1). */
import { z } from "zod";
import type { AdmissionQuestion, AdmissionResponse as Judgement } from "../core/admission/response.ts";
import { webhookPath } from "../core/admission/configuration.ts";
import { type BoundedResponse, defaultBounds, type Handler } from "./bounded_server.ts";
import { jsonWeight } from "./json_weight.ts";

/** An answered review, for metrics. */
export interface ReviewRecord {
  kind: string;
  /** `unjudged`: too large to judge, allowed; `failed`: judging failed, allowed; `malformed`: not a review. */
  verdict: "allowed" | "warned" | "refused" | "unjudged" | "failed" | "malformed";
  durationMs: number;
}

export interface ReviewOptions {
  judge: (question: AdmissionQuestion) => Judgement;
  onReview?: (record: ReviewRecord) => void;
  /** Called with the error if judging failed. */
  onError?: (error: unknown) => void;
}

/**
 * Maximum nesting depth, deeper than any object of the API: its decoder allows 10,000 levels, its schemas less than
 * 50.
 */
export const deepest = 500;
/** Maximum number of arrays, objects and members. An object of 1.5 MB, etcd's limit, has some 150,000. */
export const mostValues = 500_000;

const review = z.looseObject({
  request: z.looseObject({
    uid: z.string().min(1).max(256),
    kind: z.looseObject({ kind: z.string() }),
    operation: z.string(),
    namespace: z.string().optional(),
    subResource: z.string().optional(),
    object: z.unknown().optional(),
    oldObject: z.unknown().optional(),
  }),
});

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Makes a handler for reviews. It never throws, and allows what it can't judge. */
export function createReviewer({ judge, onReview, onError }: ReviewOptions): Handler {
  const malformed = (status: number, sentence: string): BoundedResponse => {
    onReview?.({ kind: "", verdict: "malformed", durationMs: 0 });
    return { status, type: "text/plain; charset=utf-8", body: `${sentence}\n` };
  };
  const unjudged = (beginning: Uint8Array, why: string): BoundedResponse | undefined => {
    const uid = uidIn(beginning);
    if (uid === undefined) return undefined;
    onReview?.({ kind: "", verdict: "unjudged", durationMs: 0 });
    return reply(uid, {
      allowed: true,
      warnings: [`Keystone has not judged this object: ${why}. The quota still applies.`],
    });
  };
  return {
    refuse({ path, method, headers }) {
      if (path !== webhookPath) return malformed(404, `The path must be ${webhookPath}.`);
      if (method !== "POST") return malformed(405, "An AdmissionReview must be sent by POST.");
      if (!/^application\/json\b/i.test(headers.get("content-type") ?? "")) {
        return malformed(415, "The content-type of an AdmissionReview must be application/json.");
      }
      const encoding = headers.get("content-encoding") ?? "identity";
      return encoding.toLowerCase() === "identity"
        ? undefined
        : malformed(415, "The header content-encoding is set; send the AdmissionReview without an encoding.");
    },
    tooLong: (beginning, { length }) =>
      unjudged(beginning, `the review has ${length} bytes, but at most ${defaultBounds.body} are read`) ??
        malformed(413, `An AdmissionReview may have at most ${defaultBounds.body} bytes.`),
    answer(body) {
      const startedAt = performance.now();
      const record = (kind: string, verdict: ReviewRecord["verdict"]) =>
        onReview?.({ kind, verdict, durationMs: performance.now() - startedAt });
      const { depth, values } = jsonWeight(body);
      if (depth > deepest) {
        return malformed(400, `The body is not an AdmissionReview: it has more than ${deepest} levels.`);
      }
      if (values > mostValues) {
        return unjudged(body.subarray(0, 8192), `the review has more than ${mostValues} values`) ??
          malformed(413, `An AdmissionReview may have at most ${mostValues} values.`);
      }
      let parsed;
      try {
        parsed = review.safeParse(JSON.parse(utf8.decode(body)));
      } catch (error) {
        return malformed(400, `The body is not an AdmissionReview: ${error instanceof Error ? error.message : error}.`);
      }
      if (!parsed.success) {
        const { path, message } = parsed.error.issues[0]!;
        return malformed(400, `The body is not an AdmissionReview: ${path.join(".") || "the body"}: ${message}.`);
      }
      const { request } = parsed.data;
      const { uid, kind: { kind }, operation, namespace = "", subResource = "", object, oldObject } = request;
      try {
        const answer = judge({ operation, namespace, subResource, object, oldObject });
        record(kind, !answer.allowed ? "refused" : answer.warnings.length > 0 ? "warned" : "allowed");
        return reply(uid, answer);
      } catch (error) {
        record(kind, "failed");
        onError?.(error);
        const said = error instanceof Error ? error.message : String(error);
        return reply(uid, { allowed: true, warnings: [`Keystone could not judge this ${kind}: ${said}`] });
      }
    },
  };
}

/** Returns the review's uid, which the API server writes before all long fields. */
function uidIn(beginning: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(beginning);
  return /^\s*\{(?:\s*"(?:kind|apiVersion)"\s*:\s*"[\w./]*"\s*,)*\s*"request"\s*:\s*\{\s*"uid"\s*:\s*"([\w-]{1,256})"/
    .exec(text)?.[1];
}

/** The API server passes on at most 4 KiB of warnings, and truncates long ones. */
const mostWarnings = 8;
const longestMessage = 2000;
const cut = (text: string): string =>
  // A header must not contain control characters.
  // deno-lint-ignore no-control-regex
  (text.length <= longestMessage ? text : `${text.slice(0, longestMessage - 1)}…`).replace(/[\x00-\x1f\x7f]/g, " ");

const reply = (uid: string, { allowed, message, warnings }: Judgement): BoundedResponse => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: {
      uid,
      allowed,
      ...(message === undefined ? {} : { status: { code: 403, reason: "Forbidden", message: cut(message) } }),
      ...(warnings.length > 0 ? { warnings: warnings.slice(0, mostWarnings).map(cut) } : {}),
    },
  }),
});
