/** Everything outside the API server: the tailnet, the operator's clock and its configuration. */
import type { Settings } from "../../src/api/mod.ts";
import type { ClusterFacts } from "../../src/core/facts.ts";
import type { NodeFacts } from "../../src/core/realm/realm_world.ts";
import type { Ping, TailnetState, UnavailableReason } from "../../src/tailnet/tailnet.ts";
import type { Breakable } from "./broken.ts";

export interface SimulatedSurroundings {
  settings: Settings;
  cluster: ClusterFacts;
  /** KEYSTONE_REALM. */
  configured?: string;
  tailnet:
    | { kind: "none" }
    | { kind: "unavailable"; reason: string; message: string }
    | { kind: "running"; self: string; nodes: readonly NodeFacts[] };
  /** Nodes' responses to pings, by address; others respond directly. */
  paths?: ReadonlyMap<string, "relay" | "none">;
  /** Size of the API server's database, where it was read. */
  storedBytes?: number;
  /** Milliseconds by which the operator's clock is ahead. */
  aheadMs: number;
  /** The part that can't be read while guest namespaces are planned. */
  broken?: Breakable;
}

/** Returns the tailnet's state as its client returns it. */
export function tailnetState({ tailnet }: SimulatedSurroundings): TailnetState {
  if (tailnet.kind === "none") return tailnet;
  if (tailnet.kind === "unavailable") return { ...tailnet, reason: tailnet.reason as UnavailableReason };
  const all = tailnet.nodes.map((node) => ({ ...node, hostName: node.dnsName, addresses: [...node.addresses] }));
  const peers = Map.groupBy(all, ({ dnsName }) => dnsName);
  const self = all.find(({ self }) => self)!;
  return { kind: "running", self, peers };
}

/** The outcome of a ping. */
export function pinged({ paths }: SimulatedSurroundings, address: string): Ping {
  const path = paths?.get(address) ?? "direct";
  if (path === "none") return { kind: "unanswered", message: "no response" };
  return { kind: "answered", path, latencyMs: path === "relay" ? 40 : 4 };
}
