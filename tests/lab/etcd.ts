import type { LabPorts, PartSpec } from "./part.ts";
import { probeOnce } from "./probe.ts";

/** The API server's database. It never syncs to disk: the data must survive a crash of etcd, but not of the machine. */
export function etcd(binary: string, dir: string, ports: LabPorts, quotaBytes?: number): PartSpec {
  const client = `http://127.0.0.1:${ports.etcd}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return {
    name: "etcd",
    command: binary,
    args: [
      "--name=lab",
      `--data-dir=${dir}/etcd`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=lab=${peer}`,
      "--unsafe-no-fsync",
      "--log-level=warn",
      ...(quotaBytes === undefined ? [] : [`--quota-backend-bytes=${quotaBytes}`]),
    ],
    ready: () => probeOnce(`${client}/health`),
  };
}
