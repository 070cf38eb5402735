import { adminClient } from "./apiserver.ts";
import type { LabPorts, PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/** The real kube-scheduler. Without a node every pod stays Pending, with the scheduler's message. */
export function scheduler(binary: string, dir: string, ports: LabPorts): PartSpec {
  const kubeconfig = `${dir}/users/system%3Akube-scheduler.kubeconfig`;
  return {
    name: "kube-scheduler",
    command: binary,
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--secure-port=${ports.scheduler}`,
      `--tls-cert-file=${dir}/certificates/apiserver.crt`,
      `--tls-private-key-file=${dir}/certificates/apiserver.key`,
    ],
    ready: () => probeOnce(`https://127.0.0.1:${ports.scheduler}/healthz`, adminClient(dir)),
  };
}
