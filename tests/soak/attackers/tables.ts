/** Tables of a run's observations. */
import { plainTable } from "../../../src/cli/table_layout.ts";
import type { Tally } from "./hands.ts";
import { type JudgedObject, type Limits, percentWithin, quantile } from "./judgement.ts";

/** Returns two tables: the promises, and the responses to the attackers. */
export function tables(seen: JudgedObject, { answers }: Tally, limits: Limits): string {
  const { before, during } = seen;
  const ms = (samples: readonly number[]) => [0.5, 0.95, 1].map((share) => quantile(samples, share)).join(" / ");
  const percent = (samples: readonly number[]) => `${percentWithin(samples, limits.soonMs).toFixed(1)} %`;
  const kept: (string | number)[][] = [
    [
      "grants that began, ended",
      `${before.begun.length}, ${before.ended.length}`,
      `${during.begun.length}, ${during.ended.length}`,
      "all",
    ],
    [
      "creation to Active, ms: median / 95 % / all",
      ms(before.begun),
      ms(during.begun),
      `all ≤ ${limits.latestMs}`,
    ],
    [`… within ${limits.soonMs} ms`, percent(before.begun), percent(during.begun), `≥ ${limits.soonPercent} %`],
    [
      "end to no access, ms: median / 95 % / all",
      ms(before.ended),
      ms(during.ended),
      `all ≤ ${limits.latestMs}`,
    ],
    [`… within ${limits.soonMs} ms`, percent(before.ended), percent(during.ended), `≥ ${limits.soonPercent} %`],
    ["the attacker's own end, ms", "", String(seen.ownEndMs ?? "never"), `≤ ${limits.latestMs}`],
    ["operator, maximum MiB", "", seen.operatorMiB.toFixed(0), `< ${limits.operatorMiB}`],
    ["front, maximum MiB", "", seen.frontMiB.toFixed(0), `< ${limits.frontMiB}`],
    [
      "restarts; changes of the Lease's holder",
      "",
      `${[seen.operatorCode, seen.frontCode].filter((code) => code !== 0).length}; ${seen.transitions}`,
      "0; 0",
    ],
    ["another guest's requests, ms: median / 95 % / all", "", ms(seen.requestsMs), ""],
    [
      "… that failed",
      "",
      `${seen.requestsFailed.length} of ${seen.requestsMs.length + seen.requestsFailed.length}`,
      "0",
    ],
    ["… changes of its objects", "", String(seen.differences.length), "0"],
    ["accepted requests that must never be", "", String(seen.breaches.length), "0"],
    ...Object.entries(seen.processor).map(([name, seconds]) => [`processor, s: ${name}`, "", seconds.toFixed(0), ""]),
    ["database, maximum MiB", "", seen.databaseMiB.toFixed(0), `< ${limits.databaseMiB}`],
  ];
  const tried: (string | number)[][] = [];
  for (const [name, each] of Object.entries(answers)) {
    tried.push([name, each.through, each.refused, each.throttled, each.unanswered]);
  }
  tried.push(["connections to the front", seen.connections, "", "", ""]);
  return [
    plainTable(["", "before", "under attack", "promised"], kept),
    plainTable(["attack", "through", "refused", "throttled", "unanswered"], tried),
  ].join("\n\n");
}
