/** Command lines that a person can copy into a shell. */
import type { Flags } from "./session.ts";
import { textWidth } from "./wrapped_text.ts";

/** Returns a flag with its value, or no words without a value. */
export const flagWords = (name: string, value: string | readonly string[] | undefined): string[] =>
  value === undefined || value.length === 0
    ? []
    : [`--${name}`, quotedWord(typeof value === "string" ? value : value.join(","))];

/** Returns the flags that choose the cluster and the user. A token is left out: it is a secret. */
export const connectionWords = (flags: Partial<Flags>): string[] => [
  ...flagWords("kubeconfig", flags.kubeconfig),
  ...flagWords("context", flags.context),
  ...flagWords("cluster", flags.cluster),
  ...flagWords("user", flags.user),
  ...flagWords("server", flags.apiServer),
  ...flagWords("as", flags.as),
  ...(flags.asGroup ?? []).flatMap((group) => flagWords("as-group", group)),
  ...flagWords("certificate-authority", flags.certificateAuthority),
  ...flagWords("tls-server-name", flags.tlsServerName),
  ...flagWords("config", flags.config),
];

/** Quotes a word for a POSIX shell if it needs that. */
export const quotedWord = (word: string): string =>
  /^[\w./:,=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

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
