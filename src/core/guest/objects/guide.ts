/**
 * The guide: the guests' ConfigMap `keystone` with the terms of their grants. It omits usage, so usage causes no
 * writes.
 */
import { countText } from "../../plain_text.ts";
import { type ConfigMap, configMaps } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { ConfigMapFacts } from "../../facts.ts";
import { amountsAfter, isDated, type Reduction } from "../../grant/reduction.ts";
import { noticeMessage, reasonOf } from "../../grant/end_text.ts";
import { rfc3339 } from "../../instants.ts";
import { guestNamespace, ownerLabels } from "../../names.ts";
import { shown } from "../../resources/quota_lists.ts";
import type { ResourceList } from "../../resources/resource_list.ts";
import type { GuideEntry } from "./guest.ts";
import { guestObject, includesAll, type ObjectFacts } from "./row.ts";

export const guideName = "keystone";
export const guideKey = "grants.yaml";

/** Builds the guide. */
export const guideOf = (realm: string, text: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: guideName, namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  data: { [guideKey]: text },
});

export const guide = guestObject({
  part: "the guide",
  resource: configMaps,
  name: guideName,
  cache: "guides",
  stage: "guide",
  // Only Keystone's own key; other content that guests add isn't kept in memory.
  project: ({ data, immutable }): Omit<ConfigMapFacts, keyof ObjectFacts> => {
    const text = data?.[guideKey] ?? "";
    return {
      data: { [guideKey]: text.length > longestGuide ? "" : text },
      ...(immutable ? { immutable: true } : {}),
    };
  },
  build: ({ grantee, namespace, guide, entitlements }) =>
    // In a closed namespace no ConfigMap can be created; an existing one is updated to show that no grant is in force.
    entitlements.length > 0 || (guide && namespace) ? guideOf(grantee, guideText(entitlements)) : undefined,
  same: ({ data }, present: ConfigMapFacts) => includesAll(present.data, data!),
  isStuck: ({ immutable }) => immutable === true,
  content: ({ data }) => ({ data }),
});

const heading = "# Your grants in this cluster. Written by Keystone; other changes are reverted.\n";

const finishedPods = `# count/pods includes finished pods. At the limit no new pod starts: delete finished Jobs, or set
# ttlSecondsAfterFinished on them.
`;

/** Size limit of the guide: a ConfigMap holds 1 MiB, and one that can't be written would delay everything else. */
export const longestGuide = 1_000_000;

/** Returns the text of `grants.yaml`: amounts, period and destinations of each grant, up to the size limit. */
export function guideText(entitlements: readonly GuideEntry[]): string {
  if (entitlements.length === 0) return `${heading}[]\n`;
  let text = heading + finishedPods;
  for (const [index, entitlement] of entitlements.entries()) {
    const next = entry(entitlement);
    if (text.length + next.length > longestGuide) {
      return `${text}# No room for ${countText(entitlements.length - index, "more grant")}.\n`;
    }
    text += next;
  }
  return text;
}

/**
 * Formats one grant. Written by hand because js-yaml took most of a plan's time; JSON strings and lists are valid YAML.
 */
function entry({ grant, terms, held, destinations, notice, endsAt, reductions }: GuideEntry): string {
  const { validity } = grant.spec;
  const end = notice?.endsAt ?? endsAt;
  const until = end === undefined || Date.parse(validity?.validUntil ?? "") === end
    ? validity?.validUntil
    : rfc3339(end);
  let text = `- name: ${quoted(grant.name)}\n`;
  text += `  from: ${quoted(validity?.validFrom ?? rfc3339(grant.createdAt))}\n`;
  if (until) text += `  until: ${quoted(until)}\n`;
  if (notice) {
    const because = reasonOf(grant.spec);
    text += `  notice:\n    reason: "${notice.why}"\n`;
    if (notice.endsAt) text += `    ends: "${rfc3339(notice.endsAt)}"\n`;
    if (because !== undefined) text += `    because: ${quoted(because)}\n`;
    text += `    message: ${quoted(noticeMessage({ ...notice, because }))}\n`;
  }
  if (reductions.length > 0) {
    text += `  reductions:\n${reductions.map((each) => cut(each, amountsAfter(reductions, each, terms))).join("")}`;
  }
  return `${text}  hard:${amounts(held, "    ")}\n  egress: ${JSON.stringify(destinations)}\n`;
}

/** Formats a text as a JSON string without characters that YAML forbids, which would make the whole guide unreadable. */
const quoted = (text: string): string =>
  JSON.stringify(text).replace(
    /[\x7f-\x9f\ufffe\uffff]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Formats a reduction: the amounts that hold until its instant, those afterwards, and destinations that close then. */
function cut(reduction: Reduction, after: ResourceList): string {
  const { until, hard, destinations } = reduction;
  // Before the clocks agree, neither the instant nor the amounts afterwards are decided.
  const dated = isDated(reduction);
  return `    - ${dated ? `until: "${rfc3339(until)}"\n      ` : ""}hard:${amounts(hard, "        ")}\n` +
    (dated ? `      then:${amounts(after, "        ")}\n` : "") +
    (destinations.length > 0 ? `      closes: ${JSON.stringify(destinations)}\n` : "");
}

function amounts(hard: ResourceList, indent: string): string {
  let text = "";
  for (const [key, amount] of Object.entries(shown(hard))) text += `\n${indent}${key}: "${amount}"`;
  return text || " {}";
}
