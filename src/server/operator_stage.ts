/** Stages of an operator on its way to enforcing grants, and its readiness. */

/** Stage of an operator. Messages are sentences. */
export type OperatorStage =
  /** A prerequisite is missing or has not been checked yet. */
  | { is: "starting"; message: string }
  /** The prerequisites exist; the cluster's objects are being read. */
  | { is: "syncing" }
  /** Everything is read and the operator could lead at any moment, but another one holds the Lease. */
  | { is: "standby"; holder?: string }
  /** The operator holds the Lease and enforces grants. */
  | { is: "leading" }
  /** The operator is shutting down. */
  | { is: "stopping" };

/** Circumstances of the present moment, beside the stage. Each is a sentence. */
export interface Circumstances {
  /** Reason that the operator can't work now, whatever its stage. */
  obstacle?: string | undefined;
  /** Limitations that don't count against its readiness. */
  remarks?: readonly string[];
}

/** True once the operator has read everything, whether it leads or is in standby. */
const hasSynced = ({ is }: OperatorStage): boolean => is === "standby" || is === "leading";

/** True while the operator could do all its work, whether it leads or is in standby. */
export const isReady = (stage: OperatorStage, { obstacle }: Circumstances = {}): boolean =>
  hasSynced(stage) && obstacle === undefined;

/** Returns stage and circumstances as sentences. */
export function sentenceOf(stage: OperatorStage, { obstacle, remarks = [] }: Circumstances = {}): string {
  if (obstacle !== undefined && stage.is !== "starting" && stage.is !== "stopping") return `Not ready: ${obstacle}`;
  return [stageText(stage), ...(hasSynced(stage) ? remarks : [])].join(" ");
}

function stageText(stage: OperatorStage): string {
  switch (stage.is) {
    case "starting":
      return `Not ready: ${stage.message}`;
    case "syncing":
      return "Not ready: reading the cluster's objects.";
    case "standby":
      return `Ready, in standby: ${stage.holder ?? "no operator yet"} holds the Lease.`;
    case "leading":
      return "Ready: this operator holds the Lease and enforces grants.";
    case "stopping":
      return "Not ready: stopping.";
  }
}
