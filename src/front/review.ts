/** Answers AdmissionReviews (admission.k8s.io/v1). */
import { z } from "zod";
import type { AdmissionQuestion, AdmissionResponse as Judgement } from "../core/admission/response.ts";
import { webhookPath } from "../core/admission/configuration.ts";
import { type BoundedResponse, defaultBounds, type Handler } from "./bounded_server.ts";
import { jsonWeight } from "./json_weight.ts";

/** One review that was answered, for metrics. */
export interface ReviewRecord {
  kind: string;
  /**
   * `unjudged`: it was too large to be judged and was let through; `failed`: judging it failed and it was let through;
   * `malformed`: it was no review.
   */
  verdict: "allowed" | "warned" | "refused" | "unjudged" | "failed" | "malformed";
  durationMs: number;
}

export interface ReviewOptions {
  judge: (question: AdmissionQuestion) => Judgement;
  onReview?: (record: ReviewRecord) => void;
  /** Told of what could not be judged. */
  onError?: (error: unknown) => void;
}

/** Deeper than any object of the API: its own decoder takes 10,000 levels, its schemas less than 50. */
export const deepest = 500;
/** Arrays, objects and members of one review. 1.5 MB, the most that etcd stores of one object, has some 150,000. */
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

/** Answers reviews; never throws, and lets through what it can't judge. */
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
      warnings: [`Keystone has not judged this: ${why}. The quota holds as always.`],
    });
  };
  return {
    refuse({ path, method, headers }) {
      if (path !== webhookPath) return malformed(404, `There is only ${webhookPath}.`);
      if (method !== "POST") return malformed(405, "Post an AdmissionReview.");
      if (!/^application\/json\b/i.test(headers.get("content-type") ?? "")) {
        return malformed(415, "The header content-type is not application/json; an AdmissionReview is JSON.");
      }
      const encoding = headers.get("content-encoding") ?? "identity";
      return encoding.toLowerCase() === "identity"
        ? undefined
        : malformed(415, "The header content-encoding is set; send the AdmissionReview as it is.");
    },
    tooLong: (beginning, { length }) =>
      unjudged(beginning, `the review has ${length} bytes, and up to ${defaultBounds.body} are read`) ??
        malformed(413, `An AdmissionReview has at most ${defaultBounds.body} bytes.`),
    answer(body) {
      const startedAt = performance.now();
      const record = (kind: string, verdict: ReviewRecord["verdict"]) =>
        onReview?.({ kind, verdict, durationMs: performance.now() - startedAt });
      const { depth, values } = jsonWeight(body);
      if (depth > deepest) return malformed(400, `This is no AdmissionReview: it has more than ${deepest} levels.`);
      if (values > mostValues) {
        return unjudged(body.subarray(0, 8192), `the review has more than ${mostValues} values`) ??
          malformed(413, `An AdmissionReview has at most ${mostValues} values.`);
      }
      let parsed;
      try {
        parsed = review.safeParse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)));
      } catch (error) {
        return malformed(400, `This is no AdmissionReview: ${error instanceof Error ? error.message : error}.`);
      }
      if (!parsed.success) {
        const { path, message } = parsed.error.issues[0]!;
        return malformed(400, `This is no AdmissionReview: ${path.join(".") || "the body"}: ${message}.`);
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

/** The API server writes the review's uid before all that can be long. */
function uidIn(beginning: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(beginning);
  return /^\s*\{(?:\s*"(?:kind|apiVersion)"\s*:\s*"[\w./]*"\s*,)*\s*"request"\s*:\s*\{\s*"uid"\s*:\s*"([\w-]{1,256})"/
    .exec(text)?.[1];
}

/** The API server passes on at most 4 KiB of warnings, and cuts long ones. */
const mostWarnings = 8;
const longestMessage = 2000;
const cut = (text: string): string =>
  // Control characters can't be in a header.
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
