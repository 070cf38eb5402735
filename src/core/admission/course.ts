/** The course that a change takes: what the controllers create, and where they stop. */
import { own } from "../own.ts";
import type { Change, ClaimState } from "./change.ts";
import { partsOf } from "./fields.ts";
import { type Load, sumLoads } from "./ledger.ts";
import type { PodShape, QuotaPlace } from "./pod_shapes.ts";
import { countsObjects, usageOfObjects } from "./usage.ts";
import { countOf } from "./workload.ts";

export interface Course {
  /** Number of pods in the end, and of those that come. */
  wanted: number;
  come: number;
  /** One of its new pods. */
  each?: PodShape;
  /** Number of pods of the new template to create: what refuses such a pod matters only if there are any. */
  missing: number;
  /** All amounts that its pods, claims and objects have in the end, except objects that exist. */
  goal: Load;
  /** Part of the goal that is certain and that no change of other objects avoids. */
  sure: Load;
  /** Amounts of its pods that the quotas count now. */
  held: Load;
  /** Reports whether everything comes. */
  complete: boolean;
  /** The next step of a roll-out that stops although the goal has room. */
  stall?: Stall;
  /** Reason, as a sentence, for which the course is not known. */
  unclear?: string;
  /** Reason for which a claim can't be created, whatever the quotas. */
  obstacle?: string;
  /** Claims to create, by name. */
  claims: ReadonlyMap<string, ClaimState>;
  warnings: readonly string[];
  notes?: readonly string[];
}

export interface Stall {
  load: Load;
  /** Amounts that are free at that step, by slot. */
  free: readonly bigint[];
  kind: "surge" | "replace" | "order";
}

/** Reason for which a claim without a class can't be judged. */
export const classUnknown = "The default StorageClass is not known, and a quota limits classes; set storageClassName.";

export const noLoad: Load = new Map();
export const noClaims: ReadonlyMap<string, ClaimState> = new Map();

/** Returns the load of objects that are created, such as `deployments.apps`. */
export const objectLoad = ({ ledger }: QuotaPlace, resource: string, count = 1): Load =>
  count <= 0 ? noLoad : ledger.loadOf(usageOfObjects(resource, count), countsObjects);

/** Returns the load of the object itself: nothing if it exists. */
export const itselfLoad = (place: QuotaPlace, { before }: Change, resource: string): Load =>
  before === undefined ? objectLoad(place, resource) : noLoad;

export const specOf = (object: unknown) => partsOf(partsOf(object).spec);
export const statusIn = (object: unknown) => partsOf(partsOf(object).status);
export const metadataOf = (object: unknown) => partsOf(partsOf(object).metadata);
export const nameIn = (object: unknown): string => {
  const { name, generateName } = metadataOf(object);
  return String(name ?? (generateName === undefined ? "" : `${generateName}…`));
};

/** Returns a count of the object's status; undefined if it has no status, or one of an earlier generation. */
export function statusCount(object: unknown, field: string): number | undefined {
  const { status, kind } = partsOf(object);
  if (status === undefined) return undefined;
  const { generation } = metadataOf(object);
  const { observedGeneration = 0 } = partsOf(status);
  // A Job's status has no generation.
  if (kind !== "Job" && typeof generation === "number" && Number(observedGeneration) < generation) return undefined;
  const value = own(partsOf(status), field);
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : 0;
}

/** Returns spec.replicas: as written, else the live value, else 1. */
export function replicasIn({ after, before }: Change): number {
  const written = specOf(after).replicas;
  return countOf("spec.replicas", written ?? specOf(before).replicas, 1);
}

/** Returns the replicas in the end: an autoscaler keeps them within its range, unless there are none. */
export function replicasOf(change: Change, { around }: QuotaPlace): { replicas: number; most: number } {
  const written = replicasIn(change);
  const { kind } = partsOf(change.after);
  const scaler = around.autoscalers.find((each) => each.kind === kind && each.target === nameIn(change.after));
  if (!scaler || written === 0) return { replicas: written, most: written };
  const replicas = Math.max(Math.min(written, scaler.max), scaler.min);
  return { replicas, most: Math.max(replicas, scaler.max) };
}

/** Returns a number or percentage of a whole. */
export const part = (value: unknown, whole: number, round: (part: number) => number): number =>
  Math.max(0, Math.trunc(partIn(value, whole, round)) || 0);

function partIn(value: unknown, whole: number, round: (part: number) => number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d{1,4})%$/.exec(String(value))?.[1];
  return percent === undefined ? 0 : round(Number(percent) * whole / 100);
}

/** Returns maxSurge and maxUnavailable of a Deployment (ResolveFenceposts in deployment_util.go). */
export function fenceposts(strategy: unknown, replicas: number): { maxSurge: number; maxUnavailable: number } {
  const { rollingUpdate } = partsOf(strategy);
  const { maxSurge = "25%", maxUnavailable = "25%" } = partsOf(rollingUpdate);
  if (replicas === 0) return { maxSurge: part(maxSurge, replicas, Math.ceil), maxUnavailable: 0 };
  const surge = part(maxSurge, replicas, Math.ceil);
  const unavailable = part(maxUnavailable, replicas, Math.floor);
  return {
    maxSurge: surge,
    maxUnavailable: Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, replicas),
  };
}

/** Returns the sum of single loads. */
export const sumOf = (loads: readonly Load[]): Load => sumLoads(...loads.map((load) => [load, 1] as const));
