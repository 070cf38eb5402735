import { readTextFileIfExists, removeIfExists, tailOf } from "./lab_files.ts";
import type { PartSpec } from "./part.ts";
import { poll } from "./poll.ts";
import { updateState } from "./lab_state.ts";

/**
 * Starts a program in a separate session, so that it goes on when its starter ends or gets Ctrl-C. A shell stays as
 * its parent: it writes the pid at once, and the exit code at the end.
 */
const START = `
dir=$1 name=$2; shift 2
(
  "$@" >>"$dir/logs/$name.log" 2>&1 &
  echo $! >"$dir/run/$name.pid"
  echo started # and with the pipe closed below, the starter goes on
  exec >/dev/null 2>&1
  wait $!
  echo $? >"$dir/run/$name.$!.exit"
) &`;

/** Error of a part of the lab that couldn't be started, or ended by itself. */
export class PartError extends Error {
  override readonly name = "PartError";

  constructor(message: string, readonly portTaken: boolean) {
    super(message);
  }
}

/** One process of a lab: a program of the control plane, of the node or of the tailnet. */
export class LabProcess {
  readonly #dir: string;
  readonly #spec: PartSpec;

  constructor(dir: string, spec: PartSpec) {
    this.#dir = dir;
    this.#spec = spec;
  }

  /** E.g. `kube-apiserver`, `tailscaled-bob-home`. */
  get name(): string {
    return this.#spec.name;
  }

  /** Path of its log: everything that it wrote, in all its runs. */
  get log(): string {
    return `${this.#dir}/logs/${this.name}.log`;
  }

