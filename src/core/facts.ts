/** The facts that planners are given: projections of objects that keep only what a decision needs. */
import type { GrantSpec, GrantStatus, RealmSpec, RealmStatus } from "../api/mod.ts";
import type { NetworkPolicySpec } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";

export interface GrantFacts {
  name: string;
  uid: string;
  generation: number;
  /** Epoch milliseconds. */
  createdAt: number;
  deleting: boolean;
  /** Whether it carries our finalizer. */
  finalized: boolean;
  spec: GrantSpec;
  status: GrantStatus;
}

export interface RealmFacts {
  name: string;
  uid: string;
  generation: number;
  deleting: boolean;
  /** StableID that the annotation keystone.io/trusted-node pins, if any. */
  trustedNode?: string;
  spec: RealmSpec;
  status: RealmStatus;
}

export interface NamespaceFacts {
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** The value of the annotation keystone.io/adopt, if any. */
  adopt?: string;
  deleting: boolean;
}

export interface QuotaFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  /** spec.hard: what is asked. */
  asked: Readonly<Record<string, string>>;
  /** Whether spec has scopes, which would make it count only some pods. */
  scoped: boolean;
  /** status.hard: what admission enforces. */
  enforced: Readonly<Record<string, string>>;
  /** status.used. */
  used: Readonly<Record<string, string>>;
}

export interface PolicyFacts {
  namespace: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
  spec: NetworkPolicySpec;
}

/** Which realm this cluster is. */
export type LocalRealm =
  | { kind: "known"; name: string }
  /** Neither a tailnet nor KEYSTONE_REALM is configured: every grant is taken as this cluster's own. */
  | { kind: "any" }
  /** There is a tailnet to ask, but it doesn't answer; the message says why. */
  | { kind: "unknown"; message: string };

/** A write that a planner wants. */
export interface EventFact {
  type: "Normal" | "Warning";
  /** CamelCase. */
  reason: string;
  /** What was done, CamelCase. */
  action: string;
  /** A sentence. */
  note: string;
}

/** The earliest of some instants, leaving out those that aren't there. */
export function earliest(...instants: (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}
