/** The command line that creates the same grant without questions. */
import { rfc3339 } from "../../core/instants.ts";
import type { Flags } from "../session.ts";
import type { Period } from "../time_flags.ts";
import { textWidth } from "../wrapped_text.ts";
import type { CreateOptions } from "./create_options.ts";

/** Returns the words of the command line. Days are written as instants, because tomorrow they mean others. */
export function sameCommand(
  name: string,
  options: CreateOptions,
  { start, end }: Pick<Period, "start" | "end">,
  { kubeconfig, context, cluster, user, as, config }: Partial<Flags> = {},
): string[] {
  const flag = (name: string, value: string | readonly string[] | undefined): string[] =>
    value === undefined || value.length === 0
      ? []
      : [`--${name}`, quoted(typeof value === "string" ? value : value.join(","))];
  return [
    ...["keystone", "grant", "create", quoted(name)],
    ...flag("to", options.to),
    ...flag("from", options.from),
    ...(["cpu", "memory", "storage", "gpu", "pods", "hard"] as const).flatMap((each) => flag(each, options[each])),
    ...flag("start", start === undefined ? undefined : rfc3339(start)),
    ...(options.for !== undefined
      ? flag("for", options.for)
      : flag("until", end === undefined ? undefined : rfc3339(end))),
    ...(["allow", "within", "except", "notice", "drain", "volumes"] as const).flatMap((each) =>
      flag(each, options[each])
    ),
    ...Object.entries({ kubeconfig, context, cluster, user, as, config }).flatMap(([name, value]) => flag(name, value)),
  ];
}

/** Quotes a word for a POSIX shell if it needs that. */
const quoted = (word: string): string => /^[\w./:,=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Returns the command line in lines of at most `width` columns, each but the last continued by a backslash. */
export function commandLines(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = "";
  // A flag stays in one line with its value.
  const parts = words.reduce<string[]>((parts, word, index) => {
    if (index > 0 && words[index - 1]!.startsWith("--")) parts[parts.length - 1] += ` ${word}`;
    else parts.push(word);
    return parts;
  }, []);
  for (const part of parts) {
    const longer = line === "" ? part : `${line} ${part}`;
    if (line !== "" && textWidth(longer) > width - 2) {
      lines.push(`${line} \\`);
      line = `  ${part}`;
    } else line = longer;
  }
  return [...lines, line];
}