  /** Its process ID, undefined when it doesn't run. */
  get pid(): number | undefined {
    const pid = recordedPid(this.#dir, this.name);
    return pid !== undefined && isLabProcess(pid, this.#dir) ? pid : undefined;
  }

  /** Starts it and returns when it is ready. If it runs already, only waits until it is ready. */
  async start(): Promise<void> {
    if (this.pid === undefined) await startDetached(this.#dir, this.name, [this.#spec.command, ...this.#spec.args]);
    try {
      await poll(`${this.name} is ready`, async () => {
        if (this.death()) {
          await exitCodeWritten(this.#dir, this.name, recordedPid(this.#dir, this.name)!);
          throw this.death()!;
        }
        return await this.#spec.ready();
      }, { withinMs: 90_000 });
    } catch (error) {
      if (error instanceof PartError) throw error;
      throw new PartError(`${(error as Error).message}\n${this.#logTail()}`, false);
    }
  }

  /** Ends it with SIGTERM, and with SIGKILL if it is still there after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    await this.#end("SIGTERM", graceMs);
  }

  /** Ends it with SIGKILL, as a crash would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL", 0);
  }

  /** Stops it if it runs, starts it on the same port with the same data, and returns when it is ready. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /**
   * Freezes it with SIGSTOP: its connections stay open and it doesn't respond. Resolves when each of its threads has
   * stopped.
   */
  async pause(): Promise<void> {
    this.#signal("SIGSTOP");
    const tasks = `/proc/${this.pid}/task`;
    const goesOn = ({ name }: Deno.DirEntry) => threadState(`${tasks}/${name}/stat`) !== "T";
    const stands = () => ![...Deno.readDirSync(tasks)].some(goesOn) || "a thread still runs";
    await poll(`${this.name} is stopped`, stands, { withinMs: 5_000, everyMs: 1 });
  }

  /** Resumes it after {@link pause}. */
  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Returns an error with the reason when it ended without a request; undefined otherwise. */
  death(): PartError | undefined {
    const pid = recordedPid(this.#dir, this.name);
    if (pid === undefined || isLabProcess(pid, this.#dir)) return undefined;
    const code = exitCode(this.#dir, this.name, pid);
    const tail = this.#logTail();
    if (/address already in use/.test(tail)) {
      return new PartError(`${this.name} could not listen: another process took its port.\n${tail}`, true);
    }
    const how = code === "137"
      ? "was killed (signal 9): if you did not kill it, the machine ran out of memory; a lab needs about 1 GB"
      : `ended by itself with exit code ${code ?? "unknown"}`;
    return new PartError(
      `${this.name} ${how}. Start the lab again with \`deno task lab up --dir ${this.#dir}\`.\n${tail}`,
      false,
    );
  }

  #logTail(): string {
    return `The end of ${this.log}:\n${tailOf(this.log).replaceAll(/^/gm, "  | ")}`;
  }

  #signal(signal: Deno.Signal): void {
    const pid = this.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run: ${signal} can't be sent.`);
    Deno.kill(pid, signal);
  }

  async #end(signal: Deno.Signal, graceMs: number): Promise<void> {
    const pid = this.pid;
    // The record is removed first: from here on its end is expected.
    removeIfExists(pidFile(this.#dir, this.name));
    if (pid !== undefined) await endProcess(this.#dir, this.name, pid, signal, graceMs);
    publishPids(this.#dir);
  }
}

/** Starts a command line as the part `name` of the lab in `dir`; returns as soon as its pid is recorded. */
export async function startDetached(dir: string, name: string, commandLine: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", START, "sh", dir, name, ...commandLine],
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${name} could not be started: ${new TextDecoder().decode(stderr).trim()}`);
  publishPids(dir);
}

/**
 * Ends all processes of the lab in `dir`, also those of another starter or of an interrupted start. Only processes
 * whose command line contains this folder are ended: a recorded pid may have been reused.
 *
 * @returns the names of the parts that ran
 */
export async function endAll(dir: string): Promise<string[]> {
  const ended: string[] = [];
  const records = recordedPids(dir);
  // The watchdog first, so that it doesn't do the same work too; unless it is the caller.
  records.sort((a, b) => Number(b.name === WATCHDOG) - Number(a.name === WATCHDOG));
  await Promise.all(records.map(async ({ name, pid }) => {
    removeIfExists(pidFile(dir, name));
    if (pid === Deno.pid || !isLabProcess(pid, dir)) return;
    await endProcess(dir, name, pid, name === WATCHDOG ? "SIGKILL" : "SIGTERM", 3_000);
    if (name !== WATCHDOG) ended.push(name);
  }));
  if (records.length > 0) publishPids(dir);
  return ended.sort();
}

/** Name of the process that ends a test's lab when the test was killed. */
export const WATCHDOG = "watchdog";

async function endProcess(
  dir: string,
  name: string,
  pid: number,
  signal: Deno.Signal,
  graceMs: number,
): Promise<void> {
  const gone = () => !isLabProcess(pid, dir) || "it still runs";
  send(pid, signal);
  send(pid, "SIGCONT"); // a paused process gets no other signal
  if (signal !== "SIGKILL") {
    await poll(`${name} is gone`, gone, { withinMs: graceMs, everyMs: 20 }).catch(() => {});
    if (isLabProcess(pid, dir)) send(pid, "SIGKILL");
  }
  await poll(`${name} (process ${pid}) is gone after SIGKILL`, gone, { withinMs: 10_000, everyMs: 10 });
  await exitCodeWritten(dir, name, pid);
}

/**
 * Waits for the exit code, which the process's parent writes a moment after its end, before the folder is removed or
 * the code is reported. A parent that has ended never writes: a second is more than enough.
 */
async function exitCodeWritten(dir: string, name: string, pid: number): Promise<void> {
  const written = () => exitCode(dir, name, pid) !== undefined || "no exit code";
  await poll(`the exit code of ${name} is written`, written, { withinMs: 1_000, everyMs: 5 }).catch(() => {});
}

function exitCode(dir: string, name: string, pid: number): string | undefined {
  return readTextFileIfExists(`${dir}/run/${name}.${pid}.exit`)?.trim() || undefined;
}

function send(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    // It has already ended.
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

function pidFile(dir: string, name: string): string {
  return `${dir}/run/${name}.pid`;
}

function recordedPid(dir: string, name: string): number | undefined {
  const text = readTextFileIfExists(pidFile(dir, name))?.trim();
  return text ? Number(text) : undefined;
}

function recordedPids(dir: string): { name: string; pid: number }[] {
  const records = [];
  try {
    for (const { name: file } of Deno.readDirSync(`${dir}/run`)) {
      if (!file.endsWith(".pid")) continue;
      const name = file.slice(0, -".pid".length);
      const pid = recordedPid(dir, name);
      if (pid !== undefined) records.push({ name, pid });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return records;
}

function publishPids(dir: string): void {
  updateState(dir, (state) => {
    state.pids = Object.fromEntries(recordedPids(dir).map(({ name, pid }) => [name, pid]));
  });
}

/** Reports whether the process runs and its command line contains the lab's folder. A zombie has no command line. */
export function isLabProcess(pid: number, dir: string): boolean {
  for (let tries = 0;; tries++) {
    const line = commandLine(pid);
    if (line.includes(`${dir}/`)) return true;
    // While a process is replaced by another program (exec), for less than a millisecond, its command line is empty or
    // cut off.
    if (line.endsWith("\0") || tries === 10_000 || !lives(pid)) return false;
  }
}

/** Reports whether it is a user process that has not ended; works on Linux only, where it matters. */
function lives(pid: number): boolean {
  if (Deno.build.os !== "linux") return false;
  let stat: string | undefined;
  try {
    stat = readTextFileIfExists(`/proc/${pid}/stat`);
  } catch {
    return false; // it ended meanwhile
  }
  if (stat === undefined) return false;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, flags] = [fields[0]!, Number(fields[6])];
  return !"ZX".includes(state) && (flags & (PF_EXITING | PF_KTHREAD)) === 0;
}

/** Returns the letter of its state; undefined if it has ended. */
const threadState = (stat: string): string | undefined => {
  const text = readTextFileIfExists(stat);
  return text?.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3);
};

/** Flags of the kernel's sched.h: the process is ending; it is a kernel thread. */
const PF_EXITING = 0x4;
const PF_KTHREAD = 0x20_0000;

function commandLine(pid: number): string {
  if (Deno.build.os === "linux") {
    try {
      return readTextFileIfExists(`/proc/${pid}/cmdline`) ?? "";
    } catch {
      return ""; // it ended meanwhile
    }
  }
  const { stdout } = new Deno.Command("ps", { args: ["-ww", "-o", "args=", "-p", String(pid)] }).outputSync();
  return new TextDecoder().decode(stdout);
}
