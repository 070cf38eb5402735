import { enableControllers } from "./cgroup_controllers.ts";
import { poll } from "./poll.ts";

/** A mounted control group hierarchy: version 1 has one per controller, version 2 one for all. */
interface Hierarchy {
  path: string;
  /** Options of the mount, e.g. `rw`, `pids`. */
  options: string[];
  version: 1 | 2;
}

/**
 * Makes the control group `name` in every hierarchy, for the kubelet, which makes the pods' groups below it, and in it
 * a group for the node's processes that belong to no pod.
 */
export function makeControlGroup(name: string): void {
  for (const { path } of hierarchies()) Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  if (counting().version === 2) enableControllers([counting().path, `${counting().path}/${name}`]);
  Deno.mkdirSync(controlGroupFolder(name));
}

/**
 * Returns the folder of the group for processes that belong to no pod: in version 2 only groups without subgroups have
 * processes.
 */
export function controlGroupFolder(name: string): string {
  return `${counting().path}/${name}/node`;
}

/**
 * Kills every process in the control group `name` and in all groups below it, also those started meanwhile, and removes
 * the groups. Does nothing if there is no such group.
 */
export async function endControlGroup(name: string): Promise<void> {
  await poll(`the control group ${name} has no processes`, () => {
    const pids = groupsBelow(`${counting().path}/${name}`).flatMap(processesIn);
    pids.forEach(kill);
    return pids.length === 0 || `${pids.length} run`;
  }, { withinMs: 20_000, everyMs: 10 });
  await poll(`the control groups ${name} are removed`, () => {
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

/** Returns the hierarchy that has every process of the node and of its pods. */
function counting(): Hierarchy {
  const all = hierarchies();
  const found = all.find(({ options, version }) => version === 1 && options.includes("pids")) ??
    all.find(({ version }) => version === 2);
  if (found === undefined) throw new Error("A lab's node needs control groups, but none are mounted.");
  return found;
}

/** Returns the group and all groups below it, the deepest first. */
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
    // It has ended meanwhile.
  }
}

function remove(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    return error instanceof Deno.errors.NotFound; // otherwise it is busy: the kernel is still removing its processes
  }
}
