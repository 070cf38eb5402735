/** Counts of a comparison, and its bars. */
import type { StepResult } from "./comparison.ts";

export type Disagreement = "wrong yes" | "wrong no" | "webhook refused wrongly" | "wrong advice" | "failure";

/** Returns the disagreements of a step between what was said and what happened. */
export function disagreementsOf({ foretold, came, webhook, advice, spoiled, failure }: StepResult): Disagreement[] {
  if (spoiled) return [];
  const found: Disagreement[] = [];
  if (failure) found.push("failure");
  if (advice !== undefined) return came ? found : [...found, "wrong advice"];
  if (foretold === true && !came) found.push("wrong yes");
  if (foretold === false && came) found.push("wrong no");
  if (webhook.length > 0 && came) found.push("webhook refused wrongly");
  return found;
}

export interface ComparisonCounts {
  steps: number;
  yes: number;
  no: number;
  notJudged: number;
  spoiled: number;
  webhookRefused: number;
  adviceFollowed: number;
  disagreements: Record<Disagreement, number>;
}

export function countsOf(results: readonly StepResult[]): ComparisonCounts {
  const count = (of: (result: StepResult) => boolean) => results.filter(of).length;
  const differ = (kind: Disagreement) => count((result) => disagreementsOf(result).includes(kind));
  return {
    steps: results.length,
    yes: count(({ foretold }) => foretold === true),
    no: count(({ foretold }) => foretold === false),
    notJudged: count(({ foretold }) => foretold === null),
    spoiled: count(({ spoiled }) => spoiled !== undefined),
    webhookRefused: count(({ webhook }) => webhook.length > 0),
    adviceFollowed: count(({ advice }) => advice !== undefined),
    disagreements: {
      "wrong yes": differ("wrong yes"),
      "wrong no": differ("wrong no"),
      "webhook refused wrongly": differ("webhook refused wrongly"),
      "wrong advice": differ("wrong advice"),
      failure: differ("failure"),
    },
  };
}

/** Returns the bars that the counts miss. */
export function missedBars({ steps, notJudged, spoiled, disagreements }: ComparisonCounts): string[] {
  const share = (count: number) => `${count} of ${steps} (${(100 * count / steps).toFixed(1)} %)`;
  return [
    ...(["wrong yes", "webhook refused wrongly", "wrong advice", "failure"] as const)
      .filter((kind) => disagreements[kind] > 0)
      .map((kind) => `${kind}: ${disagreements[kind]}, must be 0`),
    ...(disagreements["wrong no"] > 0.005 * steps
      ? [`wrong no: ${share(disagreements["wrong no"])}, at most 0.5 %`]
      : []),
    ...(notJudged > 0.03 * steps ? [`not judged: ${share(notJudged)}, at most 3 %`] : []),
    ...(spoiled > 0.02 * steps ? [`spoiled by miscounting quotas: ${share(spoiled)}, at most 2 %`] : []),
  ];
}

/** Describes a step, with the manifests on request. */
export function describedResult(result: StepResult, { manifests }: { manifests: boolean }): string {
  const { seed, index, step, title, profile, asker, foretold, said, webhook, refused, came, reasons, advice } = result;
  const answer = foretold === null ? "not judged" : foretold ? "fits" : "does not fit";
  return [
    `case ${index} step ${step} (--seed ${seed} --only ${index}), profile ${profile}, asked as ${asker}, ${title}: ${
      disagreementsOf(result).join(", ") || "agree"
    }`,
    `  would-fit: ${answer}`,
    ...said.map((line) => `    ${line}`),
    ...(advice === undefined ? [] : [`  advice followed: ${advice} pods`]),
    ...webhook.map((line) => `  webhook: ${line}`),
    `  happened: ${came ? "everything came" : "it did not come"}${result.spoiled ? ` (${result.spoiled})` : ""}`,
    ...refused.map((line) => `    refused: ${line}`),
    ...reasons.map((line) => `    ${line}`),
    ...(result.failure ? [`  failure: ${result.failure}`] : []),
    ...(manifests ? result.objects.map((object) => `  ${JSON.stringify(object)}`) : []),
  ].join("\n");
}
