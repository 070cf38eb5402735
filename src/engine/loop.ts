/**
 * A loop: a declaration of its keys, its observation and its plan. The engine does the rest in the same way for all.
 */
import type { Next } from "../../lib/controller/mod.ts";
import { type Effect, endsPod, type Plan } from "../core/effects.ts";
import { Faults, faultText } from "../core/faults.ts";
import type { Executor } from "./execute.ts";
import { isGone } from "./gone.ts";
import type { KeyQueue, Trigger } from "./triggers.ts";

/** The part of a context that every loop needs. */
export interface EngineContext {
  executor: Executor;
  /** Milliseconds by which the API server's clock is ahead; 0 while the clocks agree. */
  skewMs: () => number;
}

/** An effect that could not be applied. */
export interface FailedEffect {
  effect: Effect;
  error: unknown;
}

/** One reconcile of a key: the observation, the plan and its failed effects. */
export interface ApplyOutcome<W, P> {
  world: W;
  plan: P;
  failed: readonly FailedEffect[];
  /** Collects errors thrown while confirming: they don't hold up effects that close. */
  faults: Faults;
}

/** Additions of `confirm` to the result of a reconcile. */
export interface Confirmed {
  /** Epoch milliseconds at which the key is due again, in addition to the plan's own instant. */
  wakeAt?: number | undefined;
  /** Error of the key, used if there is no other. */
  error?: unknown;
}

/** The declaration of a loop. */
export interface LoopDeclaration<C extends EngineContext, W, P extends Plan> {
  /** Name in metrics, traces and logs. */
  name: string;
  /** Kind of object that a key names, in logs. */
  keyName: string;
  /** Maximum number of keys that are reconciled at the same time. */
  concurrency: number;
  /** All keys, entered when the Lease is taken. */
  keys: (context: C) => Iterable<string>;
  triggers: readonly Trigger<C>[];
  /** Reads everything the plan depends on; undefined: there is nothing for this key. */
  observe: (context: C, key: string) => W | undefined;
  plan: (world: W) => P;
  /**
   * Lists objects that the plan asks for but that aren't watched. The result is merged into the world. Undefined: the
   * plan asks for nothing more.
   */
  find?: (context: C, world: W, plan: P, signal: AbortSignal) => Promise<Partial<W>> | undefined;
  /** Forgets everything remembered for a key that has nothing to observe any more. */
  forget?: (context: C, key: string) => void;
  /** Records, before any effect, the state that is about to be enforced. If it throws, nothing opens. */
  reserve?: (context: C, world: W, plan: P) => void;
  /** Records, after the effects, the enforced state. Called whatever has failed. */
  confirm?: (context: C, outcome: ApplyOutcome<W, P>) => Confirmed | void;
  /** Observes and plans again after the effects, so that `confirm` sees their result. */
  replans?: true;
  /** True for effects that opening depends on: if one of them fails, nothing opens. Default: all effects. */
  isFoundation?: (effect: Effect) => boolean;
  /** Its plans' instants are ends of grants: they go before all other keys, and nothing opens while one is due. */
  endsAtInstants?: true;
  /**
   * Its plans wait while the clocks disagree. Reconciles again soon, because nothing reports that the clocks agree
   * again.
   */
  waitsForClock?: true;
}

/** Everything needed to reconcile one key. */
export interface LoopRun<C> {
  context: C;
  queue: KeyQueue;
  signal: AbortSignal;
}

/** A runnable loop over a context of type C. */
export interface Loop<C> {
  readonly name: string;
  readonly keyName: string;
  readonly concurrency: number;
  readonly keys: (context: C) => Iterable<string>;
  readonly triggers: readonly Trigger<C>[];
  /** Makes one key match its plan, whatever its state. Rejects with the error that prevented it. */
  readonly reconcile: (key: string, run: LoopRun<C>) => Promise<Next>;
}

/** Interval between reconciles while the clocks disagree. */
const skewLookMs = 5000;

/** Makes a loop from its declaration. */
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
  // Synchronous if nothing is listed or written: a key that was triggered during an await would not have been
  // observed.
  let seen = planned(loop, context, key);
  let asked = seen && loop.find?.(context, seen.world, seen.plan, signal);
  if (asked) seen = await lookedUp(loop, key, asked, run);
  if (!seen) {
    loop.forget?.(context, key);
    return {};
  }
  // Reporting must not prevent anything from being closed.
  const faults = new Faults();
  const { world, plan } = seen;
  const mayOpen = !loop.reserve || faults.attempt("the state to enforce", () => {
    loop.reserve!(context, world, plan);
    return true;
  }, false);
  const { failed, isPutOff } = plan.stages.length === 0 ? nothingToDo : await carryOut(loop, plan, mayOpen, run);
  if (isPutOff) {
    queue.add(key);
    return {};
  }
  // Also after a failure, so that the actual state is reported.
  if (loop.replans && plan.stages.length > 0) {
    seen = planned(loop, context, key);
    asked = seen && loop.find?.(context, seen.world, seen.plan, signal);
    if (asked) seen = await lookedUp(loop, key, asked, run);
    if (!seen) return {};
  }
  const outcome = { ...seen, failed, faults };
  const confirmed = loop.confirm &&
    faults.attempt("the enforced state", () => loop.confirm!(context, outcome), undefined);
  const { wakeAt = Infinity } = seen.plan;
  const dueAt = Math.min(wakeAt, confirmed?.wakeAt ?? Infinity);
  const due = dueAt === Infinity ? {} : { wakeAt: dueAt };
  const urgent = loop.endsAtInstants ? { urgent: true } : {};
  const [fault] = [...seen.plan.faults ?? [], ...faults.all];
  const error = failed[0]?.error ?? (fault && new Error(faultText(fault), { cause: fault.error })) ?? confirmed?.error;
  if (error !== undefined) {
    // A failure must not lose an instant.
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

/** Lists and plans until the plan asks for nothing more; changes in the meantime can make it ask again. */
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
  /** True if ends of other keys are due: their closing goes before this key's opening, cleanup and reports. */
  isPutOff: boolean;
}

const nothingToDo: Carried = { failed: [], isPutOff: false };

/**
 * Applies a plan stage by stage. A failed effect holds up no effect that closes; nothing opens or reports after a
 * failed effect that it depends on.
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

/** Applies all effects of a stage, waits for all of them and returns the failed ones. */
async function failures(
  { executor, skewMs }: EngineContext,
  stage: readonly Effect[],
  signal: AbortSignal,
): Promise<FailedEffect[]> {
  // Pods aren't ended while the clocks disagree, even if the clocks agreed when it was planned.
  const effects = skewMs() === 0 ? stage : stage.filter((effect) => !endsPod(effect));
  const results = await Promise.allSettled(effects.map((effect) => executor.execute(effect, signal)));
  return results.flatMap((result, index) =>
    result.status === "rejected" ? [{ effect: effects[index]!, error: result.reason }] : []
  );
}
