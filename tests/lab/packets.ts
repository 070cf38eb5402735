/** Packets as tries: from the network namespace of a pod, of the node or of the outside, to anywhere. */
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";
import { readTextFileIfExists } from "./lab_files.ts";
import { nodeControlGroup } from "./node.ts";
import { readState } from "./lab_state.ts";

/** A connection to try, by TCP, or a question that waits for any answer, by UDP. */
export interface Try {
  to: string;
  port: number;
  protocol: "TCP" | "UDP";
  /** The address that it comes from: one of the namespace's own; without it the kernel's choice. */
  from?: string;
}

/** What the program of {@link tryAll} reads. */
export interface Tries {
  tries: Try[];
  withinMs: number;
}

const PROGRAM = fileURLToPath(new URL("./try_flows.ts", import.meta.url));

/**
 * Tries each from the network namespace of a process, many at a time.
 *
 * @returns whether it was answered in time: false says nothing unless somebody else is answered there
 */
export async function tryAll(pid: number, tries: Try[], { withinMs = 1_000 } = {}): Promise<boolean[]> {
  if (tries.length === 0) return [];
  const input: Tries = { tries, withinMs };
  const { code, stdout, stderr } = await runCommand("nsenter", programIn(pid, PROGRAM), {
    stdin: JSON.stringify(input),
    timeoutMs: 120_000,
  });
  if (code !== 0) throw new Error(`The namespace of process ${pid} can't be tried from: ${stderr.trim()}`);
  return JSON.parse(stdout) as boolean[];
}

/** Arguments of nsenter that run a program of this repository in the network namespace of a process. */
export const programIn = (pid: number, program: string, ...args: string[]): string[] => [
  `--target=${pid}`,
  "--net",
  "--",
  Deno.execPath(),
  "run",
  "--quiet",
  "--no-config",
  "--allow-all",
  program,
  ...args,
];

/** A process of the node, in whose network namespace the node's own address is. */
export const nodeProcess = (dir: string): number => recorded(dir, "node");

/** The process that answers in the outside. */
export const outsideProcess = (dir: string): number => recorded(dir, "outside");

function recorded(dir: string, part: string): number {
  const pid = readState(dir)?.pids[part];
  if (pid === undefined) throw new Error(`The lab in ${dir} has no ${part}.`);
  return pid;
}

/** One process of each pod that runs on the lab's node, by the pod's UID. */
export function podProcesses(dir: string): Map<string, number> {
  const group = nodeControlGroup(dir);
  return new Map([...Deno.readDirSync("/proc")].flatMap(({ name }): [string, number][] => {
    if (!/^\d+$/.test(name)) return [];
    const uid = new RegExp(`${group}/.*pod([0-9a-f-]{36})/`).exec(controlGroupsOf(name));
    return uid ? [[uid[1]!, Number(name)]] : [];
  }));
}

function controlGroupsOf(pid: string): string {
  try {
    return readTextFileIfExists(`/proc/${pid}/cgroup`) ?? "";
  } catch {
    return ""; // ended while it was read
  }
}
