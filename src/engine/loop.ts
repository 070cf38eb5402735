/** A loop: a declaration of what it looks at, by which keys, and what it plans; all else is the same for all loops. */
import type { Next } from "../../lib/controller/mod.ts";
import { type Effect, endsPod, type Plan } from "../core/effects.ts";
import { Faults, faultText } from "../core/faults.ts";
import type { Executor } from "./execute.ts";
import { isGone } from "./gone.ts";
import type { KeyQueue, Trigger } from "./triggers.ts";

/** Context that every loop needs, whatever else its own has. */
export interface EngineContext {
  executor: Executor;
  /** By how much the API server's clock is ahead, in milliseconds; 0 while the two agree. */
  skewMs: () => number;
}

/** An effect that could not be carried out. */
export interface FailedEffect {
  effect: Effect;
  error: unknown;
}

/** A look at one key: what was seen, planned and carried out. */
export interface ApplyOutcome<W, P> {
  world: W;
  plan: P;
  failed: readonly FailedEffect[];
  /** Collects what confirming throws at: nothing of it holds up what closes. */
  faults: Faults;
}

/** Additions of `confirm` to the end of a look. */
export interface Confirmed {
  /** Epoch milliseconds at which the key is due again, beside the plan's own. */
  wakeAt?: number | undefined;
  /** An error of the key, if there is no other. */
  error?: unknown;
}

/** All there is to a loop. */
export interface LoopDeclaration<C extends EngineContext, W, P extends Plan> {
  /** Names it in metrics, traces and logs. */
  name: string;
  /** The object that a key names, in logs. */
  keyName: string;
  /** Keys that are reconciled at the same time. */
  concurrency: number;
  /** All keys, for when the Lease is taken. */
  keys: (context: C) => Iterable<string>;
  triggers: readonly Trigger<C>[];
  /** Reads all that the plan is made from; undefined: there is nothing of this key. */
  observe: (context: C, key: string) => W | undefined;
  plan: (world: W) => P;
  /** Lists what the plan asks for and isn't watched; undefined: it asks for no more. The answer becomes part of the world. */
  find?: (context: C, world: W, plan: P, signal: AbortSignal) => Promise<Partial<W>> | undefined;
  /** Forgets what is remembered of a key of which there is nothing to observe. */
  forget?: (context: C, key: string) => void;
  /** Notes, before any effect, what is about to be enforced. When it throws, nothing opens. */
  reserve?: (context: C, world: W, plan: P) => void;
  /** Notes, after the effects, what is enforced. Called whatever has failed. */
  confirm?: (context: C, outcome: ApplyOutcome<W, P>) => Confirmed | void;
  /** Observes and plans again after effects, so that it confirms what is there then. */
  replans?: true;
  /** Tells of effects that what opens relies on: where one of them fails nothing opens. Default: all. */
  isFoundation?: (effect: Effect) => boolean;
  /** Instants of its plans are ends: they go before all else of the loop, and while one is due nothing opens. */
  endsAtInstants?: true;
  /** Its plans wait while the clocks disagree, so that it looks again soon: nothing reports that they agree. */
  waitsForClock?: true;
}

/** Means by which one key is reconciled. */
export interface LoopRun<C> {
  context: C;
  queue: KeyQueue;
  signal: AbortSignal;
}

/** A loop that can be run, over a context of type C. */
export interface Loop<C> {
  readonly name: string;
  readonly keyName: string;
  readonly concurrency: number;
  readonly keys: (context: C) => Iterable<string>;
  readonly triggers: readonly Trigger<C>[];
  /** Brings one key to where its plan wants it, from whatever it finds. Rejects with what kept it from that. */
  readonly reconcile: (key: string, run: LoopRun<C>) => Promise<Next>;
}

/** Between two looks while the clocks disagree. */
const skewLookMs = 5000;

/** Makes a loop of its declaration. */
export function defineLoop<C extends EngineContext, W, P extends Plan>(
  declaration: LoopDeclaration<C, W, P>,
): Loop<C> {
  const { name, keyName, concurrency, keys, triggers } = declaration;
  const reconcile = (key: string, run: LoopRun<C>): Promise<Next> =>
    reconcileOnce(declaration, key, run).catch((error): Next => {
      if (isGone(error, key)) return {};
      throw error;
    });
  return { name, keyName, concurrency, keys, triggers, reconcile };
}

