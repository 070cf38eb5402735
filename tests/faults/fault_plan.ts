/** Plans: what goes wrong in which scenario. */
import type { FaultKind, InjectedFault } from "./fault.ts";

export interface FaultPlan {
  /** `revoke/answer-lost/patch.resourcequotas:keystone/2`; of a random one `random/7/0`, with its seed and number. */
  id: string;
  scenario: string;
  faults: readonly InjectedFault[];
  seed?: number;
}

/** What became of a plan. */
export interface FaultVerdict {
  verdict: "agreed" | "differs" | "not fired";
  /** Kinds of the faults that came about. */
  fired: FaultKind[];
  /** What is not as in the undisturbed run, or breaks a promise. */
  differences: string[];
  ms: number;
}
