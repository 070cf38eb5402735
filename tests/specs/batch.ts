/**
 * Mutations side by side, each in a universe of its own: what is valid (S0) becomes what is mutated (S1), S0 again, S1
 * again, what another mutation makes of it (S2), and is deleted. A twin is made with S1 at once.
 */
import type { KubernetesObject } from "../../lib/kubernetes/mod.ts";
import { historyOf, keptOf } from "./history.ts";
import { comparable, stateDifferences } from "./cluster_view.ts";
import type { Mutation } from "./mutations.ts";
import { faultsOf, leftoversOf, refusalFaults } from "./oracles.ts";
import type { HarnessPoll, SpecHarness, SpecRefusal } from "./spec_harness.ts";
import { type FixtureKind, fixtureSpecOf, kinds, subjectOf } from "./spec_fixtures.ts";

/** What came of one mutation. */
export interface BatchVerdict {
  mutation: Mutation;
  /** Whether the API server took it. */
  accepted: boolean;
  /** What is not as it has to be, in sentences; none: it agrees. */
  faults: Set<string>;
  /** Why differences are as they have to be, where what was is part of what is. */
  explained: Set<string>;
}

interface Run extends BatchVerdict {
  /** The universe that changes. What can't be made shares one with others of its kind. */
  token: string;
  /** The universe that is made with S1, if the API server lets it be made. */
  twin: string | undefined;
  /** S1 is an end, from which there is no way back. */
  isEnd: boolean;
}

/** Runs these side by side. */
export async function runBatch(harness: SpecHarness, mutations: readonly Mutation[]): Promise<BatchVerdict[]> {
  const logged = harness.operator.log.length;
  const elsewhere = () => comparable(harness.view.universes([]).get("")!, "");
  const before = elsewhere();

  const runs = await madeFrom(harness, mutations);
  const valid = await lookAt(harness, runs);
  for (const run of runs) {
    note(run, "at first", faultsOf(valid.raw(run.token)));
    if (run.twin !== undefined) note(run, "made so", faultsOf(valid.raw(run.twin)));
  }

  await inParallel(runs, (run) => mutate(harness, run));
  const mutated = await lookAt(harness, runs);
  for (const run of runs) {
    if (!run.accepted) note(run, "though it was refused", stateDifferences(valid.of(run.token), mutated.of(run.token)));
    else {
      note(run, "changed", faultsOf(mutated.raw(run.token)));
      compareWays(run, run, valid, mutated);
    }
  }

  const changed = runs.filter(({ accepted }) => accepted);
  await inParallel(changed, (run) => goBack(harness, run));
  const returned = await lookAt(harness, changed);
  for (const run of changed) {
    const lines = stateDifferences((run.isEnd ? mutated : valid).of(run.token), returned.of(run.token));
    explain(run, "it is otherwise than before", lines, (line) => keptOf(line, run.mutation.id));
  }

  const free = changed.filter(({ isEnd }) => !isEnd);
  await inParallel(free, async (run) => void await change(harness, run, run.mutation.spec(run.token)));
  await lookAt(harness, free);
  await inParallel(free, async (run) => {
    const { mutation } = following(run, free);
    const refusal = await change(harness, run, mutation.spec(run.token));
    if (refusal) note(run, `${mutation.id} can't follow`, [refusal.message]);
  });
  const moved = await lookAt(harness, free);
  for (const run of free) compareWays(run, following(run, free), valid, moved);

  await inParallel(runs, (run) => remove(harness, run));
  const removed = await lookAt(harness, runs);
  for (const run of runs) {
    const left = [run.token, run.twin].flatMap((token) => token === undefined ? [] : leftoversOf(removed.raw(token)));
    note(run, "deleted", left);
    note(run, "the operator complains", harness.operator.log.slice(logged).filter((line) => speaksOf(line, run)));
  }
  note(runs[0]!, "something else has changed", stateDifferences(before, elsewhere()));
  return runs;
}

