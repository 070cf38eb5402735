import { createHash } from "node:crypto";
import { controlGroupFolder, endControlGroup, makeControlGroup } from "./cgroup.ts";
import { exists, removeIfExists } from "./lab_files.ts";
import { connectNode, disconnectNode, type NodeNetwork } from "./node_network.ts";
import type { PartSpec } from "./part.ts";
import { LabProcess } from "./process.ts";

/*
 * The node has its own network namespace, mount namespace and control group:
 *
 * - kube-proxy's iptables rules, pods' devices and all ports are in its network namespace, so labs with nodes run side
 *   by side, and the host's own rules are never changed;
 * - mounts of containerd and the kubelet are visible in its mount namespace only, where fixed paths such as
 *   /var/lib/kubelet are separate for each lab;
 * - all processes of containerd and of pods are in the control group.
 *
 * So the node is easy to end after any crash: all processes in the control group are killed, and with the last one the
 * kernel removes both namespaces and their content. Until then an idle process (`node`) keeps the namespaces, so that
 * containerd and the kubelet can be killed and started again while pods run.
 */

/** The node's name in the cluster. */
export const NODE_NAME = "lab-node";

/**
 * Joins the control group $2 and waits, after it has made the fixed paths of the node's programs private to this lab.
 */
const HOLD = `
set -e
echo 0 >"$2/cgroup.procs"
# Pods may share mounts with each other, but not with the host.
mount --make-rshared /
# The empty folders stay on the host: there is no removing one that another lab uses without harm to that.
mkdir -p /run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers
for path in /run/containerd /var/lib/cni /var/log/containers; do mount -t tmpfs tmpfs "$path"; done
mount --bind "$1/kubelet" /var/lib/kubelet
: >"$1/held"
exec tail -f "$1/held"`;

/** Joins the control group $1 and the namespaces of the process whose pid is in the file $2, then runs the program. */
const ENTER = `
PATH=$PATH:/usr/sbin:/sbin # of iptables, which not every way to become root has in PATH
echo 0 >"$1/cgroup.procs" && read -r node <"$2" && shift 2 && exec nsenter --target="$node" --mount --net -- "$@"`;

/** The process that keeps the node's namespaces while it runs. */
export function nodeHolder(dir: string): PartSpec {
  return {
    name: "node",
    command: "unshare",
    args: [
      "--net",
      "--mount",
      "--propagation=private",
      "--",
      "/bin/sh",
      "-c",
      HOLD,
      "sh",
      `${dir}/node`,
      controlGroupOf(dir),
    ],
    ready: () => Promise.resolve(exists(`${dir}/node/held`) || "its folders are not mounted yet"),
  };
}

/** Makes the node's control group, namespaces and network; no program runs in them yet. */
export async function makeNode(dir: string, options: { dualStack: boolean }): Promise<NodeNetwork> {
  for (const name of ["", "/containerd", "/kubelet", "/cni", "/volumes"]) Deno.mkdirSync(`${dir}/node${name}`);
  const { group, link } = namesOf(dir);
  makeControlGroup(group);
  const holder = new LabProcess(dir, nodeHolder(dir));
  await holder.start();
  return await connectNode(link, holder.pid!, options);
}

/** Returns a part that runs on the node instead of the host. */
export function onNode(dir: string, spec: PartSpec): PartSpec {
  const enter = ["-c", ENTER, "sh", controlGroupOf(dir), `${dir}/run/node.pid`];
  return { ...spec, command: "/bin/sh", args: [...enter, spec.command, ...spec.args] };
}

/** Returns the folder of the control group for the node's processes that belong to no pod. */
export function controlGroupOf(dir: string): string {
  return controlGroupFolder(namesOf(dir).group);
}

/** Returns the node's control group, relative to the root of every hierarchy. */
export function nodeControlGroup(dir: string): string {
  return `/${namesOf(dir).group}`;
}

/**
 * Kills all pods and all other processes of the node, and removes its network, its control groups and its data. The
 * parts with recorded pids must have ended before. Does nothing if the lab in `dir` has no node.
 */
export async function endNode(dir: string): Promise<void> {
  if (!exists(`${dir}/node`)) return;
  const { group, link } = namesOf(dir);
  await endControlGroup(group);
  await disconnectNode(link); // the kernel removes the namespace, and the device in it, only later
  removeIfExists(`${dir}/node`);
}

/**
 * Returns names used outside the lab's folder. They are derived from its path, so that they are known after any crash.
 */
function namesOf(dir: string): { group: string; link: string } {
  const id = createHash("sha256").update(dir).digest("hex").slice(0, 8);
  return { group: `keystone-lab-${id}`, link: `klab-${id}` };
}
