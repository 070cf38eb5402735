/** The command line that creates the same grant without questions. */
import { rfc3339 } from "../../core/instants.ts";
import { connectionWords, flagWords, quotedWord } from "../command_words.ts";
import type { Flags } from "../session.ts";
import type { Period } from "../time_flags.ts";
import type { CreateOptions } from "./create_options.ts";

/** Returns the words of the command line. Days are written as instants, because tomorrow they mean others. */
export function sameCommand(
  name: string,
  options: CreateOptions,
  { start, end }: Pick<Period, "start" | "end">,
  flags: Partial<Flags> = {},
): string[] {
  return [
    ...["keystone", "grant", "create", quotedWord(name)],
    ...flagWords("to", options.to),
    ...flagWords("from", options.from),
    ...(["cpu", "memory", "storage", "gpu", "pods", "hard"] as const).flatMap((each) => flagWords(each, options[each])),
    ...flagWords("start", start === undefined ? undefined : rfc3339(start)),
    ...(options.for !== undefined
      ? flagWords("for", options.for)
      : flagWords("until", end === undefined ? undefined : rfc3339(end))),
    ...(["allow", "within", "except", "notice", "drain", "volumes"] as const).flatMap((each) =>
      flagWords(each, options[each])
    ),
    ...connectionWords(flags),
  ];
}
