/** The figures of the tailnet server: what it adds to requests, how fast it cuts, and the page, with 1,000 grants. */
import { installed } from "../../tests/fixtures/in_force.ts";
import { grantOf, prepared, realmOf } from "../../tests/fixtures/test_operator.ts";
import { startLab } from "../../tests/lab/lab.ts";
import type { EfficiencyRun } from "../efficiency.ts";
import type { Figures } from "../figures.ts";
import { createShape, grantsIn } from "../shapes.ts";
import { columns, distribution, summary } from "../statistics.ts";
import { addedLatency, type Latencies } from "./added_latency.ts";
import { lastCut } from "./last_cut.ts";
import { type PageTimes, pageTimes } from "./page_times.ts";
import { lender, servedRealms, ServedTailnet, viewer } from "./served_tailnet.ts";

const shape = { realms: 10, grantsEach: 100 };

/** Measures with new processes each round. All times are milliseconds. */
export async function tailnetFigures(run: EfficiencyRun): Promise<Figures> {
  const { latencies, lastCuts, pages } = await measured(run);
  return {
    unit: "ms",
    served: distribution(latencies.map(({ served }) => served)),
    raw: distribution(latencies.map(({ raw }) => raw)),
    added: columns(latencies.map(added)),
    lastCut: summary(lastCuts),
    firstByte: distribution(pages.map(({ firstByte }) => firstByte)),
    change: distribution(pages.map(({ changes }) => changes)),
  };
}

/** Returns what the tailnet server adds in one round, by quantile, and the ratio of the medians. */
function added({ served, raw }: Latencies): Record<"p50" | "p99" | "ratio", number> {
  const [own, bare] = [distribution([served]), distribution([raw])];
  return {
    p50: own.median - bare.median,
    p99: own.p99.median - bare.p99.median,
    ratio: own.median / bare.median,
  };
}

async function measured({ rounds, say }: EfficiencyRun) {
  await using lab = await startLab({ realms: [lender, ...servedRealms], fastControllers: true });
  using cluster = await prepared(lab);
  await installed(lab, "base", "webhook");
  await cluster.realms.create(realmOf(lender, { people: [{ login: viewer }] }));
  for (const realm of servedRealms) await cluster.realms.create(realmOf(realm));
  await cluster.grants.create(grantOf({ name: "to-carol-home", to: "carol-home" }));
  await createShape(cluster, shape);
  const latencies: Latencies[] = [];
  const lastCuts: number[] = [];
  const pages: PageTimes[] = [];
  for (let round = 1; round <= rounds; round++) {
    await using served = await ServedTailnet.start(lab);
    const grant = `to-bob-home-${round}`;
    await cluster.grants.create(grantOf({ name: grant, to: "bob-home" }));
    for (const realm of servedRealms) await served.serves(realm);
    await served.shows(`${grantsIn(shape) + servedRealms.length} grants in force`);
    say(`round ${round} of ${rounds}: latency`);
    latencies.push(await addedLatency(served));
    say(`round ${round} of ${rounds}: the page`);
    pages.push(await pageTimes(served, cluster));
    say(`round ${round} of ${rounds}: 1,000 streams`);
    lastCuts.push(await lastCut(served, cluster, grant));
  }
  return { latencies, lastCuts, pages };
}
