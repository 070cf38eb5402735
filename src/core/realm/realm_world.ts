/** Input of the plan for one realm. */
import type { RealmStatus } from "../../api/mod.ts";
import type { RealmFacts } from "../facts.ts";
import type { PingFacts } from "./path.ts";

/** A node of the tailnet, reduced to the facts that Realms need. */
export interface NodeFacts {
  stableID: string;
  dnsName: string;
  /** IPv4 first. */
  addresses: readonly string[];
  online: boolean;
  /** True if its key has expired. */
  expired: boolean;
  /** True if it is the operator's own node. */
  self: boolean;
  os?: string;
  ownerLogin?: string;
  /** RFC 3339. */
  keyExpiry?: string;
  /** RFC 3339 time when the control server last saw it, if reported. */
  lastSeen?: string;
  /** Arguments of the capability keystone.io/cap/realm; null: not granted by the policy; undefined: not known yet. */
  realmCapability?: readonly unknown[] | null;
}

/** The tailnet, reduced to the facts that one Realm needs. */
export type TailnetFacts =
  | { kind: "none" }
  | { kind: "unavailable"; reason: string; message: string }
  | {
    kind: "running";
    /** Nodes with the realm's identity as name. */
    nodes: readonly NodeFacts[];
    /** True if the control server is reachable; otherwise a node may only seem to be missing. */
    current: boolean;
    /** Name of the trusted node, if it isn't the identity. */
    trustedElsewhere?: string;
    controlServer?: string;
  };

export interface RealmWorld {
  /** The realm with the last planned status, written or not. */
  realm: RealmFacts;
  /** The stored status, if it differs from the planned one. */
  written?: RealmStatus;
  /** Names of other Realms with the same identity. */
  rivals: readonly string[];
  /** Sentence with the reason that its name belongs to a SuperEntity, if it does. */
  conflict?: string | undefined;
  tailnet: TailnetFacts;
  /** Epoch milliseconds since which no node has the identity; undefined: one has it, or the time is unknown. */
  missingSince?: number | undefined;
  /** Undefined until a ping of the realm's node has ended. */
  ping?: PingFacts | undefined;
  local: boolean;
  /** Milliseconds between updates of lastSeen while Connected. */
  lastSeenEveryMs: number;
  /** Epoch milliseconds. */
  now: number;
}
