/** What an operating system knows of a process. */
import { minBy } from "es-toolkit/array";
import { mapValues } from "es-toolkit/object";
import { poll } from "../tests/lab/poll.ts";

/** Resident memory in MB: now, and at the most since the process began. */
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

/** What a process keeps: V8 collects what a burst has left some seconds after it. */
export async function memoryAtRest(pid: number): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, restSeconds * 1000));
  return await residentMemory(pid);
}

const restSeconds = 20;

/** Seconds of processor time that it has used. */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100; // clock ticks, 100 a second on every Linux
}

/** What processes use of the processors, by name, from when it is made: looked at twice a second, which costs next to nothing. */
export class ProcessorUse implements Disposable {
  readonly #looks: { at: number; seconds: Record<string, number> }[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pids: Readonly<Record<string, number>>) {
    const look = async () => {
      const at = Date.now();
      const seconds = { ...this.#looks.at(-1)?.seconds };
      for (const [name, pid] of Object.entries(pids)) {
        // What has ended uses no more.
        seconds[name] = await processorSeconds(pid).catch(() => seconds[name] ?? 0);
      }
      this.#looks.push({ at, seconds });
    };
    look();
    this.#timer = setInterval(look, 500);
  }

  /** Seconds between two instants (epoch milliseconds), to a look's distance. */
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
 * Waits until the process has nothing more to do: until it has used less than a twentieth of a processor for three
 * seconds.
 *
 * @returns when it had its work done, by `performance.now()`
 */
export async function atRest(pid: number, withinMs: number): Promise<number> {
  let [since, used] = [performance.now(), await processorSeconds(pid)];
  await poll(`process ${pid} is at rest`, async () => {
    const [now, total] = [performance.now(), await processorSeconds(pid)];
    if (total - used > Math.max(0.03, (now - since) / 1000 / 20)) [since, used] = [now, total];
    return now - since > 3000 || "it works";
  }, { withinMs, everyMs: 100 });
  return since;
}
