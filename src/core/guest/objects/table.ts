/** Table of the rows of all kinds, with types derived from them. */
import type { KubernetesObject, Resource } from "../../../../lib/kubernetes/mod.ts";
import { guestObjects } from "./mod.ts";
import type { GuestObjects, ObjectFacts } from "./row.ts";

type Rows = typeof guestObjects;
type Facts<Row> = Row extends { project(object: never): infer F } ? F : never;

/** Kinds of which a guest namespace has a single object. */
export type SingleKey = { [K in keyof Rows]: Rows[K] extends { cache: string } ? K : never }[keyof Rows];
export type Single = Rows[SingleKey];

/** Present objects of these kinds in one guest namespace. */
export type Singles = { [K in SingleKey]?: Facts<Rows[K]> | undefined };

/** Names of their caches, and the types of cached objects and facts. */
export type CacheName = Single["cache"];
export type CachedObject<C extends CacheName> = Extract<Single, { cache: C }> extends { resource: Resource<infer T> }
  ? T
  : never;
export type CachedFacts<C extends CacheName> = Facts<Extract<Single, { cache: C }>>;

/** Rows of these kinds, with their keys. */
export const singles = Object.entries(guestObjects).filter((entry): entry is [SingleKey, Single] =>
  "cache" in entry[1]
);

/** All rows, with their keys. */
export const objectRows = Object.entries(guestObjects) as unknown as readonly (readonly [keyof Rows, AnyRow])[];

/** A row of an unspecified kind. Pass it only objects and facts that it has produced itself. */
export type AnyRow = GuestObjects<KubernetesObject, ObjectFacts>;

/** Returns the present objects of a kind as a list. */
export const rowCollection = (present: ObjectFacts | readonly ObjectFacts[] | undefined): readonly ObjectFacts[] =>
  present === undefined ? [] : Array.isArray(present) ? present : [present as ObjectFacts];

/** Returns the row of an object that a plan writes. */
export const rowOf = (kind: string, name: string): readonly [keyof Rows, AnyRow] =>
  objectRows.find(([, row]) => row.resource.kind === kind && "name" in row && row.name === name) ??
    objectRows.find(([, row]) => row.resource.kind === kind)!;
