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
  /** Runs a shell script in a network namespace of its own: undefined when it succeeds, else its first complaint. */
  fails: (script: string) => string | undefined;
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

/** Rules as kube-router makes them: sets of addresses, of networks and of sets, and connections that stand. */
const POLICY_RULES = `set -e
ipset create lab-list list:set
for family in inet inet6; do
  ipset create lab-$family-ip hash:ip family $family
  ipset create lab-$family-net hash:net family $family
done
established="-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
iptables $established && iptables -A FORWARD -m set --match-set lab-inet-net dst -j REJECT
ip6tables $established && ip6tables -A FORWARD -m set --match-set lab-inet6-net dst -j REJECT`;

/** Why this machine can't run a lab's node that enforces policies, in one sentence that says what to do. */
export function policyObstacle(machine: Machine = thisMachine()): string | undefined {
  const obstacle = nodeObstacle(machine);
  if (obstacle !== undefined) return obstacle;
  const complaint = machine.fails(POLICY_RULES);
  return complaint === undefined
    ? undefined
    : `A lab's node that enforces policies needs kernel modules that are not here (${complaint}): ` +
      "`modprobe -a ip_set_hash_ip ip_set_hash_net ip_set_list_set xt_set nf_conntrack ip6_tables`.";
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
    fails(script) {
      const { success, stderr } = new Deno.Command("unshare", {
        args: ["--net", "--", "/bin/sh", "-c", `PATH=$PATH:/usr/sbin:/sbin; ${script}`],
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).outputSync();
      if (success) return undefined;
      return new TextDecoder().decode(stderr).split("\n").find((line) => line.trim() !== "") ?? "without a word";
    },
  };
}
