import { adminClient } from "./apiserver.ts";
import type { LabPorts, PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/**
 * The real kube-controller-manager, with a service account per controller as in real clusters. It updates the status of
 * quotas, deletes namespaces' content and creates service accounts.
 *
 * With its default client limit of 20 requests per second, it updates about 20 quota statuses per second; `fast` raises
 * the limit for benchmarks of the operator, and makes it look at autoscalers each second instead of every 15.
 */
export function controllerManager(
  binary: string,
  dir: string,
  ports: LabPorts,
  server: string,
  fast: boolean,
): PartSpec {
  const certificates = `${dir}/certificates`;
  const kubeconfig = `${dir}/users/system%3Akube-controller-manager.kubeconfig`;
  return {
    name: "kube-controller-manager",
    command: binary,
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      "--use-service-account-credentials=true",
      `--service-account-private-key-file=${certificates}/service-accounts.key`,
      `--root-ca-file=${certificates}/ca.crt`,
      `--cluster-signing-cert-file=${certificates}/ca.crt`,
      `--cluster-signing-key-file=${certificates}/ca.key`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--secure-port=${ports.controllerManager}`,
      `--tls-cert-file=${certificates}/apiserver.crt`,
      `--tls-private-key-file=${certificates}/apiserver.key`,
      ...(fast
        ? [
          "--kube-api-qps=1000",
          "--kube-api-burst=2000",
          "--concurrent-resource-quota-syncs=20",
          "--horizontal-pod-autoscaler-sync-period=1s",
        ]
        : []),
    ],
    ready: async () => {
      const client = adminClient(dir);
      const healthy = await probeOnce(`https://127.0.0.1:${ports.controllerManager}/healthz`, client);
      if (healthy !== true) return healthy;
      // Created by two of its controllers: once both exist, pods can be created in the namespace.
      return probeOnce(`${server}/api/v1/namespaces/default/serviceaccounts/default`, client);
    },
  };
}
