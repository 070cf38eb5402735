/** The part of one grant in its guest namespace, as the grant's status shows it. */
import type { ResolvedDestination } from "../../api/mod.ts";
import type { Reduction } from "./reduction.ts";

/** A verdict on one part: its status, reason and message. */
export interface AppliedState {
  status: "True" | "False";
  reason: string;
  message: string;
}

/** A failure to plan or to write. */
export interface Failure {
  /** The only grant that it is about; absent: all of the namespace. */
  grant?: string;
  /** `WriteFailed` is one that may well succeed in a moment. */
  reason: "NamespaceConflict" | "PlanFailed" | "WriteFailed" | "WriteRefused";
  /** Sentences: what failed, why, and the remedy. */
  message: string;
}

export interface GrantEnforcement {
  /** Of the grant that was looked at, and of its terms: what is said is about those only. */
  uid: string;
  generation: number;
  /** Whether anything of the grant may still be enforced. */
  enforced: boolean;
  /** Set when the terms can't be planned: the grant holds what its status shows, and the status keeps it. */
  asShown?: true;
  /** Whether pods that had their room from the grant, or from a part of it that was cut, are still to go. */
  draining: boolean;
  /** Whether its end is held up because this clock and the API server's disagree. */
  skewed?: true;
  /** Whether it isn't known yet whether there are, but is about to be. */
  looking?: true;
  /** What keeps the drain from coming to its end. */
  obstacle?: Obstacle;
  /** What of it, or of its end, can't be planned or written. */
  failure?: Failure;
  /** Since when something fails, in epoch milliseconds, as long as that is so. */
  failingSince?: number;
  quota: AppliedState;
  network: AppliedState;
  access: AppliedState;
  /** Since when something of it is being written and all else stands, in epoch milliseconds, as long as that is so. */
  writingSince?: number;
  /** Whether the namespace uses more than is granted. */
  overcommitted: AppliedState;
  /** What makes the whole of little use, in a sentence: legal, but hardly meant. */
  hint?: string;
  /** Completed; canonical quantities. */
  hard: Record<string, string>;
  /** Canonical quantities under the keys that the grant wrote. */
  usage: Record<string, string>;
  destinations: ResolvedDestination[];
  /** What the terms take out of them. */
  except: readonly string[];
  /** The cuts of the terms that are going on. */
  reductions: readonly Reduction[];
}

/** A reason for which a drain doesn't come to its end. */
export interface Obstacle {
  reason: "HeldByFinalizers" | "PodsRemain" | "PodsUnknown" | "ServicesUnknown";
  /** A sentence. */
  message: string;
}

/** The first of them; each is in the status by itself. */
export function listed(errors: readonly string[]): string {
  const most = 8;
  const more = errors.length - most;
  return [...errors.slice(0, most), ...(more > 0 ? [`And ${more} more: see status.resolvedDestinations.`] : [])].join(
    " ",
  );
}

/** The reason that a destination's error names, which is what a program reads. */
export const destinationReason = (error: string): string =>
  /\((Destination(?:Excepted|Private|Protected))\)/.exec(error)?.[1] ?? "DestinationUnresolved";
