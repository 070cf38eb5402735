/**
 * The operator's efficiency: its speed relative to a bare loop that performs only the necessary writes, from the same
 * start.
 */
import type { OperatorProcess } from "../tests/fixtures/operator_process.ts";
import type { Lab } from "../tests/lab/lab.ts";
import { counted, isRead, isWriteRequest } from "./audit.ts";
import { ControlPlane } from "./control_plane.ts";
import { writesFor } from "./necessary.ts";
import { bareRound, operatorRound, type Round } from "./rounds.ts";
import { type BenchShape, createShape, grantsIn } from "./shapes.ts";
import { assertSame, type BenchState } from "./bench_state.ts";

/** Figures of one shape, one per round. */
export interface ShapeFigures {
  operatorSeconds: number[];
  /** The bare loop's time divided by the operator's in the same round. */
  efficiency: number[];
  /** The bare loop's writes per second. */
  ceiling: number[];
  writesPerGrant: number[];
  readsPerGrant: number[];
  /** The operator's requests by verb and resource, in the last round. */
  requests: Record<string, number>;
  /** The operator's resident memory at rest and at its maximum, in MB. */
  rss: number[];
  peak: number[];
  /** Seconds of processor time by process, one per round, with the operator and with the bare loop. */
  processor: Record<"operator" | "bare", Record<string, number>[]>;
}

const nothing: ShapeFigures = {
  operatorSeconds: [],
  efficiency: [],
  ceiling: [],
  writesPerGrant: [],
  readsPerGrant: [],
  requests: {},
  rss: [],
  peak: [],
  processor: { operator: [], bare: [] },
};

/** Options of a part. */
export interface EfficiencyRun {
  rounds: number;
  /** Called with the progress. */
  say: (text: string) => void;
}

/** Measures the operator while it runs and has nothing left to do. */
export type SteadyLook = (operator: OperatorProcess, lab: Lab) => Promise<void>;

/** Measures both in the same rounds. */
export async function efficiencyOf(
  shape: BenchShape,
  { rounds, say }: EfficiencyRun,
  look?: SteadyLook,
): Promise<ShapeFigures> {
  await using controlPlane = await ControlPlane.prepare((cluster) => createShape(cluster, shape));
  const figures = structuredClone(nothing);
  let expected: BenchState | undefined;
  const operator = async () => {
    const { seconds, state } = await measureOperator(controlPlane, shape, figures, look);
    expected ??= state;
    assertSame(state, expected);
    return seconds;
  };
  const bare = async () => {
    const { seconds, state, processor } = await bareRound(controlPlane, shape, expected!);
    assertSame(state, expected!);
    figures.processor.bare.push(processor);
    figures.ceiling.push(writesFor(shape) / seconds);
    return seconds;
  };
  for (let round = 1; round <= rounds; round++) {
    // Alternating, so that a machine that slows down affects both. The operator is first, because the bare loop writes
    // the state that it leaves.
    const turns = [{ name: "operator", measure: operator }, { name: "bare", measure: bare }];
    const seconds: Record<string, number> = {};
    for (const { name, measure } of round % 2 === 1 ? turns : turns.toReversed()) seconds[name] = await measure();
    figures.efficiency.push(seconds.bare! / seconds.operator!);
    say(
      `round ${round} of ${rounds}: bare loop ${seconds.bare!.toFixed(1)} s, operator ${
        seconds.operator!.toFixed(1)
      } s`,
    );
  }
  return figures;
}

/** Measures the operator alone. */
export async function operatorOf(
  shape: BenchShape,
  { rounds, say }: EfficiencyRun,
  { look, fastControllers }: { look?: SteadyLook; fastControllers?: boolean } = {},
): Promise<ShapeFigures> {
  await using controlPlane = await ControlPlane.prepare((cluster) => createShape(cluster, shape), fastControllers);
  const figures = structuredClone(nothing);
  for (let round = 1; round <= rounds; round++) {
    const { seconds } = await measureOperator(controlPlane, shape, figures, look);
    say(`${grantsIn(shape)} grants, round ${round} of ${rounds}: ${seconds.toFixed(1)} s`);
  }
  return figures;
}

async function measureOperator(
  controlPlane: ControlPlane,
  shape: BenchShape,
  figures: ShapeFigures,
  look: SteadyLook = () => Promise.resolve(),
): Promise<Round> {
  const round = await operatorRound(controlPlane, shape, look);
  const { seconds, exchanges, memory, processor } = round;
  const grants = grantsIn(shape);
  figures.operatorSeconds.push(seconds);
  figures.writesPerGrant.push(exchanges.filter(isWriteRequest).length / grants);
  figures.readsPerGrant.push(exchanges.filter(isRead).length / grants);
  figures.requests = counted(exchanges);
  figures.rss.push(memory.now);
  figures.peak.push(memory.peak);
  figures.processor.operator.push(processor);
  return round;
}
