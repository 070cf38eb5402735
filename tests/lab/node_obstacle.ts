/** What a node needs from Debian, by package; the lab never installs anything itself. */
const PROGRAMS: Record<string, string[]> = {
  containerd: ["containerd", "containerd-shim-runc-v2", "ctr"],
  runc: ["runc"],
  "containernetworking-plugins": [], // not in PATH
  iptables: ["iptables", "iptables-save", "iptables-restore"],
  conntrack: ["conntrack"],
  ipset: ["ipset"],
};
/** Where Debian has the network plugins, and where others have them. */
const PLUGIN_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];
const PLUGINS = ["ptp", "host-local", "portmap", "loopback"];

/** The machine as {@link nodeObstacle} sees it; the present one unless told. */
export interface Machine {
  os: string;
  root: boolean;
  /** Whether there is such a file. */
  has: (path: string) => boolean;
}

/**
 * Why this machine can't run a lab's node, in one sentence that says what to do; undefined when it can. Tests that need
 * a node say `not run: ` and this sentence.
 */
export function nodeObstacle(machine: Machine = thisMachine()): string | undefined {
  if (machine.os !== "linux") return "A lab's node needs Linux: it runs containers.";
  const missing = Object.entries(PROGRAMS)
    .filter(([name, programs]) =>
      programs.some((program) => !inPath(program, machine)) ||
      (name === "containernetworking-plugins" && pluginFolder(machine) === undefined)
    )
    .map(([name]) => name);
  const remedy = `\`apt-get install -y ${Object.keys(PROGRAMS).join(" ")}\``;
  if (missing.length > 0) {
    const root = machine.root ? "" : "root rights and ";
    return `A lab's node needs ${root}programs that are not here (${missing.join(", ")}): ${remedy}.`;
  }
  return machine.root
    ? undefined
    : "A lab's node needs root rights, for containers and network devices: run it as root.";
}

/** Why this machine can't build the operator's image, in one sentence that says what to do; undefined when it can. */
export function imageObstacle(machine: Machine = thisMachine()): string | undefined {
  if (inPath("buildah", machine)) return undefined;
  return "The operator's image is built by buildah, which is not here: `apt-get install -y buildah`.";
}

/** The folder of the network plugins that has all that a node needs. */
export function pluginFolder(machine: Pick<Machine, "has"> = thisMachine()): string | undefined {
  return PLUGIN_FOLDERS.find((folder) => PLUGINS.every((plugin) => machine.has(`${folder}/${plugin}`)));
}

function inPath(program: string, machine: Machine): boolean {
  // Not every user's PATH has the folders of the administrator, and the node's programs are looked up by root's.
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders.some((folder) => machine.has(`${folder}/${program}`));
}

function thisMachine(): Machine {
  return {
    os: Deno.build.os,
    root: Deno.build.os === "linux" && Deno.uid() === 0,
    has(path) {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false; // not there, or behind a folder that may not be read: no use either way
      }
    },
  };
}
