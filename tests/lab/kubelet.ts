import { adminClient } from "./apiserver.ts";
import { containerdSocket } from "./containerd.ts";
import { bothFamilies, type NodeNetwork } from "./node_network.ts";
import { NODE_NAME, nodeControlGroup, onNode } from "./node.ts";
import type { PartSpec } from "./part.ts";
import { ask, probeOnce } from "./probe.ts";

/** The kubelet's user in the API server, by a client certificate. */
export const KUBELET_USER = `system:node:${NODE_NAME}`;

/** The real kubelet; ready when its node is. */
export function kubelet(binary: string, dir: string, server: string, network: NodeNetwork): PartSpec {
  return onNode(dir, {
    name: "kubelet",
    command: binary,
    args: [
      `--config=${configPath(dir)}`,
      `--kubeconfig=${dir}/users/${encodeURIComponent(KUBELET_USER)}.kubeconfig`,
      `--hostname-override=${NODE_NAME}`,
      `--node-ip=${bothFamilies(network, "node").join(",")}`,
    ],
    ready: async () => {
      const healthy = await probeOnce(`http://${network.node}:10248/healthz`);
      if (healthy !== true) return healthy;
      const answer = await ask(`${server}/api/v1/nodes/${NODE_NAME}`, adminClient(dir));
      if (typeof answer === "string") return answer;
      if (answer.status !== 200) return `the node: status ${answer.status}`;
      const { conditions } = (JSON.parse(answer.body) as NodeObject).status;
      const ready = conditions?.find(({ type }) => type === "Ready");
      return ready?.status === "True" || `the node is not ready: ${ready?.message}`;
    },
  });
}

interface NodeObject {
  status: { conditions?: { type: string; status: string; message: string }[] };
}

/** Writes the kubelet's configuration. */
export function writeKubeletConfig(dir: string, sockets: string, network: NodeNetwork): void {
  Deno.writeTextFileSync(`${dir}/node/resolv.conf`, "");
  Deno.mkdirSync(`${dir}/logs/pods`, { recursive: true });
  Deno.writeTextFileSync(configPath(dir), JSON.stringify(kubeletConfig(dir, sockets, network), null, 2));
}

function configPath(dir: string): string {
  return `${dir}/node/kubelet.json`;
}

function kubeletConfig(dir: string, sockets: string, network: NodeNetwork): Record<string, unknown> {
  const certificates = `${dir}/certificates`;
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: network.node,
    healthzBindAddress: network.node,
    tlsCertFile: `${certificates}/kubelet.crt`,
    tlsPrivateKeyFile: `${certificates}/kubelet.key`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${certificates}/ca.crt` },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${containerdSocket(sockets)}`,
    clusterDomain: "cluster.local",
    clusterDNS: [network.dns],
    // Pods don't use the DNS names of the host's network.
    resolvConf: `${dir}/node/resolv.conf`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: nodeControlGroup(dir),
    // Machines with control groups version 1 or with swap can run a lab too.
    failCgroupV1: false,
    failSwapOn: false,
    // The kubelet must not interfere with tests: a full disk evicts no pod, and imported images, which can't be pulled
    // again, are never removed.
    evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
    imageGCHighThresholdPercent: 100,
    oomScoreAdj: 0,
    podLogsDir: `${dir}/logs/pods`,
    volumePluginDir: `${dir}/node/volume-plugins`,
  };
}
