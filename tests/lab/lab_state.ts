import { readTextFileIfExists } from "./lab_files.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { LabPorts } from "./part.ts";

/** What the lab knows of one realm: a node of its tailnet. */
export interface RealmState {
  /** The MagicDNS name, e.g. `bob-home.tailnet-name.ts.net`. */
  identity: string;
  /** Path of the tailscaled's LocalAPI socket. */
  socket: string;
  ipv4: string;
  ipv6: string;
  /** Whether the daemon is the stable release instead of the newest one. */
  stable: boolean;
}

/** The content of `lab.json`: all that another process needs to use, extend or stop the lab. */
export interface LabState {
  /** Path of the admin's kubeconfig. */
  kubeconfig: string;
  /** Kubeconfig paths by user name. */
  users: Record<string, string>;
  realms: Record<string, RealmState>;
  /** The processes that run now, by part. */
  pids: Record<string, number>;
  /** Path of the API server's audit log: one JSON event per line, level Metadata. */
  auditLog: string;
  /** URL of the API server. */
  server: string;
  ports: LabPorts;
  /** Folder of the unix sockets; outside the lab's folder when its path is too long for them. */
  sockets: string;
  /** Where the node and its pods are; absent when the lab has no node. */
  node?: NodeNetwork;
  scheduler: boolean;
  fastControllers: boolean;
  /** As in the lab's options. */
  etcdQuotaBytes?: number;
  /** Whether the folder was made for this lab and goes with it. */
  temporary: boolean;
}

/** Reads `lab.json`; undefined when the folder holds no lab. */
export function readState(dir: string): LabState | undefined {
  const text = readTextFileIfExists(`${dir}/lab.json`);
  return text === undefined ? undefined : JSON.parse(text) as LabState;
}

/** Writes `lab.json` whole or not at all. */
export function writeState(dir: string, state: LabState): void {
  const temporary = `${dir}/.lab.json.${Deno.pid}`;
  Deno.writeTextFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  Deno.renameSync(temporary, `${dir}/lab.json`);
}

/** Changes `lab.json`, alone: another process that uses the same lab waits meanwhile. */
export function updateState(dir: string, change: (state: LabState) => void): void {
  using lock = Deno.openSync(`${dir}/.lock`, { create: true, write: true });
  lock.lockSync(true);
  const state = readState(dir);
  if (state === undefined) return;
  change(state);
  writeState(dir, state);
}