async function reconcileOnce<C extends EngineContext, W, P extends Plan>(
  loop: LoopDeclaration<C, W, P>,
  key: string,
  run: LoopRun<C>,
): Promise<Next> {
  const { context, queue, signal } = run;
  // Without a moment in between when there is nothing to list or write: what wakes the key in that moment would not have
  // been looked at.
  let seen = planned(loop, context, key);
  let asked = seen && loop.find?.(context, seen.world, seen.plan, signal);
  if (asked) seen = await lookedUp(loop, key, asked, run);
  if (!seen) {
    loop.forget?.(context, key);
    return {};
  }
  // What only reports must not keep anything from being closed.
  const faults = new Faults();
  const { world, plan } = seen;
  const mayOpen = !loop.reserve || faults.attempt("what is about to be enforced", () => {
    loop.reserve!(context, world, plan);
    return true;
  }, false);
  const { failed, isPutOff } = plan.stages.length === 0 ? nothingToDo : await carryOut(loop, plan, mayOpen, run);
  if (isPutOff) {
    queue.add(key);
    return {};
  }
  // Also after a failure: what stands and what doesn't is reported as it is.
  if (loop.replans && plan.stages.length > 0) {
    seen = planned(loop, context, key);
    asked = seen && loop.find?.(context, seen.world, seen.plan, signal);
    if (asked) seen = await lookedUp(loop, key, asked, run);
    if (!seen) return {};
  }
  const outcome = { ...seen, failed, faults };
  const confirmed = loop.confirm &&
    faults.attempt("what is enforced", () => loop.confirm!(context, outcome), undefined);
  const { wakeAt = Infinity } = seen.plan;
  const dueAt = Math.min(wakeAt, confirmed?.wakeAt ?? Infinity);
  const due = dueAt === Infinity ? {} : { wakeAt: dueAt };
  const urgent = loop.endsAtInstants ? { urgent: true } : {};
  const [fault] = [...seen.plan.faults ?? [], ...faults.all];
  const error = failed[0]?.error ?? (fault && new Error(faultText(fault), { cause: fault.error })) ?? confirmed?.error;
  if (error !== undefined) {
    // A failure must not cost an instant.
    if (due.wakeAt !== undefined) queue.addAt(key, due.wakeAt, urgent);
    throw error;
  }
  if (loop.replans && seen.plan.stages.length === 0) queue.looked(key);
  return {
    ...due,
    ...(loop.waitsForClock && context.skewMs() !== 0 ? { afterMs: skewLookMs } : {}),
    ...urgent,
  };
}

interface Planned<W, P> {
  world: W;
  plan: P;
}

function planned<C extends EngineContext, W, P extends Plan>(
  { observe, plan }: LoopDeclaration<C, W, P>,
  context: C,
  key: string,
  answers?: Partial<W>,
): Planned<W, P> | undefined {
  const observed = observe(context, key);
  if (observed === undefined) return undefined;
  const world = answers ? { ...observed, ...answers } : observed;
  return { world, plan: plan(world) };
}

/** Plans again with what was listed; what has changed meanwhile may have the plan ask for more. */
async function lookedUp<C extends EngineContext, W, P extends Plan>(
  loop: LoopDeclaration<C, W, P>,
  key: string,
  asked: Promise<Partial<W>> | undefined,
  { context, signal }: LoopRun<C>,
): Promise<Planned<W, P> | undefined> {
  let answers: Partial<W> = {};
  let seen: Planned<W, P> | undefined;
  while (asked) {
    answers = { ...answers, ...await asked };
    seen = planned(loop, context, key, answers);
    asked = seen && loop.find?.(context, seen.world, seen.plan, signal);
  }
  return seen;
}

interface Carried {
  failed: readonly FailedEffect[];
  /** Ends of other keys are due: what only opens, tidies up or reports comes after all that closes. */
  isPutOff: boolean;
}

const nothingToDo: Carried = { failed: [], isPutOff: false };

/**
 * Carries out a plan, stage by stage. An effect that fails holds up no other that closes, and nothing opens or reports
 * where one failed that this relies on.
 */
async function carryOut<C extends EngineContext>(
  { isFoundation = () => true, endsAtInstants }: Pick<
    LoopDeclaration<C, never, Plan>,
    "isFoundation" | "endsAtInstants"
  >,
  { stages }: Plan,
  mayOpen: boolean,
  { context, queue, signal }: LoopRun<C>,
): Promise<Carried> {
  const failed: FailedEffect[] = [];
  for (const { kind, effects } of stages) {
    if (kind !== "close") {
      if (!mayOpen || failed.some(({ effect }) => isFoundation(effect))) break;
      if (endsAtInstants && queue.hasUrgent) return { failed, isPutOff: failed.length === 0 };
    }
    failed.push(...await failures(context, effects, signal));
  }
  const closes = stages[0]?.kind === "close";
  return { failed, isPutOff: endsAtInstants === true && failed.length === 0 && closes && queue.hasUrgent };
}

/** Waits for all, so that no effect is left under way; returns what failed. */
async function failures(
  { executor, skewMs }: EngineContext,
  stage: readonly Effect[],
  signal: AbortSignal,
): Promise<FailedEffect[]> {
  // Not while the clocks disagree, also if they agreed when it was planned.
  const effects = skewMs() === 0 ? stage : stage.filter((effect) => !endsPod(effect));
  const results = await Promise.allSettled(effects.map((effect) => executor.execute(effect, signal)));
  return results.flatMap((result, index) =>
    result.status === "rejected" ? [{ effect: effects[index]!, error: result.reason }] : []
  );
}
