/** The custom resources of keystone.io/v1alpha1: the zod schemas here are the source of truth of `crds/`. */
import { grantDefinition } from "./grant.ts";
import { realmDefinition } from "./realm.ts";
import { superEntityDefinition } from "./superentity.ts";
import type { KindDefinition } from "./definition.ts";

export * from "./grant.ts";
export { type GuardName, guardNames, guardsRevision } from "./guards.ts";
export * from "./realm.ts";
export * from "./superentity.ts";
export { defaultSettings, parseSettings, type Settings, type TrustRules } from "./settings.ts";
export { apiVersionName, type Condition, group, maxNameLength, revisionAnnotation, schemaRevision } from "./meta.ts";

/** All kinds, in the order of installation. */
export const definitions: readonly KindDefinition[] = [realmDefinition, superEntityDefinition, grantDefinition];
