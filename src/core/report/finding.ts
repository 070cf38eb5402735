/** An explanation: the answer first, then the chain of findings from the owner to the pods. */

import { sentence } from "../plain_text.ts";

export { countText, fewOf, sentence } from "../plain_text.ts";

/** One finding about the object. `fail`: something is wrong; `warn`: worth knowing, but nothing is wrong. */
export interface ReportFinding {
  what: string;
  status: "ok" | "warn" | "fail";
  message: string;
  /** Of an amount that needs no line of its own: plenty is left, or nothing is granted. */
  minor?: "roomy" | "not granted";
}

/** Something that is wrong, and the remedy. */
export interface Problem {
  reason: string;
  remedy: string;
}

/** Findings about an object. */
export interface Report {
  /** The cause; undefined: nothing is wrong. */
  problem?: Problem | undefined;
  /** State of the object in a sentence, used as the answer if nothing is wrong. */
  good: string;
  chain: ReportFinding[];
}

export interface Explanation {
  kind: string;
  name: string;
  namespace?: string;
  /** True if nothing is wrong. */
  ok: boolean;
  /** The answer: what is wrong and what to do about it, or that nothing is wrong. */
  message: string;
  chain: ReportFinding[];
  /** Fields to set, as YAML: to paste, or for `kubectl patch --patch-file`. */
  yaml?: string;
}

/** Number of findings of one sort that are listed; the others are counted. */
export const mostListed = 8;

export function explanationOf(kind: string, name: string, report: Report, namespace?: string): Explanation {
  return {
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ok: report.problem === undefined,
    message: report.problem ? problemText(report.problem) : report.good,
    // A part may fail although the whole is in order, such as an evicted pod that was replaced: a warning.
    chain: report.problem
      ? report.chain
      : report.chain.map((finding) => finding.status === "fail" ? { ...finding, status: "warn" } : finding),
  };
}

export const problemText = ({ reason, remedy }: Problem): string => [reason, remedy].filter(Boolean).join(" ");

/** Returns the beginning of a text by others, in one sentence. */
export const excerpt = (text: string, most = 400): string =>
  sentence(text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);
