import { bothFamilies, type NodeNetwork } from "./node_network.ts";
import { NODE_NAME, onNode } from "./node.ts";
import type { PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/** kube-proxy's user in the API server, which has the rights it needs in every cluster. */
export const KUBE_PROXY_USER = "system:kube-proxy";

/** The real kube-proxy, which implements Services by iptables rules on the node. */
export function kubeProxy(binary: string, dir: string, network: NodeNetwork): PartSpec {
  return onNode(dir, {
    name: "kube-proxy",
    command: binary,
    args: [`--config=${configPath(dir)}`],
    ready: () => probeOnce(`http://${network.node}:10256/healthz`),
  });
}

/** Writes kube-proxy's configuration. */
export function writeKubeProxyConfig(dir: string, network: NodeNetwork): void {
  const config = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig: `${dir}/users/${encodeURIComponent(KUBE_PROXY_USER)}.kubeconfig` },
    mode: "iptables",
    hostnameOverride: NODE_NAME,
    clusterCIDR: bothFamilies(network, "pods").join(","),
    healthzBindAddress: `${network.node}:10256`,
    // These limits apply to the whole machine: leave them unchanged.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
    oomScoreAdj: 0,
  };
  Deno.writeTextFileSync(configPath(dir), JSON.stringify(config, null, 2));
}

function configPath(dir: string): string {
  return `${dir}/node/kube-proxy.json`;
}
