/** Records about a guest namespace, kept in its annotations. */
import type { Settings } from "../../../api/mod.ts";
import type { GrantFacts, NamespaceFacts, QuotaFacts, RealmFacts } from "../../facts.ts";
import { rfc3339 } from "../../instants.ts";
import {
  emptyAnnotation,
  endedAnnotation,
  granteeAnnotation,
  keptAnnotation,
  madeAnnotation,
  trustAnnotation,
  unopenedAnnotation,
  volumesAnnotation,
} from "../../names.ts";
import { trustOf } from "../../grant/lifecycle.ts";
import { isPresent } from "../../realm/present.ts";
import { guardSettings } from "./guard_settings.ts";
import { granteeRecord, type Ownership } from "./ownership.ts";
import { claimsIn, emptySince, guestEndedAt, hasKept, isOwnMake, isUnopened, type StoredData } from "./retention.ts";
import { recordedTrust, rulesHere } from "./recorded_trust.ts";

/** Facts from which the records are computed. */
export interface RecordsWorld {
  realm: RealmFacts | undefined;
  namespace: NamespaceFacts | undefined;
  grants: readonly GrantFacts[];
  quota?: QuotaFacts | undefined;
  stored?: StoredData;
  settings: Settings;
  skewMs: number;
  now: number;
}

/** Returns the annotations with Keystone's records about the namespace. */
export function recordsOf(world: RecordsWorld, active: boolean, ownership: Ownership): Record<string, string> {
  const { realm, namespace, grants, settings, skewMs, now } = world;
  const before = namespace?.annotations ?? {};
  const records = guardSettings(settings, rulesHere({ realm, namespace, settings }));
  const record = recordOf(realm, before, ownership);
  if (record !== undefined) records[granteeAnnotation] = record;
  const trust = isPresent(realm) && ownership.is !== "another's" ? trustOf(realm) : recordedTrust(namespace);
  if (trust) records[trustAnnotation] = trust;
  const keeps = grants.some(({ spec }) => (spec.termination?.volumes ?? "Retain") === "Retain");
  // Volumes are deleted only if every grant has asked for it, and never if the namespace isn't Keystone's own.
  const isRestored = namespace !== undefined && !isOwnMake(namespace);
  const kept = before[volumesAnnotation] === "Retain" || keeps || ownership.is === "handedOver" || isRestored;
  if (kept) records[volumesAnnotation] = "Retain";
  else if (grants.length > 0 || before[volumesAnnotation] === "Delete") records[volumesAnnotation] = "Delete";
  if (!namespace) return { ...records, [madeAnnotation]: rfc3339(now + skewMs) };
  return {
    ...records,
    ...retentionRecords(namespace, world, { active, kept, handedOver: ownership.is === "handedOver" }),
  };
}

/** Returns the records about stored data, for the time after the last grant. */
function retentionRecords(
  namespace: NamespaceFacts,
  world: RecordsWorld,
  { active, kept, handedOver }: { active: boolean; kept: boolean; handedOver: boolean },
): Record<string, string> {
  const before = namespace.annotations;
  const holds = (kept && claimsIn(world.quota, world.stored) > 0) || (world.stored?.snapshots ?? 0) > 0;
  const isEmpty = !active && claimsIn(world.quota, world.stored) === 0 && emptySince(namespace) !== undefined;
  return {
    ...(before[madeAnnotation] !== undefined && !handedOver ? { [madeAnnotation]: before[madeAnnotation] } : {}),
    ...(hasKept(namespace) || (!active && holds) ? { [keptAnnotation]: "true" } : {}),
    ...(!active && guestEndedAt(namespace) !== undefined ? { [endedAnnotation]: before[endedAnnotation]! } : {}),
    ...(isEmpty ? { [emptyAnnotation]: before[emptyAnnotation]! } : {}),
    ...(!active && isUnopened(namespace, world.quota) ? { [unopenedAnnotation]: namespace.uid } : {}),
  };
}

function recordOf(
  realm: RealmFacts | undefined,
  before: Readonly<Record<string, string>>,
  ownership: Ownership,
): string | undefined {
  const old = before[granteeAnnotation];
  if (realm === undefined || ownership.is === "another's") return old;
  // Without approval there are no members to record.
  if (realm.entity && realm.deleting) return old;
  const record = granteeRecord(realm);
  // While no node is trusted, the recorded one stays.
  return record.endsWith("/") && old?.startsWith(record) && ownership.is === "ours" ? old : record;
}
