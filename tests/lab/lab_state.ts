import { readTextFileIfExists } from "./lab_files.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { LabPorts } from "./part.ts";

/** Recorded state of one realm: a node of the lab's tailnet. */
export interface RealmState {
  /** The MagicDNS name, e.g. `bob-home.tailnet-name.ts.net`. */
  identity: string;
  /** Path of the tailscaled's LocalAPI socket. */
  socket: string;
  ipv4: string;
  ipv6: string;
  /** True for the stable release's daemon, false for the newest. */
  stable: boolean;
  /** Port of the daemon's proxy on 127.0.0.1, SOCKS5 and HTTP; absent: it has none. */
  proxy?: number;
}

/** The content of `lab.json`: everything that another process needs to use, extend or stop the lab. */
export interface LabState {
  /** Path of the admin's kubeconfig. */
  kubeconfig: string;
  /** Kubeconfig paths by user name. */
  users: Record<string, string>;
  realms: Record<string, RealmState>;
  /** IDs of the running processes, by part. */
  pids: Record<string, number>;
  /** Path of the API server's audit log: one JSON event per line, level Metadata. */
  auditLog: string;
  /** URL of the API server. */
  server: string;
  ports: LabPorts;
  /** Folder of the unix sockets; outside the lab's folder if its path is too long for them. */
  sockets: string;
  /** Addresses of the node and its pods; absent in a lab without a node. */
  node?: NodeNetwork;
  scheduler: boolean;
  fastControllers: boolean;
  /** See the lab's options. */
  etcdQuotaBytes?: number;
  /** True if the folder was made for this lab and is removed with it. */
  temporary: boolean;
}

/** Reads `lab.json`; returns undefined if the folder contains no lab. */
export function readState(dir: string): LabState | undefined {
  const text = readTextFileIfExists(`${dir}/lab.json`);
  return text === undefined ? undefined : JSON.parse(text) as LabState;
}

/** Writes `lab.json` atomically. */
export function writeState(dir: string, state: LabState): void {
  const temporary = `${dir}/.lab.json.${Deno.pid}`;
  Deno.writeTextFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  Deno.renameSync(temporary, `${dir}/lab.json`);
}

/** Changes `lab.json` under a lock: other processes that use the same lab wait. */
export function updateState(dir: string, change: (state: LabState) => void): void {
  using lock = Deno.openSync(`${dir}/.lock`, { create: true, write: true });
  lock.lockSync(true);
  const state = readState(dir);
  if (state === undefined) return;
  change(state);
  writeState(dir, state);
}
