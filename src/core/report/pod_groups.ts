/** Findings on many pods: equal ones once, with a count. */
import type { Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { countText, fewOf, mostListed, type Problem, problemText, type ReportFinding } from "./finding.ts";
import { isFinished, type PodFinding, podFinding } from "./pod_report.ts";
import type { ReportWorld } from "./reported_objects.ts";

export interface PodGroup extends PodFinding {
  names: string[];
  /** True if the pods have ended: their controller replaces them. */
  finished: boolean;
}

/** Returns the pods that aren't as they should be, grouped by reason, failures and large groups first. */
export function podGroups(pods: readonly Pod[], world: ReportWorld): PodGroup[] {
  const groups = new Map<string, PodGroup>();
  for (const pod of pods) {
    const finding = podFinding(pod, world);
    if (!finding) continue;
    const key = `${finding.about}\n${commonPart(finding.reason, pod)}`;
    const group = groups.get(key) ?? { ...finding, names: [], finished: isFinished(pod) };
    group.names.push(pod.metadata?.name ?? "");
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) =>
    Number(b.status === "fail") - Number(a.status === "fail") || Number(a.finished) - Number(b.finished) ||
    b.names.length - a.names.length
  );
}

/** Returns a reason without the parts that differ between pods: name, UID, and the time since a deletion. */
const commonPart = (text: string, { metadata }: Pod): string =>
  text.replaceAll(metadata?.uid || "\0", "").replaceAll(metadata?.name || "\0", "")
    .replace(/\d+ (s|min|h|d) ago/g, "ago");

const groupName = ({ names }: PodGroup): string =>
  names.length === 1 ? `pod ${names[0]}` : `${names.length} pods (${fewOf([...names].sort())})`;

/** Returns one finding for each group, up to a limit. */
export function groupFindings(groups: readonly PodGroup[]): ReportFinding[] {
  const listed = groups.slice(0, mostListed).map((group): ReportFinding => ({
    what: `${groupName(group)}: ${group.about}`,
    status: group.status,
    message: problemText(group),
  }));
  const rest = groups.slice(mostListed);
  if (rest.length === 0) return listed;
  const pods = rest.reduce((sum, { names }) => sum + names.length, 0);
  return [...listed, {
    what: `${countText(pods, "more pod")}`,
    status: rest.some(({ status }) => status === "fail") ? "fail" : "warn",
    message: `They are not ready for ${rest.length} other reasons. See one with: keystone explain pod ${
      rest[0]!.names[0]
    }`,
  }];
}

/** Returns the main problem of the groups: that of the largest one that fails. */
export function groupProblem(groups: readonly PodGroup[]): Problem | undefined {
  const [worst] = groups.filter(({ status }) => status === "fail");
  if (!worst) return undefined;
  return {
    reason: `${groupName(worst)}: ${worst.about}. ${worst.reason}`.replace(/^./, (first) => first.toUpperCase()),
    remedy: worst.remedy,
  };
}
