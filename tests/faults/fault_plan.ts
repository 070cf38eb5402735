/** A plan: a scenario with its faults. */
import type { FaultKind, InjectedFault } from "./fault.ts";

export interface FaultPlan {
  /** `revoke/answer-lost/patch.resourcequotas:keystone/2`; a random plan has its seed and number: `random/7/0`. */
  id: string;
  scenario: string;
  faults: readonly InjectedFault[];
  seed?: number;
}

/** The result of a plan. */
export interface FaultVerdict {
  verdict: "agreed" | "differs" | "not fired";
  /** Kinds of the faults that occurred. */
  fired: FaultKind[];
  /** Differences from the undisturbed run, and broken invariants. */
  differences: string[];
  ms: number;
}
