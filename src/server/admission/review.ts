/** AdmissionReviews (admission.k8s.io/v1) as Request → Response. */
import { z } from "zod";
import type { AdmissionQuestion, Answer } from "../../core/admission/answer.ts";

/** One review that was answered, for metrics. */
export interface ReviewRecord {
  kind: string;
  /** `failed`: it couldn't be judged and was let through; `malformed`: it was no review. */
  verdict: "allowed" | "warned" | "refused" | "failed" | "malformed";
  durationMs: number;
}

export interface ReviewOptions {
  judge: (question: AdmissionQuestion) => Answer;
  onReview?: (record: ReviewRecord) => void;
  /** Told of what could not be judged. */
  onError?: (error: unknown) => void;
}

/** An object of the API is at most 3 MiB, and there may be two of them. */
const longestBody = 16 * 1024 * 1024;

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
export function createReviewer({ judge, onReview, onError }: ReviewOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    const startedAt = performance.now();
    const record = (kind: string, verdict: ReviewRecord["verdict"]) =>
      onReview?.({ kind, verdict, durationMs: performance.now() - startedAt });
    const refuse = (status: number, sentence: string): Response => {
      record("", "malformed");
      return new Response(`${sentence}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
    };
    if (request.method !== "POST") return refuse(405, "Post an AdmissionReview.");
    let parsed;
    try {
      const text = await bodyOf(request);
      if (text === undefined) return refuse(413, `An AdmissionReview has at most ${longestBody} bytes.`);
      parsed = review.safeParse(JSON.parse(text));
    } catch (error) {
      return refuse(400, `This is no AdmissionReview: ${error instanceof Error ? error.message : error}.`);
    }
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      return refuse(400, `This is no AdmissionReview: ${path.join(".") || "the body"}: ${message}.`);
    }
    const { uid, kind: { kind }, operation, namespace = "", subResource = "", object, oldObject } = parsed.data.request;
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
  };
}

/** Undefined when it is too long. */
async function bodyOf(request: Request): Promise<string | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > longestBody) return undefined;
  const decoder = new TextDecoder();
  let length = 0;
  let text = "";
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > longestBody) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The API server passes on at most 4 KiB of warnings, and cuts long ones. */
const mostWarnings = 8;
const longestMessage = 2000;
const cut = (text: string): string =>
  // Control characters can't be in a header.
  // deno-lint-ignore no-control-regex
  (text.length <= longestMessage ? text : `${text.slice(0, longestMessage - 1)}…`).replace(/[\x00-\x1f\x7f]/g, " ");

function reply(uid: string, { allowed, message, warnings }: Answer): Response {
  return Response.json({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: {
      uid,
      allowed,
      ...(message === undefined ? {} : { status: { code: 403, reason: "Forbidden", message: cut(message) } }),
      ...(warnings.length > 0 ? { warnings: warnings.slice(0, mostWarnings).map(cut) } : {}),
    },
  });
}
