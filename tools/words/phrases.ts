import { lineAt, type Prose, type StyleFinding } from "./prose.ts";

/** Phrases not to use, each with the words to use. A space matches any white space, line breaks included. */
export const phrases: readonly { phrase: RegExp; use: string }[] = [
  { phrase: /\banew\b/, use: "again" },
  { phrase: /\bmend(s|ed|ing)?\b/, use: "repair" },
  { phrase: /\bforetell(s|ing)?\b|\bforetold\b|\bfore(see|sees|saw|seen)\b/, use: "predict, or name the dry run" },
  { phrase: /\btold\b/, use: "reported, received or set" },
  { phrase: /\blets? (it|them|nobody|somebody|everybody|anybody)\b/, use: "allow, admit or keep" },
  { phrase: /\b(comes?|came) to (?!an end|life|rest|terms)/, use: "equals, adds up to or becomes" },
  { phrase: /\b(stands?|stood) for\b/, use: "represents, means or is" },
  { phrase: /\b(goes|go|went) by\b(?! name)/, use: "uses, follows or passes" },
  { phrase: /\bstands?\b(?!-|ing)(?! for\b)/, use: "is in force, exists or is present" },
  { phrase: /\bas ever\b/, use: "as before, or nothing" },
  { phrase: /\bbe it (?=\w)/, use: "whether … or" },
  { phrase: /\bso much\b(?! that)/, use: "the amount" },
  { phrase: /\bnobody's business\b/, use: "a plain statement" },
  // "no types of its own" and "evictions of its own pods" are plain English.
  {
    phrase:
      /(?<!\bno \w+ )\bof (its|their|our|your) own\b(?! (?!(?:and|as|at|by|for|from|in|on|or|so|that|to|with)\b)\w)/,
    use: "its own …, or a separate …",
  },
  { phrase: /\bmanieth\b/, use: "the number, or its ordinal" },
  { phrase: /\bis no end\b/, use: "isn't a valid end" },
  { phrase: /\bwhoever\b|\bwhosoever\b/, use: "the people or the part, by name" },
  { phrase: /\b(he|his|him|himself|she|her|hers|herself)\b/, use: "they, their, them" },
  { phrase: /, since (?!then\b|\d|v\d|version\b|Kubernetes\b)/, use: "because" },
  { phrase: /\bladders?\b/, use: "termination, and its steps" },
  { phrase: /\bsightings?\b/, use: "observation" },
  { phrase: /\btheatres?\b/, use: "harness" },
  { phrase: /\buniverses?\b/, use: "fixtures" },
  { phrase: /\bthe way to (a|the|its|their) (node|realm|guest)s?\b/, use: "the realm's peers" },
];

const compiled = phrases.map(({ phrase, use }) => ({
  // Comments and pages break lines anywhere.
  pattern: new RegExp(phrase.source.replaceAll(/(?<!\\) /g, "\\s+"), "gi"),
  use,
}));

/** Places with a phrase that isn't to be used. */
export function phraseFindings(prose: readonly Prose[], textOf: (file: string) => string): StyleFinding[] {
  return prose.flatMap(({ file, offset, text }) =>
    compiled.flatMap(({ pattern, use }) =>
      [...text.matchAll(pattern)].map(({ index, 0: phrase }) => ({
        file,
        line: lineAt(textOf(file), offset + index + 1),
        rule: "phrase",
        message: `"${phrase.replaceAll(/\s+/g, " ").trim()}": use ${use}`,
      }))
    )
  );
}
