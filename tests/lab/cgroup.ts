import { enableControllers } from "./cgroup_controllers.ts";
import { poll } from "./poll.ts";

/** One mounted tree of control groups: of the controllers of version 1 each has its own, version 2 has one for all. */
interface Hierarchy {
  path: string;
  /** Options of the mount, e.g. `rw`, `pids`. */
  options: string[];
  version: 1 | 2;
}

/**
 * Makes the control group `name` wherever the kernel has such groups, for the kubelet that makes the pods' groups below
 * it, and in it a group for the processes of the node that belong to no pod.
 */
export function makeControlGroup(name: string): void {
  for (const { path } of hierarchies()) Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  if (counting().version === 2) enableControllers([counting().path, `${counting().path}/${name}`]);
  Deno.mkdirSync(controlGroupFolder(name));
}

/** The folder of the group for processes that belong to no pod: version 2 has processes only in groups without others. */
export function controlGroupFolder(name: string): string {
  return `${counting().path}/${name}/node`;
}

/**
 * Kills every process in the control group `name` and in all groups below it, also those that are started meanwhile, and
 * removes the groups. Nothing happens when there is no such group.
 */
export async function endControlGroup(name: string): Promise<void> {
  await poll(`processes in the control group ${name}: gone`, () => {
    const pids = groupsBelow(`${counting().path}/${name}`).flatMap(processesIn);
    pids.forEach(kill);
    return pids.length === 0 || `${pids.length} run`;
  }, { withinMs: 20_000, everyMs: 10 });
  await poll(`control groups ${name}: removed`, () => {
    const left = hierarchies().flatMap(({ path }) => groupsBelow(`${path}/${name}`)).filter((path) => !remove(path));
    return left.length === 0 || `${left[0]} is busy`;
  }, { withinMs: 10_000, everyMs: 10 });
}

function hierarchies(): Hierarchy[] {
  return Deno.readTextFileSync("/proc/self/mounts").split("\n").flatMap((line) => {
    const [, path, type, options] = line.split(" ");
    if (type !== "cgroup" && type !== "cgroup2") return [];
    return [{ path: path!, options: options!.split(","), version: type === "cgroup" ? 1 as const : 2 as const }];
  });
}

/** The tree in which every process of the node and of its pods has its place. */
function counting(): Hierarchy {
  const all = hierarchies();
  const found = all.find(({ options, version }) => version === 1 && options.includes("pids")) ??
    all.find(({ version }) => version === 2);
  if (found === undefined) throw new Error("A lab's node needs control groups, and none are mounted.");
  return found;
}

/** The group and all below it, the deepest first. */
function groupsBelow(path: string): string[] {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return [...entries.filter((entry) => entry.isDirectory).flatMap(({ name }) => groupsBelow(`${path}/${name}`)), path];
}

function processesIn(path: string): number[] {
  try {
    return Deno.readTextFileSync(`${path}/cgroup.procs`).split("\n").filter((line) => line !== "").map(Number);
  } catch {
    return []; // removed meanwhile
  }
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}

function remove(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound; // else busy: the kernel is still clearing it
  }
}