/** The universes, made: what can't be made with its mutation has no twin. */
async function madeFrom(harness: SpecHarness, mutations: readonly Mutation[]): Promise<Run[]> {
  const shared = new Map<FixtureKind, string>();
  for (const { kind } of mutations) if (!shared.has(kind)) shared.set(kind, harness.token());
  for (const [kind, token] of shared) await harness.createAll(kinds[kind].objects(token));
  const runs: Run[] = [];
  await inParallel(mutations, async (mutation) => {
    const [token, twin] = [harness.token(), harness.token()];
    const { kind } = mutation;
    const subject = { ...subjectOf(kind, twin), spec: mutation.spec(twin) } as KubernetesObject;
    const run: Run = { mutation, accepted: false, isEnd: false, faults: new Set(), explained: new Set(), token, twin };
    runs.push(run);
    if (await harness.create(subject, { dryRun: "All" })) {
      Object.assign(run, { token: shared.get(kind), twin: undefined });
      return;
    }
    await harness.createAll(kinds[kind].objects(token));
    await harness.createAll(kinds[kind].objects(twin).map((object) => object.kind === kind ? subject : object));
  });
  return runs;
}

async function mutate(harness: SpecHarness, run: Run): Promise<void> {
  const refusal = await change(harness, run, run.mutation.spec(run.token));
  run.accepted = refusal === undefined;
  if (refusal) note(run, "it was refused", refusalFaults(refusal, run.mutation.names));
  else if (run.twin === undefined) note(run, "it was refused", ["when it was to be made, and not as a change"]);
}

async function goBack(harness: SpecHarness, run: Run): Promise<void> {
  const refusal = await change(harness, run, fixtureSpecOf(run.mutation.kind, run.token));
  run.isEnd = refusal !== undefined;
  if (refusal && !/has ended|cannot be removed/.test(refusal.message)) {
    note(run, "there is no way back", [refusal.message]);
  }
}

/** Those that others share go with the first of them. */
async function remove(harness: SpecHarness, { mutation: { kind }, token, twin }: Run): Promise<void> {
  for (const universe of [token, twin].filter((universe) => universe !== undefined)) {
    for (const object of kinds[kind].objects(universe).toReversed()) {
      await harness.remove(object.kind as FixtureKind, object.metadata!.name!);
    }
  }
}

const change = (
  harness: SpecHarness,
  { mutation: { kind }, token }: Run,
  spec: unknown,
): Promise<SpecRefusal | undefined> => harness.change(kind, kinds[kind].nameIn(token), spec);

const lookAt = (harness: SpecHarness, runs: readonly Run[]): Promise<HarnessPoll> =>
  harness.quiet([...new Set(runs.flatMap(({ token, twin }) => twin === undefined ? [token] : [token, twin]))]);

const speaksOf = (line: string, { token, twin }: Run): boolean =>
  line.includes(token) || (twin !== undefined && line.includes(twin));

/** The one whose mutation comes after it: the next of its kind. */
function following(run: Run, all: readonly Run[]): Run {
  const same = all.filter(({ mutation }) => mutation.kind === run.mutation.kind);
  return same[(same.indexOf(run) + 1) % same.length]!;
}

function note(run: Run, when: string, faults: readonly string[]): void {
  for (const fault of faults) run.faults.add(`${when}: ${fault}`);
}

/** Notes where it is not as what was made so at once, unless it has to be. */
function compareWays(run: Run, { mutation, twin }: Run, made: HarnessPoll, became: HarnessPoll): void {
  if (twin === undefined) return;
  const lines = stateDifferences(made.of(twin), became.of(run.token));
  const why = (line: string) => historyOf(line, run.mutation.id, mutation.id);
  explain(run, `it is otherwise than ${mutation.id} made so at once`, lines, why);
}

/** Notes the differences that nothing explains. */
function explain(run: Run, how: string, lines: readonly string[], whyOf: (line: string) => string | undefined): void {
  for (const line of lines) {
    const why = whyOf(line);
    if (why === undefined) note(run, how, [line]);
    else run.explained.add(why);
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  }));
}
