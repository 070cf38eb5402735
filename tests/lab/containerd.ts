import { runCommand } from "./command.ts";
import { bothFamilies, type NodeNetwork } from "./node_network.ts";
import { pluginFolder } from "./node_obstacle.ts";
import { onNode } from "./node.ts";
import type { PartSpec } from "./part.ts";
import { poll } from "./poll.ts";
import { PAUSE_IMAGE } from "./lab_image.ts";

/** Name of the socket in the lab's folder of sockets. */
const SOCKET = "containerd.sock";

/** Returns the socket of containerd, for the kubelet and for imports of images. */
export function containerdSocket(sockets: string): string {
  return `${sockets}/${SOCKET}`;
}

/** The machine's containerd with its own data: the node's container runtime. */
export function containerd(dir: string, sockets: string): PartSpec {
  return onNode(dir, {
    name: "containerd",
    command: "containerd",
    args: [`--config=${configPath(dir)}`],
    ready: async () => {
      const { code, stderr } = await ctr(sockets, ["version"]);
      return code === 0 || stderr.trim();
    },
  });
}

/** Writes the configuration of containerd and of the pods' network. */
export function writeContainerdConfig(dir: string, sockets: string, network: NodeNetwork): void {
  Deno.writeTextFileSync(configPath(dir), containerdConfig(dir, sockets));
  Deno.writeTextFileSync(`${dir}/node/cni/lab.conflist`, JSON.stringify(podNetwork(network), null, 2));
}

/**
 * Imports an archive of images (docker-archive or OCI, as buildah and docker write them) for pods, and returns when the
 * kubelet finds them. Tag them with a version: the kubelet would try to pull `latest`.
 */
export async function importImages(sockets: string, archive: string): Promise<void> {
  const imported = await ctr(sockets, ["--namespace=k8s.io", "images", "import", archive]);
  if (imported.code !== 0) throw new Error(`${archive} can't be imported: ${imported.stderr.trim()}`);
  // The CRI part of containerd learns of new images by events, and then labels them.
  await poll(`containerd's CRI has the images of ${archive}`, async () => {
    const { stdout, stderr } = await ctr(sockets, ["--namespace=k8s.io", "images", "list"]);
    const unknown = stdout.split("\n").slice(1).filter((line) => line !== "" && !line.includes("managed"));
    return stderr.trim() || unknown.length === 0 || unknown.join("; ");
  }, { withinMs: 10_000 });
}

function ctr(sockets: string, args: string[]) {
  return runCommand("ctr", [`--address=${containerdSocket(sockets)}`, ...args]);
}

function configPath(dir: string): string {
  return `${dir}/node/containerd.toml`;
}

function containerdConfig(dir: string, sockets: string): string {
  const text = JSON.stringify; // a JSON string is a TOML string too
  return `version = 2
root = ${text(`${dir}/node/containerd`)}
# On the node this folder is private to this lab; a path in the lab's folder could be too long for the sockets in it.
state = "/run/containerd"

[grpc]
address = ${text(containerdSocket(sockets))}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = ${text(PAUSE_IMAGE)}
# Neither is to be had in every virtual machine, and no test depends on them.
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = ${text(pluginFolder() ?? "")}
conf_dir = ${text(`${dir}/node/cni`)}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`;
}

/** Each pod has its own link to the node, which routes. Unlike with a bridge, Services need no br_netfilter. */
function podNetwork(network: NodeNetwork): Record<string, unknown> {
  return {
    cniVersion: "0.4.0",
    name: "lab",
    plugins: [
      {
        type: "ptp",
        // The host has a route to pods, but machines behind it don't, so their replies would be lost.
        ipMasq: true,
        ipam: {
          type: "host-local",
          ranges: bothFamilies(network, "pods").map((subnet) => [{ subnet }]),
          routes: [{ dst: "0.0.0.0/0" }, ...(network.ipv6 ? [{ dst: "::/0" }] : [])],
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
