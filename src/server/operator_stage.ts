/** Where an operator stands on its way to enforcing grants, and what that means to who asks whether it is ready. */

/** The messages are sentences. */
export type OperatorStage =
  /** Something that it needs is missing, or has not been asked for yet. */
  | { is: "starting"; message: string }
  /** All is there; what the cluster holds is being read. */
  | { is: "syncing" }
  /** It knows all and could act at any moment, but another operator holds the Lease. */
  | { is: "standby"; holder?: string }
  /** It holds the Lease and enforces grants. */
  | { is: "leading" }
  /** It was told to stop. */
  | { is: "stopping" };

/** An operator is ready when it has read everything: who waits for the Lease is so as well as who holds it. */
export const isReady = ({ is }: OperatorStage): boolean => is === "standby" || is === "leading";

/** The stage as a sentence. */
export function sentenceOf(stage: OperatorStage): string {
  switch (stage.is) {
    case "starting":
      return `Not ready: ${stage.message}`;
    case "syncing":
      return "Not ready: reading what the cluster holds.";
    case "standby":
      return `Ready, in standby: ${stage.holder ?? "no operator yet"} holds the Lease.`;
    case "leading":
      return "Ready: this operator holds the Lease and enforces grants.";
    case "stopping":
      return "Not ready: stopping.";
  }
}
