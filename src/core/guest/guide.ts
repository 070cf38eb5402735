/** What guests can read about their grants, in the ConfigMap `keystone`: terms only, so that use makes no writes. */
import { isDated, type Reduction } from "../grant/reduction.ts";
import { rfc3339 } from "../instants.ts";
import { shown } from "./hard.ts";
import type { Holding } from "./holding.ts";

const heading = "# What is granted to you here. Written by Keystone; changes to it are undone.\n";

/** A ConfigMap holds 1 MiB, and one that can't be written would hold up everything else. */
const longestText = 1_000_000;

/** The text of `grants.yaml`: each grant with what it gives, from when, until when, and where to, as far as there is room. */
export function guideText(holdings: readonly Holding[]): string {
  if (holdings.length === 0) return `${heading}[]\n`;
  let text = heading;
  for (const [index, holding] of holdings.entries()) {
    const next = entry(holding);
    if (text.length + next.length > longestText) {
      return `${text}# There is no room for ${holdings.length - index} more.\n`;
    }
    text += next;
  }
  return text;
}

/** By hand, since js-yaml took most of the time of a plan. What is a text or a list in JSON is the same in YAML. */
function entry({ grant, held, destinations, notice, reductions }: Holding): string {
  const { validity } = grant.spec;
  return item([
    ...pairs({
      name: grant.name,
      from: validity?.validFrom ?? rfc3339(grant.createdAt),
      ...(validity?.validUntil ? { until: validity.validUntil } : {}),
    }),
    ...(notice
      ? within("notice", pairs({ reason: notice.why, ...(notice.endsAt ? { ends: rfc3339(notice.endsAt) } : {}) }))
      : []),
    ...(reductions.length > 0 ? within("reductions", reductions.flatMap(cut)) : []),
    ...within("hard", pairs(shown(held))),
    `egress: ${JSON.stringify(destinations)}`,
  ]).map((line) => `${line}\n`).join("");
}

const cut = (reduction: Reduction): string[] =>
  item([
    ...pairs(isDated(reduction) ? { until: rfc3339(reduction.until) } : {}),
    ...within("hard", pairs(shown(reduction.hard))),
  ]);

const pairs = (texts: Readonly<Record<string, string>>): string[] =>
  Object.entries(texts).map(([key, text]) => `${key}: ${JSON.stringify(text)}`);

const within = (key: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [`${key}: {}`] : [`${key}:`, ...lines.map((line) => `  ${line}`)];

const item = (lines: readonly string[]): string[] => lines.map((line, index) => `${index === 0 ? "- " : "  "}${line}`);
