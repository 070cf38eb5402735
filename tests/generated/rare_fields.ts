/** Fields that few manifests set, for some of the generated objects. */
import type { SeededRandom } from "../simulation/random.ts";
import type { AnyObject } from "./live_object.ts";
import { podTemplateOf } from "./object_changes.ts";

/** Sets rare fields of an object. All steps of a case get the same ones. */
export type RareFields = (object: AnyObject) => void;

/** Returns the rare fields of a case; for most of them none. */
export function rareFieldsOf(random: SeededRandom): RareFields {
  const sets = random.percent(25) ? random.shuffled(Object.keys(all)).slice(0, 3) : [];
  const values = new Map(sets.map((name) => [name, random.below(4)]));
  return (object) => {
    for (const [name, value] of values) all[name]!(object, value);
  };
}

const isOneOf = (...kinds: string[]) => ({ kind }: AnyObject): boolean => kinds.includes(kind!);
const hasReadiness = isOneOf("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController");

/** The Job of a Job or CronJob. */
const jobIn = ({ kind, spec }: AnyObject): AnyObject | undefined =>
  kind === "Job" ? spec : kind === "CronJob" ? spec.jobTemplate.spec : undefined;

const all: Record<string, (object: AnyObject, value: number) => void> = {
  minReadySeconds: (object, value) => {
    if (hasReadiness(object)) object.spec.minReadySeconds = value % 2;
  },
  progressDeadlineSeconds: (object, value) => {
    if (object.kind === "Deployment") object.spec.progressDeadlineSeconds = 2 + value;
  },
  ordinals: (object, value) => {
    if (object.kind === "StatefulSet") object.spec.ordinals = { start: value };
  },
  podReplacementPolicy: (object) => {
    const job = jobIn(object);
    if (job) job.podReplacementPolicy = "Failed";
  },
  backoffLimitPerIndex: (object, value) => {
    const job = jobIn(object);
    if (job?.completionMode === "Indexed") job.backoffLimitPerIndex = value;
  },
  ttlSecondsAfterFinished: (object, value) => {
    const job = jobIn(object);
    if (job && object.kind === "CronJob") job.ttlSecondsAfterFinished = [0, 0, 3600, 90][value];
  },
  successfulJobsHistoryLimit: (object, value) => {
    if (object.kind === "CronJob") object.spec.successfulJobsHistoryLimit = value;
  },
  failedJobsHistoryLimit: (object, value) => {
    if (object.kind === "CronJob") object.spec.failedJobsHistoryLimit = value;
  },
  /** Amounts in other notations of the same value. */
  notation: (object, value) => {
    const { spec } = podTemplateOf(object) ?? {};
    for (const { resources } of [...spec?.initContainers ?? [], ...spec?.containers ?? []]) {
      for (const list of [resources?.requests, resources?.limits]) {
        const cpu = /^(\d+)m$/.exec(list?.cpu ?? "")?.[1];
        if (cpu !== undefined) {
          list.cpu = [Number(cpu) / 1000, `${cpu}e-3`, `${cpu}000u`, `${Number(cpu) / 1000}`][value];
        }
        const memory = /^(\d+)Mi$/.exec(list?.memory ?? "")?.[1];
        if (memory !== undefined) {
          const bytes = Number(memory) * 2 ** 20;
          list.memory = [bytes, `${Number(memory) * 1024}Ki`, `${bytes}000m`, `${bytes / 1000}e3`][value];
        }
      }
    }
  },
};
