/** Waits until a grant has ended or is enforced, and shows what it waits for. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import type { Grant } from "../../api/client/keystone.io@v1alpha1.ts";
import { no, usageError } from "../exit.ts";
import { sayIfInterrupted } from "../interruption.ts";
import { inLine, type Session } from "../session.ts";
import { endProgress, type GrantProgress, leftText, startProgress } from "./grant_progress.ts";
import { GrantWatch } from "./grant_watch.ts";
import { wheelAt } from "./live_lines.ts";
import { wrapped } from "../wrapped_text.ts";

/** Flags of commands that can wait. */
export interface WaitFlags {
  wait?: boolean;
  watch?: boolean;
  /** Milliseconds. */
  timeout?: number;
}

/** Event that ends the wait. */
interface Awaited {
  until: "ended" | "enforced";
  /** Said when the waiting ends early: what happens anyway, and how to go on waiting. */
  goesOn: string;
}

/** Parses `--timeout`. */
export function timeoutFrom(text: string): number {
  const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const [, count, unit = "s"] = /^(\d{1,6})(s|m|h|d)?$/.exec(text) ?? [];
  const ms = Number(count) * units[unit]!;
  if (!Number.isFinite(ms)) {
    throw usageError(`--timeout is ${text}. It must be a time such as 30s, 5m or 2h; 0 for none.`);
  }
  return ms === 0 ? Infinity : ms;
}

const frameMs = 120;
/** Time after which a silent operator is mentioned. */
const silentMs = 10_000;

/**
 * Follows a grant by watches. On a terminal lines change in place; elsewhere each change is a line on standard error.
 *
 * @returns the grant as last seen; undefined: it is gone
 * @throws {Exit} with code 1 after the timeout
 */
export async function followGrant(
  session: Session,
  rest: RestClient,
  grant: Grant,
  { watch: isDetailed = false, timeout = Infinity }: WaitFlags,
  { until, goesOn }: Awaited,
): Promise<Grant | undefined> {
  const { io } = session;
  const began = io.now();
  let wake = () => {};
  await using seen = new GrantWatch(rest, grant, { withObjects: until === "ended", changed: () => wake() });
  const printed = new Printed(session);
  try {
    for (;;) {
      const view = seen.now();
      const progress = until === "ended" ? endProgress(view) : startProgress(view);
      const now = io.now();
      const silent = progress.text.endsWith("waiting for the operator.") && now - began > silentMs
        ? " It has not answered yet; keystone doctor shows why."
        : "";
      const lost = view.lost === undefined ? "" : ` Not connected: ${view.lost}`;
      const last = inLine(progress.text + silent + lost);
      sayIfInterrupted(`Stopped waiting. ${goesOn}`);
      if (progress.done && view.complete) {
        io.screen?.clear();
        session.note(last);
        return view.grant;
      }
      if (now - began >= timeout) {
        io.screen?.clear();
        throw no(`--timeout is over. ${last} ${goesOn}`);
      }
      if (until === "enforced" && !view.grant) throw no(last);
      if (io.screen) {
        io.screen.show(screenLines(last, progress, { isDetailed, now, began, columns: io.screen.columns }));
      } else printed.update(last, isDetailed ? progress.pods : []);
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      // Off a terminal only a change or the timeout is news.
      const next = io.screen ? frameMs : Math.min(began + timeout - now, silent === "" ? silentMs : Infinity);
      const timer = Number.isFinite(next) ? setTimeout(resolve, next) : undefined;
      await promise;
      clearTimeout(timer);
    }
  } finally {
    sayIfInterrupted(undefined);
    io.screen?.clear();
  }
}

function screenLines(
  text: string,
  { until, pods }: GrantProgress,
  { isDetailed, now, began, columns }: { isDetailed: boolean; now: number; began: number; columns: number },
): string[] {
  const left = leftText(until, now);
  const waited = leftText(now, began);
  const times = [left === undefined ? "" : `${left} left`, waited === undefined ? "" : `waited ${waited}`].filter(
    Boolean,
  );
  const head = wrapped(`${wheelAt(now)} ${times.length > 0 ? `${times.join(", ")}: ` : ""}${text}`, columns, 2).split(
    "\n",
  );
  return isDetailed ? [...head, ...pods.map((line) => `  ${inLine(line)}`)] : head;
}

/** Prints each text and each pod's line once, when it changes. */
class Printed {
  readonly #session: Session;
  #text = "";
  #pods = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
  }

  update(text: string, pods: readonly string[]): void {
    if (text !== this.#text) this.#session.note(text);
    this.#text = text;
    for (const line of pods) if (!this.#pods.has(line)) this.#session.note(`  ${inLine(line)}`);
    const names = (lines: Iterable<string>) => new Set([...lines].map((line) => /^Pod (\S+)/.exec(line)?.[1]));
    const present = names(pods);
    for (const name of names(this.#pods)) {
      if (name !== undefined && !present.has(name)) this.#session.note(`  Pod ${name} is gone`);
    }
    this.#pods = new Set(pods);
  }
}
