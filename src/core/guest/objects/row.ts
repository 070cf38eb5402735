/** Rows: all that Keystone knows of a kind of object in guest namespaces. A file in this folder has one. */
import type { KubernetesObject, Resource } from "../../../../lib/kubernetes/mod.ts";
import type { Effect, Kind, ObjectRef, WrittenObject } from "../../effects.ts";
import type { Faults } from "../../faults.ts";
import { interned } from "../../interned.ts";
import type { Guest } from "./guest.ts";

/** Stages in which objects change, in the order of safety. Within one they are independent of each other. */
export const stageOrder = {
  close: [
    "access goes",
    "accounts go",
    "access narrows",
    "namespace",
    "default deny",
    "policies go",
    "policies narrow",
    "quota goes",
    "quota",
  ],
  open: ["defaults", "policies open", "access comes", "guide"],
} as const;

export type ClosingStage = typeof stageOrder.close[number];
export type OpeningStage = typeof stageOrder.open[number];
export type ObjectStage = ClosingStage | OpeningStage;

/** An effect in its stage. */
export interface RowChange {
  stage: ObjectStage;
  effect: Effect;
}

/** The facts that are kept of any object of a guest namespace. */
export interface ObjectFacts {
  /** Absent for the Namespace itself. */
  namespace?: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
}

/** A kind of object, as plans go through it: wanted objects, then how those that are there differ. */
export interface GuestObjects<T extends KubernetesObject, F extends ObjectFacts> {
  /** Noun phrase, for faults. */
  readonly part: string;
  readonly resource: Resource<T>;
  /** Projects an object of the API server to what plans read of it. */
  project(object: T): F;
  /** Builds the objects as they should be now. */
  wanted(guest: Guest, faults: Faults): readonly T[];
  /** Compares them with those that are there. */
  changes(wanted: readonly T[], present: readonly F[], guest: Guest): readonly RowChange[];
  /** Returns what people are shown of an object. */
  content(facts: F): unknown;
}

/** A kind of which a guest namespace has one object, by one name. */
export interface GuestObject<T extends KubernetesObject, F extends ObjectFacts, C extends string>
  extends GuestObjects<T, F> {
  /** Its name in each guest namespace. */
  readonly name: string;
  /** The cache that keeps it, among the stores. */
  readonly cache: C;
}

/** All that a kind with one name has to tell. */
export interface GuestObjectSpec<T extends KubernetesObject, F extends ObjectFacts, C extends string> {
  part: string;
  resource: Resource<T>;
  name: string;
  cache: C;
  /** The stage in which it is written. */
  stage: ObjectStage;
  /** Projects what is its own; name, UID and labels come by themselves. */
  project(object: T): Omit<F, keyof ObjectFacts>;
  /** Builds the object as it should be; undefined: it is left as it is, or isn't made. */
  build(guest: Guest): T | undefined;
  /** Compares beside the labels. */
  same(wanted: T, present: F, guest: Guest): boolean;
  content(facts: F): unknown;
  /** Tells of an object that can't be changed: it is deleted, and made again by the next plan. */
  isStuck?(present: F): boolean;
  /** Compares in another way than the usual one. */
  changes?(wanted: T | undefined, present: F | undefined, guest: Guest): readonly RowChange[];
}

/** Makes a row of a kind of which a guest namespace has one object. */
export function guestObject<T extends KubernetesObject, F extends ObjectFacts, const C extends string>(
  spec: GuestObjectSpec<T, F, C>,
): GuestObject<T, F, C> {
  const { resource, stage, name } = spec;
  const usual = (wanted: T | undefined, present: F | undefined, guest: Guest): RowChange[] => {
    // Where nothing can be made any more, what is there is still kept as it should be.
    if (!wanted || (guest.leaving && !present)) return [];
    if (present && spec.isStuck?.(present)) return [{ stage, effect: deleted(resource, present) }];
    if (present && isLabelled(wanted, present) && spec.same(wanted, present, guest)) return [];
    return [{ stage, effect: applied(wanted) }];
  };
  return {
    part: spec.part,
    resource,
    name,
    cache: spec.cache,
    project: (object) => ({ ...commonFacts(object), ...spec.project(object) }) as F,
    wanted: (guest) => {
      const object = spec.build(guest);
      return object ? [object] : [];
    },
    changes: ([wanted], [present], guest) => (spec.changes ?? usual)(wanted, present, guest),
    content: spec.content,
  };
}

/** Facts of any object. */
export const commonFacts = ({ metadata }: KubernetesObject): ObjectFacts => ({
  ...(metadata!.namespace === undefined ? {} : { namespace: metadata!.namespace }),
  name: metadata!.name!,
  uid: metadata!.uid!,
  labels: interned(metadata!.labels ?? {}),
});

/** An effect names the kinds of rows; which of them there are only the rows say. */
export const applied = <T extends KubernetesObject>(object: T): Effect => ({ apply: object as WrittenObject });

/** The deletion of the very object that was seen. */
export const deleted = ({ kind }: Resource<KubernetesObject>, facts: ObjectFacts): Effect => ({
  delete: refOf(kind as Kind, facts),
});

const refOf = (kind: Kind, { namespace, name, uid }: ObjectFacts): ObjectRef => ({
  kind,
  ...(namespace === undefined ? {} : { namespace }),
  name,
  uid,
});

/** Tells whether each wanted value is there; others may be too. */
export const includesAll = (
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean => Object.entries(wanted).every(([key, value]) => actual[key] === value);

/** Tells whether an object has the labels that it should. */
export const isLabelled = ({ metadata }: KubernetesObject, { labels }: Pick<ObjectFacts, "labels">): boolean =>
  includesAll(labels, metadata!.labels!);
