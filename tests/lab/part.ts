/** Ports of one lab, on 127.0.0.1 or, for some of them, on the address that its node reaches. */
export interface LabPorts {
  etcd: number;
  etcdPeer: number;
  apiserver: number;
  controllerManager: number;
  scheduler: number;
  headscale: number;
  headscaleMetrics: number;
  headscaleGrpc: number;
  stun: number;
}

/** One part of the lab: its program, and its readiness check. */
export interface PartSpec {
  /** Name of its log and its pid file: the program's name, with the realm's name for a tailscaled. */
  name: string;
  command: string;
  /** At least one of them contains a path in the lab's folder, which identifies the process. */
  args: string[];
  /** Returns true when ready, else the reason why it isn't yet. */
  ready: () => Promise<true | string>;
}
