/**
 * Mutations side by side, each with its own fixtures. The valid object (S0) is changed to the mutated one (S1), to S0
 * again, to S1 again, to another mutation (S2), and is deleted. A twin is created with S1 at once.
 */
import type { KubernetesObject } from "../../lib/kubernetes/mod.ts";
import { historyOf, keptOf } from "./history.ts";
import { comparable, stateDifferences } from "./cluster_view.ts";
import type { Mutation } from "./mutations.ts";
import { faultsOf, leftoversOf, refusalFaults } from "./oracles.ts";
import type { HarnessPoll, SpecHarness, SpecRefusal } from "./spec_harness.ts";
import { type FixtureKind, fixtureSpecOf, kinds, subjectOf } from "./spec_fixtures.ts";

/** The verdict on one mutation. */
export interface BatchVerdict {
  mutation: Mutation;
  /** True if the API server accepted it. */
  accepted: boolean;
  /** Faults, in sentences; none if it agrees. */
  faults: Set<string>;
  /** Reasons of differences that are by design, because the result depends on history. */
  explained: Set<string>;
}

interface Run extends BatchVerdict {
  /** The fixtures that change. A mutation with which they can't be created shares them with others of its kind. */
  token: string;
  /** The fixtures that are created with S1, if the API server accepts it. */
  twin: string | undefined;
  /** S1 is a terminal state: there is no way back. */
  isEnd: boolean;
}

/** Runs these mutations side by side. */
export async function runBatch(harness: SpecHarness, mutations: readonly Mutation[]): Promise<BatchVerdict[]> {
  const logged = harness.operator.log.length;
  const elsewhere = () => comparable(harness.view.universes([]).get("")!, "");
  const before = elsewhere();

  const runs = await madeFrom(harness, mutations);
  const valid = await lookAt(harness, runs);
  for (const run of runs) {
    note(run, "valid at first", faultsOf(valid.raw(run.token)));
    if (run.twin !== undefined) note(run, "created with it", faultsOf(valid.raw(run.twin)));
  }

  await inParallel(runs, (run) => mutate(harness, run));
  const mutated = await lookAt(harness, runs);
  for (const run of runs) {
    if (!run.accepted) {
      note(run, "changed although it was refused", stateDifferences(valid.of(run.token), mutated.of(run.token)));
    } else {
      note(run, "changed", faultsOf(mutated.raw(run.token)));
      compareWays(run, run, valid, mutated);
    }
  }

  const changed = runs.filter(({ accepted }) => accepted);
  await inParallel(changed, (run) => goBack(harness, run));
  const returned = await lookAt(harness, changed);
  for (const run of changed) {
    const lines = stateDifferences((run.isEnd ? mutated : valid).of(run.token), returned.of(run.token));
    explain(run, "it differs from the state before", lines, (line) => keptOf(line, run.mutation.id));
  }

  const free = changed.filter(({ isEnd }) => !isEnd);
  await inParallel(free, async (run) => void await change(harness, run, run.mutation.spec(run.token)));
  await lookAt(harness, free);
  await inParallel(free, async (run) => {
    const { mutation } = following(run, free);
    const refusal = await change(harness, run, mutation.spec(run.token));
    if (refusal) note(run, `${mutation.id} can't follow it`, [refusal.message]);
  });
  const moved = await lookAt(harness, free);
  for (const run of free) compareWays(run, following(run, free), valid, moved);

  await inParallel(runs, (run) => remove(harness, run));
  const removed = await lookAt(harness, runs);
  for (const run of runs) {
    const left = [run.token, run.twin].flatMap((token) => token === undefined ? [] : leftoversOf(removed.raw(token)));
    note(run, "deleted", left);
    note(run, "the operator logged", harness.operator.log.slice(logged).filter((line) => speaksOf(line, run)));
  }
  note(runs[0]!, "other objects have changed", stateDifferences(before, elsewhere()));
  return runs;
}

/** Creates the fixtures; a mutation with which they can't be created has no twin. */
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
  else if (run.twin === undefined) note(run, "it was refused", ["at creation, but not as a change"]);
}

async function goBack(harness: SpecHarness, run: Run): Promise<void> {
  const refusal = await change(harness, run, fixtureSpecOf(run.mutation.kind, run.token));
  run.isEnd = refusal !== undefined;
  if (refusal && !/has ended|cannot be removed/.test(refusal.message)) {
    note(run, "it can't be changed back", [refusal.message]);
  }
}

/** Deletes the fixtures; shared ones are deleted with their first mutation. */
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

/** Returns the run whose mutation follows: the next one of its kind. */
function following(run: Run, all: readonly Run[]): Run {
  const same = all.filter(({ mutation }) => mutation.kind === run.mutation.kind);
  return same[(same.indexOf(run) + 1) % same.length]!;
}

function note(run: Run, when: string, faults: readonly string[]): void {
  for (const fault of faults) run.faults.add(`${when}: ${fault}`);
}

/** Notes differences from the fixtures that were created with the mutation at once, unless they are by design. */
function compareWays(run: Run, { mutation, twin }: Run, made: HarnessPoll, became: HarnessPoll): void {
  if (twin === undefined) return;
  const lines = stateDifferences(made.of(twin), became.of(run.token));
  const why = (line: string) => historyOf(line, run.mutation.id, mutation.id);
  explain(run, `it differs from ${mutation.id} created at once`, lines, why);
}

/** Notes the differences without an explanation. */
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
