/** What guests can read about their grants, in the ConfigMap `keystone`: terms only, so that use makes no writes. */
import { type ConfigMap, configMaps } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { ConfigMapFacts } from "../../facts.ts";
import { isDated, type Reduction } from "../../grant/reduction.ts";
import { rfc3339 } from "../../instants.ts";
import { guestNamespace, ownerLabels } from "../../names.ts";
import { shown } from "../../resources/quota_lists.ts";
import type { ResourceList } from "../../resources/resource_list.ts";
import type { GuideEntry } from "./guest.ts";
import { guestObject, includesAll, type ObjectFacts } from "./row.ts";

export const guideName = "keystone";
export const guideKey = "grants.yaml";

/** The part of their grants that guests can read. */
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
  // Only what Keystone writes there: what else guests put into it, or for it, is not kept in memory.
  project: ({ data, immutable }): Omit<ConfigMapFacts, keyof ObjectFacts> => {
    const text = data?.[guideKey] ?? "";
    return {
      data: { [guideKey]: text.length > longestGuide ? "" : text },
      ...(immutable ? { immutable: true } : {}),
    };
  },
  build: ({ grantee, namespace, guide, entitlements }) =>
    // In a closed namespace nothing can be made any more, this included; what is there says that nothing is granted.
    entitlements.length > 0 || (guide && namespace) ? guideOf(grantee, guideText(entitlements)) : undefined,
  same: ({ data }, present: ConfigMapFacts) => includesAll(present.data, data!),
  isStuck: ({ immutable }) => immutable === true,
  content: ({ data }) => ({ data }),
});

const heading = "# What is granted to you here. Written by Keystone; changes to it are undone.\n";

const finishedPods =
  `# count/pods counts finished pods too. When they fill it no pod starts: delete finished Jobs, or set
# ttlSecondsAfterFinished on them.
`;

/** A ConfigMap holds 1 MiB, and one that can't be written would hold up everything else. */
export const longestGuide = 1_000_000;

/** The text of `grants.yaml`: each grant with what it gives, from when, until when, and where to, as far as there is room. */
export function guideText(entitlements: readonly GuideEntry[]): string {
  if (entitlements.length === 0) return `${heading}[]\n`;
  let text = heading + finishedPods;
  for (const [index, entitlement] of entitlements.entries()) {
    const next = entry(entitlement);
    if (text.length + next.length > longestGuide) {
      return `${text}# There is no room for ${entitlements.length - index} more.\n`;
    }
    text += next;
  }
  return text;
}

/** By hand, since js-yaml took most of the time of a plan. What is a text or a list in JSON is the same in YAML. */
function entry({ grant, held, destinations, notice, reductions }: GuideEntry): string {
  const { validity } = grant.spec;
  let text = `- name: ${JSON.stringify(grant.name)}\n`;
  text += `  from: ${JSON.stringify(validity?.validFrom ?? rfc3339(grant.createdAt))}\n`;
  if (validity?.validUntil) text += `  until: ${JSON.stringify(validity.validUntil)}\n`;
  if (notice) text += `  notice:\n    reason: "${notice.why}"\n`;
  if (notice?.endsAt) text += `    ends: "${rfc3339(notice.endsAt)}"\n`;
  if (reductions.length > 0) text += `  reductions:\n${reductions.map(cut).join("")}`;
  return `${text}  hard:${amounts(held, "    ")}\n  egress: ${JSON.stringify(destinations)}\n`;
}

function cut(reduction: Reduction): string {
  const until = isDated(reduction) ? `until: "${rfc3339(reduction.until)}"\n      ` : "";
  return `    - ${until}hard:${amounts(reduction.hard, "        ")}\n`;
}

function amounts(hard: ResourceList, indent: string): string {
  let text = "";
  for (const [key, amount] of Object.entries(shown(hard))) text += `\n${indent}${key}: "${amount}"`;
  return text || " {}";
}
