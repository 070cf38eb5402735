/** Facts that the plan of one realm is made from. */
import type { RealmStatus } from "../../api/mod.ts";
import type { RealmFacts } from "../facts.ts";
import type { PingFacts } from "./path.ts";

/** A node of the tailnet, as far as a Realm cares. */
export interface NodeFacts {
  stableID: string;
  dnsName: string;
  /** IPv4 first. */
  addresses: readonly string[];
  online: boolean;
  /** Whether its key has expired. */
  expired: boolean;
  /** Whether it is this node itself. */
  self: boolean;
  os?: string;
  ownerLogin?: string;
  /** RFC 3339. */
  keyExpiry?: string;
  /** When the control server last saw it, if it tells, RFC 3339. */
  lastSeen?: string;
  /** Arguments of the capability keystone.io/cap/realm; null: the policy doesn't grant it; undefined: not known yet. */
  realmCapability?: readonly unknown[] | null;
}

/** The tailnet, as far as one Realm cares. */
export type TailnetFacts =
  | { kind: "none" }
  | { kind: "unavailable"; reason: string; message: string }
  | {
    kind: "running";
    /** Those that answer to the realm's identity. */
    nodes: readonly NodeFacts[];
    /** Whether the control server can be reached: else a node may only seem to be missing. */
    current: boolean;
    /** The name that the trusted node has, if it is another. */
    trustedElsewhere?: string;
    controlServer?: string;
  };

export interface RealmWorld {
  /** As it was decided last, written or not. */
  realm: RealmFacts;
  /** The status as it is written, where that is another. */
  written?: RealmStatus;
  /** Names of the other Realms that have the same identity. */
  rivals: readonly string[];
  /** Why its name is a SuperEntity's, if it is. */
  conflict?: string | undefined;
  tailnet: TailnetFacts;
  /** Since when no node answers to the identity, epoch milliseconds; undefined: one does, or it isn't known since when. */
  missingSince?: number | undefined;
  /** Undefined while no ping of the realm's node has ended. */
  ping?: PingFacts | undefined;
  local: boolean;
  /** How often lastSeen is renewed while Connected, in milliseconds. */
  lastSeenEveryMs: number;
  /** Epoch milliseconds. */
  now: number;
}
