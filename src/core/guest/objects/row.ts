/** Rows: complete definition of a kind of object in guest namespaces. Each file in this folder has one. */
import type { KubernetesObject, Resource } from "../../../../lib/kubernetes/mod.ts";
import type { Effect, Kind, ObjectRef, WrittenObject } from "../../effects.ts";
import type { Faults } from "../../faults.ts";
import { interned } from "../../interned.ts";
import type { Guest } from "./guest.ts";

/** Stages of changes in safe order. Changes within a stage are independent of each other. */
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
  open: ["defaults", "policies open", "access comes", "guide", "account comes"],
} as const;

export type ClosingStage = typeof stageOrder.close[number];
export type OpeningStage = typeof stageOrder.open[number];
export type ObjectStage = ClosingStage | OpeningStage;

/** An effect with its stage. */
export interface RowChange {
  stage: ObjectStage;
  effect: Effect;
}

/** Common facts of all objects in a guest namespace. */
export interface ObjectFacts {
  /** Absent for the Namespace itself. */
  namespace?: string;
  name: string;
  uid: string;
  labels: Readonly<Record<string, string>>;
}

/** A kind of object, as plans use it: first the wanted objects, then their differences from the present ones. */
export interface GuestObjects<T extends KubernetesObject, F extends ObjectFacts> {
  /** Noun phrase for faults. */
  readonly part: string;
  readonly resource: Resource<T>;
  /** Projects an object of the API server to the facts that plans read. */
  project(object: T): F;
  /** Builds the desired objects. */
  wanted(guest: Guest, faults: Faults): readonly T[];
  /** Compares them with the present ones. */
  changes(wanted: readonly T[], present: readonly F[], guest: Guest): readonly RowChange[];
  /** Returns the content of an object for display. */
  content(facts: F): unknown;
}

/** A kind of which a guest namespace has a single object with a fixed name. */
export interface GuestObject<T extends KubernetesObject, F extends ObjectFacts, C extends string>
  extends GuestObjects<T, F> {
  /** Its name in each guest namespace. */
  readonly name: string;
  /** Its cache among the stores. */
  readonly cache: C;
}

/** Definition of a kind with a single object. */
export interface GuestObjectSpec<T extends KubernetesObject, F extends ObjectFacts, C extends string> {
  part: string;
  resource: Resource<T>;
  name: string;
  cache: C;
  /** Stage in which it is written. */
  stage: ObjectStage;
  /** Projects the kind's own facts; name, UID and labels are added. */
  project(object: T): Omit<F, keyof ObjectFacts>;
  /** Builds the desired object; undefined: a present one is left unchanged, a missing one isn't created. */
  build(guest: Guest): T | undefined;
  /** Compares everything but the labels. */
  same(wanted: T, present: F, guest: Guest): boolean;
  content(facts: F): unknown;
  /** Reports whether an object can't be changed. It is then deleted, and the next plan creates it again. */
  isStuck?(present: F): boolean;
  /** Replaces the default comparison. */
  changes?(wanted: T | undefined, present: F | undefined, guest: Guest): readonly RowChange[];
}

/** Builds the row of a kind with a single object. */
export function guestObject<T extends KubernetesObject, F extends ObjectFacts, const C extends string>(
  spec: GuestObjectSpec<T, F, C>,
): GuestObject<T, F, C> {
  const { resource, stage, name } = spec;
  const usual = (wanted: T | undefined, present: F | undefined, guest: Guest): RowChange[] => {
    // In a namespace in deletion no object can be created, but a present one is still corrected.
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

/** Projects the common facts of an object. */
export const commonFacts = ({ metadata }: KubernetesObject): ObjectFacts => ({
  ...(metadata!.namespace === undefined ? {} : { namespace: metadata!.namespace }),
  name: metadata!.name!,
  uid: metadata!.uid!,
  labels: interned(metadata!.labels ?? {}),
});

/** Builds an apply effect. The type of effects names the kinds of rows, which a generic row can't prove. */
export const applied = <T extends KubernetesObject>(object: T): Effect => ({ apply: object as WrittenObject });

/** Builds a delete effect for exactly the observed object. */
export const deleted = ({ kind }: Resource<KubernetesObject>, facts: ObjectFacts): Effect => ({
  delete: refOf(kind as Kind, facts),
});

const refOf = (kind: Kind, { namespace, name, uid }: ObjectFacts): ObjectRef => ({
  kind,
  ...(namespace === undefined ? {} : { namespace }),
  name,
  uid,
});

/** Reports whether all wanted entries are present; others may be present too. */
export const includesAll = (
  actual: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean => Object.keys(wanted).every((key) => actual[key] === wanted[key]);

/** Reports whether an object has the wanted labels. */
export const isLabelled = ({ metadata }: KubernetesObject, { labels }: Pick<ObjectFacts, "labels">): boolean =>
  includesAll(labels, metadata!.labels!);
