/** The rows of all kinds, as a table whose types follow from them. */
import type { KubernetesObject, Resource } from "../../../../lib/kubernetes/mod.ts";
import { guestObjects } from "./mod.ts";
import type { GuestObjects, ObjectFacts } from "./row.ts";

type Rows = typeof guestObjects;
type Facts<Row> = Row extends { project(object: never): infer F } ? F : never;

/** The kinds of which a guest namespace has one object, by one name. */
export type SingleKey = { [K in keyof Rows]: Rows[K] extends { cache: string } ? K : never }[keyof Rows];
export type Single = Rows[SingleKey];

/** The objects of these kinds that stand in one guest namespace. */
export type Singles = { [K in SingleKey]?: Facts<Rows[K]> | undefined };

/** Names of their caches, and what these keep. */
export type CacheName = Single["cache"];
export type CachedObject<C extends CacheName> = Extract<Single, { cache: C }> extends { resource: Resource<infer T> }
  ? T
  : never;
export type CachedFacts<C extends CacheName> = Facts<Extract<Single, { cache: C }>>;

/** The rows of these kinds, with their keys. */
export const singles = Object.entries(guestObjects).filter((entry): entry is [SingleKey, Single] =>
  "cache" in entry[1]
);

/** All rows, as plans go through them. */
export const objectRows = Object.entries(guestObjects) as unknown as readonly (readonly [keyof Rows, AnyRow])[];

/** A row whose kind isn't known: its objects and facts come from itself, and go to itself. */
export type AnyRow = GuestObjects<KubernetesObject, ObjectFacts>;

/** Objects of a kind that stand in one guest namespace, as a list. */
export const rowCollection = (present: ObjectFacts | readonly ObjectFacts[] | undefined): readonly ObjectFacts[] =>
  present === undefined ? [] : Array.isArray(present) ? present : [present as ObjectFacts];

/** The row of an object that a plan writes. */
export const rowOf = (kind: string, name: string): readonly [keyof Rows, AnyRow] =>
  objectRows.find(([, row]) => row.resource.kind === kind && "name" in row && row.name === name) ??
    objectRows.find(([, row]) => row.resource.kind === kind)!;
