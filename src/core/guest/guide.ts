/** What guests can read about their grants, in the ConfigMap `keystone`: terms only, so that use makes no writes. */
import { dump } from "js-yaml";
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

function entry({ grant, held, destinations, notice, reduction }: Holding): Record<string, unknown> {
  const { validity } = grant.spec;
  return {
    name: grant.name,
    from: validity?.validFrom ?? rfc3339(grant.createdAt),
    ...(validity?.validUntil ? { until: validity.validUntil } : {}),
    ...(notice ? { notice: { reason: notice.why, ends: endText(notice.endsAt) } } : {}),
    ...(reduction ? { reduction: { until: rfc3339(reduction.until), hard: shown(reduction.hard) } } : {}),
    hard: shown(held),
    egress: [...destinations],
  };
}

const endText = (at: number): string => rfc3339(at);
