/** Answers a shell's completion: `keystone __complete WORDS…`, as programs made with cobra do, and so for kubectl too. */
import type { Command } from "commander";
import { createRestClient } from "../../../lib/kubernetes/mod.ts";
import { version } from "../../version.ts";
import type { Io } from "../io.ts";
import { type Flags, Session } from "../session.ts";
import { lenderNames } from "../use/lender_names.ts";
import { contextNames, namesFrom, namespaceOfFlags } from "./object_names.ts";
import { type Candidate, type Completion, completionOf, type NameSource } from "./completion_words.ts";

/** Word before the words to complete. */
export const completeVerb = "__complete";

/** Time within which the cluster has to answer. */
const LIMIT_MS = 2000;

/** Cobra's directives in the last line: files may follow, or only the words. */
const directives = { files: ":0", words: ":4" } as const;

/** Prints the words that may follow, each with a tab and its explanation. Prints none, and no error, if it fails. */
export async function complete(io: Io, program: Command, words: readonly string[]): Promise<void> {
  const found = completionOf(program, words);
  const names = found.source ? await namesInTime(io, found.source, found.flags) : [];
  for (
    const [word, explanation] of matching([...found.candidates, ...names.map((name) => [name] as const)], found, words)
  ) {
    io.out(explanation ? `${word}\t${explanation.replace(/\s+/g, " ")}` : word);
  }
  io.out(found.files ? directives.files : directives.words);
}

function matching(
  candidates: readonly Candidate[],
  { prefix, taken = [] }: Completion,
  words: readonly string[],
): Candidate[] {
  const last = words.at(-1) ?? "";
  return candidates.filter(([word]) => !taken.includes(word)).map((
    [word, explanation],
  ): Candidate => [`${prefix}${word}`, explanation])
    // A shell would split it, or a terminal obey it.
    // deno-lint-ignore no-control-regex
    .filter(([word]) => word.startsWith(last) && !/[\x00-\x1f\x7f]/.test(word));
}

async function namesInTime(io: Io, source: NameSource, flags: Completion["flags"]): Promise<string[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string[]>((resolve) => timer = setTimeout(() => resolve([]), LIMIT_MS));
  try {
    return await Promise.race([namesOf(io, source, flags).catch(() => []), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function namesOf(io: Io, source: NameSource, flags: Completion["flags"]): Promise<string[]> {
  if (source.of === "contexts") return await contextNames(io, flags.kubeconfig as string | undefined);
  if (source.of === "lenders") return await lenderNames(io, flags.tsSocket as string | undefined);
  const session = new Session(io, { output: "text", color: false, ...flags } as Flags, true);
  using rest = createRestClient(await session.clusterConfig({ attended: false }), {
    userAgent: `keystone-cli/${version}`,
    timeoutMs: LIMIT_MS,
  });
  return await namesFrom(rest, source, { namespace: namespaceOfFlags(flags) ?? rest.defaultNamespace ?? "default" });
}
