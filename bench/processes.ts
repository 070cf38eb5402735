/** Process statistics of the operating system. */
import { minBy } from "es-toolkit/array";
import { mapValues } from "es-toolkit/object";
import { poll } from "../tests/lab/poll.ts";

/** Resident memory in MB: now, and its maximum since the process began. */
export interface Memory {
  now: number;
  peak: number;
}

export async function residentMemory(pid: number): Promise<Memory> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const megabytes = (field: string) =>
    Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)![1]) / 1024);
  return { now: megabytes("VmRSS"), peak: megabytes("VmHWM") };
}

/** Returns the memory that a process keeps: V8 collects garbage some seconds after a burst. */
export async function memoryAtRest(pid: number): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, restSeconds * 1000));
  return await residentMemory(pid);
}

const restSeconds = 20;

/** Throws an error if the program has ended. */
export async function assertRuns(name: string, pid: number): Promise<void> {
  await processorSeconds(pid).catch(() => {
    throw new Error(`${name} has ended by itself.`);
  });
}

/** Returns the processor time in seconds. */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100; // clock ticks, 100 per second on Linux
}

/** Processor time of processes by name, from its construction; sampled twice a second, at almost no cost. */
export class ProcessorUse implements Disposable {
  readonly #looks: { at: number; seconds: Record<string, number> }[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pids: Readonly<Record<string, number>>) {
    const look = async () => {
      const at = Date.now();
      const seconds = { ...this.#looks.at(-1)?.seconds };
      for (const [name, pid] of Object.entries(pids)) {
        // A process that has ended uses no more.
        seconds[name] = await processorSeconds(pid).catch(() => seconds[name] ?? 0);
      }
      this.#looks.push({ at, seconds });
    };
    look();
    this.#timer = setInterval(look, 500);
  }

  /** Returns the seconds used between two times (epoch milliseconds), to the precision of a sample. */
  between(from: number, to: number): Record<string, number> {
    const [before, after] = [from, to].map((instant) =>
      minBy(this.#looks, ({ at }) => Math.abs(at - instant))!.seconds
    );
    return mapValues(after!, (seconds, name) => seconds - before![name]!);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Waits until the process is idle: until it has used less than a twentieth of a processor for three seconds.
 *
 * @returns the time at which it became idle, by `performance.now()`
 */
export async function atRest(pid: number, withinMs: number): Promise<number> {
  let [since, used] = [performance.now(), await processorSeconds(pid)];
  await poll(`process ${pid} is at rest`, async () => {
    const [now, total] = [performance.now(), await processorSeconds(pid)];
    if (total - used > Math.max(0.03, (now - since) / 1000 / 20)) [since, used] = [now, total];
    return now - since > 3000 || "it is busy";
  }, { withinMs, everyMs: 100 });
  return since;
}
