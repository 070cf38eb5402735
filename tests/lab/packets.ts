/** Test connections from the network namespace of a pod, of the node or of the outside network to any address. */
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";
import { readTextFileIfExists } from "./lab_files.ts";
import { nodeControlGroup } from "./node.ts";
import { readState } from "./lab_state.ts";

/** A TCP connection to try, or a UDP request that waits for any response. */
export interface Try {
  to: string;
  port: number;
  protocol: "TCP" | "UDP";
  /** Source address, one of the namespace's own. Default: the kernel's choice. */
  from?: string;
}

/** Input of the program of {@link tryAll}. */
export interface Tries {
  tries: Try[];
  withinMs: number;
}

const PROGRAM = fileURLToPath(new URL("./try_flows.ts", import.meta.url));

/**
 * Tries all of them from the network namespace of a process, many at a time.
 *
 * @returns for each, whether it was answered in time: false proves nothing unless another client is answered there
 */
export async function tryAll(pid: number, tries: Try[], { withinMs = 1_000 } = {}): Promise<boolean[]> {
  if (tries.length === 0) return [];
  const input: Tries = { tries, withinMs };
  const { code, stdout, stderr } = await runCommand("nsenter", programIn(pid, PROGRAM), {
    stdin: JSON.stringify(input),
    timeoutMs: 120_000,
  });
  if (code !== 0) throw new Error(`Connections from the namespace of process ${pid} can't be tried: ${stderr.trim()}`);
  return JSON.parse(stdout) as boolean[];
}

/** Returns arguments of nsenter that run a program of this repository in the network namespace of a process. */
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

/** Returns a process in the node's network namespace. */
export const nodeProcess = (dir: string): number => recorded(dir, "node");

/** Returns a process in the namespace of the outside network. */
export const outsideProcess = (dir: string): number => recorded(dir, "outside");

function recorded(dir: string, part: string): number {
  const pid = readState(dir)?.pids[part];
  if (pid === undefined) throw new Error(`The lab in ${dir} has no ${part}.`);
  return pid;
}

/** Returns one process of each pod that runs on the lab's node, by the pod's UID. */
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
    return ""; // it ended meanwhile
  }
}
