/** What guests can read about their grants, in the ConfigMap `keystone`: terms only, so that use makes no writes. */
import { dump } from "js-yaml";
import { rfc3339 } from "../instants.ts";
import { shown } from "./hard.ts";
import type { Holding } from "./holding.ts";

const heading = "# What is granted to you here. Written by Keystone; changes to it are undone.\n";

/** The text of `grants.yaml`: each grant with what it gives, from when, until when, and where to. */
export function guideText(holdings: readonly Holding[]): string {
  return heading + dump(holdings.map(entry), { lineWidth: 120, noRefs: true });
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
