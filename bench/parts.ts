/** The parts of the benchmark; each can be run alone. Their results are merged into one. */
import { mapValues, merge } from "es-toolkit/object";
import type { OperatorProcess } from "../tests/fixtures/operator_process.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { nodeObstacle } from "../tests/lab/node_obstacle.ts";
import { efficiencyOf, type EfficiencyRun, operatorOf, type ShapeFigures } from "./efficiency.ts";
import type { Figures } from "./figures.ts";
import { grantLatencies } from "./latency.ts";
import { peerLost } from "./peer_lost.ts";
import { revocations } from "./revocation.ts";
import { failovers, type Restart, restart, steady } from "./running.ts";
import { grantsIn, shapes } from "./shapes.ts";
import { frontMemory } from "./tailnet/front_memory.ts";
import { tailnetFigures } from "./tailnet/tailnet_figures.ts";
import { webhookAnswers } from "./webhook_answers.ts";
import { columns, distribution, summary } from "./statistics.ts";

/** One part. */
export interface BenchPart {
  /** Duration on two cores, in seconds: before the first round, and of each round. */
  seconds: { first: number; each: number };
  run: (run: EfficiencyRun) => Promise<Figures>;
}

const written = ({ writesPerGrant, readsPerGrant, requests }: ShapeFigures): Figures => ({
  writesPerGrant: { ...summary(writesPerGrant), requests },
  readsPerGrant: summary(readsPerGrant),
});

/** Returns the duration and the memory for this number of grants. */
const scaled = (name: string, grants: number, { operatorSeconds, rss, peak }: ShapeFigures): Figures => ({
  scale: { unit: "s", [name]: { grants, ...summary(operatorSeconds) } },
  rss: { unit: "MB", [name]: { grants, ...summary(rss), peak: summary(peak) } },
});

const efficiency = (name: keyof typeof shapes, figures: ShapeFigures): Figures => ({
  ceiling: { unit: "objects/s", [name]: summary(figures.ceiling) },
  efficiency: { [name]: summary(figures.efficiency) },
  processor: { unit: "s", [name]: mapValues(figures.processor, columns) },
});

const small = [{ realms: 1, grantsEach: 100 }, { realms: 10, grantsEach: 100 }] as const;

/** Measures with a real node; returns the reason if that was not possible. */
async function onNode<T>({ say }: EfficiencyRun, measure: () => Promise<T>): Promise<T | string> {
  const obstacle = Deno.env.get("KEYSTONE_E2E") === "off" ? "KEYSTONE_E2E=off." : nodeObstacle();
  if (obstacle === undefined) return await measure();
  if (Deno.env.get("KEYSTONE_E2E") === "require") throw new Error(obstacle);
  say(`not run: ${obstacle}`);
  return `not run: ${obstacle}`;
}

/** Duration of the measurement at rest. */
const steadySeconds = 60;

/** The parts by name, in running order. */
export const parts: Record<string, BenchPart> = {
  wide: {
    seconds: { first: 15, each: 70 },
    run: async (run) => {
      const figures = await efficiencyOf(shapes.wide, run);
      return { ...efficiency("wide", figures), ...scaled("wide", grantsIn(shapes.wide), figures), ...written(figures) };
    },
  },
  deep: {
    seconds: { first: 90, each: 125 },
    run: async (run) => {
      const restarts: Restart[] = [];
      let requests: Record<string, number> | undefined;
      const figures = await efficiencyOf(shapes.deep, run, async (operator, lab) => {
        requests ??= await steady(lab, steadySeconds);
        await operator.stop();
        restarts.push(await restart(lab));
      });
      const grants = grantsIn(shapes.deep);
      return {
        ...efficiency("deep", figures),
        ...scaled("10000", grants, figures),
        restart: { unit: "s", grants, ...columns(restarts) },
        steadyState: {
          grants,
          seconds: steadySeconds,
          ...summary([Object.values(requests!).reduce((sum, count) => sum + count, 0)]),
          requests,
        },
      };
    },
  },
  small: {
    seconds: { first: 20, each: 40 },
    run: async (run) => {
      const startUps: number[] = [];
      const look = async (operator: OperatorProcess, lab: Lab) => {
        await operator.stop();
        startUps.push((await restart(lab)).enforcing);
      };
      const fewest = await operatorOf(small[0], run, { look });
      const more = await operatorOf(small[1], run);
      return merge(
        { restart: { startUp: summary(startUps) }, ...scaled("100", grantsIn(small[0]), fewest) },
        scaled("1000", grantsIn(small[1]), more),
      );
    },
  },
  // With the default limits, like most clusters: the controller-manager sends at most 20 requests per second.
  controllers: {
    seconds: { first: 15, each: 26 },
    run: async (run) => {
      const shape = { realms: 200, grantsEach: 1 };
      const { operatorSeconds } = await operatorOf(shape, run, { fastControllers: false });
      return { scale: { defaultControllers: { grants: grantsIn(shape), ...summary(operatorSeconds) } } };
    },
  },
  latency: {
    seconds: { first: 20, each: 45 },
    run: async (run) => {
      const { idle, burst, expiry } = await grantLatencies(run);
      return {
        latency: { unit: "ms", idle: distribution(idle), burst: distribution(burst), expiry: distribution(expiry) },
      };
    },
  },
  peer: {
    seconds: { first: 15, each: 20 },
    run: async (run) => {
      const { killed, known } = await peerLost(run);
      return { latency: { peerLost: { killed: summary(killed), known: summary(known) } } };
    },
  },
  revocation: {
    seconds: { first: 40, each: 12 },
    run: async (run) => {
      const latencies = await onNode(run, async () => summary(await revocations(run)));
      return { latency: { revocation: latencies } };
    },
  },
  // In one process and one run, so that the ratio says what judging costs.
  webhook: {
    seconds: { first: 1, each: 6 },
    run: async (run) => {
      const { judging, allowing } = await webhookAnswers(run);
      const [answer, allow] = [distribution(judging), distribution(allowing)];
      const ratios = judging.map((samples, round) => {
        const [own, bare] = [distribution([samples]), distribution([allowing[round]!])];
        return { p50: own.median / bare.median, p99: own.p99.median / bare.p99.median };
      });
      return {
        webhook: { unit: "ms", answer, allow, ratio: columns(ratios) },
      };
    },
  },
  // Over two real daemons without network devices. Memory needs a node, because execs need pods.
  tailnet: {
    seconds: { first: 180, each: 160 },
    run: async (run) => {
      const tailnet = await tailnetFigures(run);
      const memory = await onNode(run, async () => columns(await frontMemory(run)));
      return { tailnet, tailnetMemory: typeof memory === "string" ? memory : { unit: "MB", ...memory } };
    },
  },
  failover: {
    seconds: { first: 20, each: 22 },
    run: async (run) => {
      const { SIGTERM, SIGKILL } = await failovers(run);
      return { failover: { unit: "s", SIGTERM: summary(SIGTERM), SIGKILL: summary(SIGKILL) } };
    },
  },
  wide10k: {
    seconds: { first: 560, each: 0 },
    run: async ({ say }) => {
      const figures = await efficiencyOf(shapes.wide10k, { rounds: 1, say });
      return { ...efficiency("wide10k", figures), ...scaled("wide10k", grantsIn(shapes.wide10k), figures) };
    },
  },
};
