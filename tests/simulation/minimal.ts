/** Finds the fewest steps of a seed's schedule that still break the same invariant. */
import { Coverage } from "./coverage.ts";
import { runSchedule, type ScheduleOutcome, stepsOf } from "./schedule.ts";

const promiseOf = ({ broken }: ScheduleOutcome): string | undefined => broken?.message.split(":")[0];

/** Leaves out steps, at first many at a time, as long as the same invariant is broken without them. */
export async function minimal(
  seed: number,
): Promise<{ steps: number[]; message: string; trace: readonly string[] }> {
  const attempt = (steps: readonly number[]) =>
    runSchedule(seed, { coverage: new Coverage(), only: new Set(steps), traced: true });
  let steps = Array.from({ length: stepsOf(seed) }, (_, step) => step);
  let outcome = await attempt(steps);
  const promise = promiseOf(outcome);
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length;) {
      const fewer = [...steps.slice(0, at), ...steps.slice(at + size)];
      const still = await attempt(fewer);
      if (promiseOf(still) === promise) [steps, outcome] = [fewer, still];
      else at += size;
    }
  }
  return { steps, message: outcome.broken?.message ?? "", trace: outcome.trace };
}
