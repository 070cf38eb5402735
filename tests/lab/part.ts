/** The ports that one lab uses on 127.0.0.1, or some of them on the address that its node reaches. */
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

/** How one part of the lab is started, and how to tell that it is ready. */
export interface PartSpec {
  /** Names its log and its pid file; the name of its program, with the realm's for a tailscaled. */
  name: string;
  command: string;
  /** At least one of them names a path in the lab's folder: by that its process is known again. */
  args: string[];
  /** One probe: true when ready, else the reason why not yet. */
  ready: () => Promise<true | string>;
}
