/** Enforcement of one grant in its guest namespace, as its status shows it. */
import type { ResolvedDestination } from "../../api/mod.ts";
import type { Reduction } from "./reduction.ts";

/** State of one part of the enforcement. */
export interface AppliedState {
  status: "True" | "False";
  reason: string;
  message: string;
}

/** A failure to plan or write. */
export interface Failure {
  /** The affected grant; absent: the whole namespace. */
  grant?: string;
  /** `WriteFailed` is possibly transient. */
  reason: "NamespaceConflict" | "PlanFailed" | "WriteFailed" | "WriteRefused";
  /** Sentences with the failed action, its cause and the remedy. */
  message: string;
}

export interface GrantEnforcement {
  /** UID and generation of the observed grant; all other fields describe only these terms. */
  uid: string;
  generation: number;
  /** True while any part of the grant may still be enforced. */
  enforced: boolean;
  /** Set if the terms can't be planned: the grant holds the amounts in its status, and the status keeps them. */
  asShown?: true;
  /** True while pods that used the grant, or a removed part of it, still have to go. */
  draining: boolean;
  /** True while its end is delayed because this clock and the API server's disagree. */
  skewed?: true;
  /** True while the pods are being listed, so `draining` isn't known yet. */
  looking?: true;
  /** Reason that the drain doesn't finish. */
  obstacle?: Obstacle;
  /** Failure to plan or write the grant's enforcement or its end. */
  failure?: Failure;
  /** Epoch milliseconds: start of the present failure. */
  failingSince?: number;
  quota: AppliedState;
  network: AppliedState;
  access: AppliedState;
  /** Epoch milliseconds: time since which a part is being written while all others are applied. */
  writingSince?: number;
  /** True if the namespace's usage exceeds its grants. */
  overcommitted: AppliedState;
  /** A sentence about terms that are valid but hardly useful. */
  hint?: string;
  /** Canonical quantities, with defaults filled in. */
  hard: Record<string, string>;
  /** Canonical quantities under the keys of the grant's spec. */
  usage: Record<string, string>;
  destinations: ResolvedDestination[];
  /** Ranges that the terms exclude from the destinations. */
  except: readonly string[];
  /** Reductions on notice. */
  reductions: readonly Reduction[];
}

/** Reason that a drain doesn't finish. */
export interface Obstacle {
  reason: "HeldByBudgets" | "HeldByFinalizers" | "PodsRemain" | "PodsUnknown" | "ServicesUnknown";
  /** A sentence. */
  message: string;
}

/** Joins the first few errors; the status lists each of them. */
export function listed(errors: readonly string[]): string {
  const most = 8;
  const more = errors.length - most;
  return [...errors.slice(0, most), ...(more > 0 ? [`And ${more} more: see status.resolvedDestinations.`] : [])].join(
    " ",
  );
}

/** Returns the machine-readable reason in a destination's error. */
export const destinationReason = (error: string): string =>
  /\((Destination(?:Excepted|Private|Protected))\)/.exec(error)?.[1] ?? "DestinationUnresolved";
