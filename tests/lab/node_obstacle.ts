/** Requirements of a node, by Debian package; the lab never installs anything itself. */
const PROGRAMS: Record<string, string[]> = {
  containerd: ["containerd", "containerd-shim-runc-v2", "ctr"],
  runc: ["runc"],
  "containernetworking-plugins": [], // not in PATH
  iptables: ["iptables", "iptables-save", "iptables-restore"],
  conntrack: ["conntrack"],
  ipset: ["ipset"],
};
/** Folders of the network plugins on Debian and elsewhere. */
const PLUGIN_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];
const PLUGINS = ["ptp", "host-local", "portmap", "loopback"];

/** The machine as {@link nodeObstacle} sees it. Default: the present one. */
export interface Machine {
  os: string;
  root: boolean;
  /** Reports whether the file exists. */
  has: (path: string) => boolean;
  /**
   * Runs a shell script in a new network namespace; returns undefined when it succeeds, else the first line of
   * its errors.
   */
  fails: (script: string) => string | undefined;
}

/**
 * Returns the reason why this machine can't run a lab's node, with the remedy, in one sentence; undefined when it can.
 * Tests that need a node print it after `not run: `.
 */
export function nodeObstacle(machine: Machine = thisMachine()): string | undefined {
  if (machine.os !== "linux") return "A lab's node runs containers and needs Linux.";
  const missing = Object.entries(PROGRAMS)
    .filter(([name, programs]) =>
      programs.some((program) => !inPath(program, machine)) ||
      (name === "containernetworking-plugins" && pluginFolder(machine) === undefined)
    )
    .map(([name]) => name);
  const remedy = `\`apt-get install -y ${Object.keys(PROGRAMS).join(" ")}\``;
  if (missing.length > 0) {
    const root = machine.root ? "" : "root and ";
    return `A lab's node needs ${root}missing programs (${missing.join(", ")}): ${remedy}.`;
  }
  return machine.root ? undefined : "A lab's node needs root, for containers and network devices: run it as root.";
}

/** Rules like those of kube-router: sets of addresses, of networks and of sets, and established connections. */
const POLICY_RULES = `set -e
ipset create lab-list list:set
for family in inet inet6; do
  ipset create lab-$family-ip hash:ip family $family
  ipset create lab-$family-net hash:net family $family
done
established="-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
iptables $established && iptables -A FORWARD -m set --match-set lab-inet-net dst -j REJECT
ip6tables $established && ip6tables -A FORWARD -m set --match-set lab-inet6-net dst -j REJECT`;

/**
 * Returns the reason why this machine can't run a lab's node that enforces policies, with the remedy, in one sentence.
 */
export function policyObstacle(machine: Machine = thisMachine()): string | undefined {
  const obstacle = nodeObstacle(machine);
  if (obstacle !== undefined) return obstacle;
  const complaint = machine.fails(POLICY_RULES);
  return complaint === undefined
    ? undefined
    : `A lab's node that enforces policies needs missing kernel modules (${complaint}): ` +
      "`modprobe -a ip_set_hash_ip ip_set_hash_net ip_set_list_set xt_set nf_conntrack ip6_tables`.";
}

/** Returns the reason why this machine can't build the operator's image, with the remedy; undefined when it can. */
export function imageObstacle(machine: Machine = thisMachine()): string | undefined {
  if (inPath("buildah", machine)) return undefined;
  return "The operator's image needs buildah, which is missing: `apt-get install -y buildah`.";
}

/** Returns the reason why this machine can't run Prometheus, with the remedy; undefined when it can. */
export function prometheusObstacle(machine: Machine = thisMachine()): string | undefined {
  const missing = ["prometheus", "promtool"].filter((program) => !inPath(program, machine));
  if (missing.length === 0) return undefined;
  return `Tests of metrics and alerts need missing programs (${missing.join(", ")}): ` +
    "`apt-get install -y --no-install-recommends prometheus`.";
}

/** Browsers that the tests of the page can drive. */
const browsers = ["chromium", "google-chrome", "chromium-browser"];

/** Returns the reason why this machine can't show the page to a browser, with the remedy; undefined when it can. */
export function browserObstacle(machine: Machine = thisMachine()): string | undefined {
  if (browsers.some((name) => inPath(name, machine))) return undefined;
  return "Tests of the page need a browser, which is missing: `apt-get install -y --no-install-recommends chromium`.";
}

/** Returns the path of a browser. */
export function browserPath(machine: Machine = thisMachine()): string {
  const found = browsers.flatMap((name) => foldersOfPath().map((folder) => `${folder}/${name}`)).find(machine.has);
  if (found === undefined) throw new Error(browserObstacle(machine));
  return found;
}

/** Returns the folder that has all network plugins a node needs. */
export function pluginFolder(machine: Pick<Machine, "has"> = thisMachine()): string | undefined {
  return PLUGIN_FOLDERS.find((folder) => PLUGINS.every((plugin) => machine.has(`${folder}/${plugin}`)));
}

function inPath(program: string, machine: Machine): boolean {
  return foldersOfPath().some((folder) => machine.has(`${folder}/${program}`));
}

/** The administrator's folders are not in every user's PATH, but root finds the node's programs there. */
const foldersOfPath = (): string[] => [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];

function thisMachine(): Machine {
  return {
    os: Deno.build.os,
    root: Deno.build.os === "linux" && Deno.uid() === 0,
    has(path) {
      try {
        return Deno.statSync(path).isFile;
      } catch {
        return false; // missing or unreadable
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
      return new TextDecoder().decode(stderr).split("\n").find((line) => line.trim() !== "") ?? "no error output";
    },
  };
}
