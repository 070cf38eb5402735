/** What guests can read about their grants, in the ConfigMap `keystone`: terms only, so that use makes no writes. */
import { dump } from "js-yaml";
import { isDated } from "../grant/reduction.ts";
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
    const next = dump([entry(holding)], { lineWidth: 120, noRefs: true });
    if (text.length + next.length > longestText) {
      return `${text}# There is no room for ${holdings.length - index} more.\n`;
    }
    text += next;
  }
  return text;
}

function entry({ grant, held, destinations, notice, reductions }: Holding): Record<string, unknown> {
  const { validity } = grant.spec;
  return {
    name: grant.name,
    from: validity?.validFrom ?? rfc3339(grant.createdAt),
    ...(validity?.validUntil ? { until: validity.validUntil } : {}),
    ...(notice
      ? { notice: { reason: notice.why, ...(notice.endsAt === undefined ? {} : { ends: rfc3339(notice.endsAt) }) } }
      : {}),
    ...(reductions.length > 0
      ? {
        reductions: reductions.map((cut) => ({
          ...(isDated(cut) ? { until: rfc3339(cut.until) } : {}),
          hard: shown(cut.hard),
        })),
      }
      : {}),
    hard: shown(held),
    egress: [...destinations],
  };
}
