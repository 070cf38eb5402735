/** The annotations of a guest namespace: all that Keystone has to remember about it. */
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
  volumesAnnotation,
} from "../../names.ts";
import { trustOf } from "../../grant/lifecycle.ts";
import { isPresent } from "../../realm/present.ts";
import { guardSettings } from "./guard_settings.ts";
import { granteeRecord, type Ownership } from "./ownership.ts";
import { claimsIn, emptySince, guestEndedAt, hasKept, isOwnMake, type StoredData } from "./retention.ts";
import { recordedTrust, rulesHere } from "./recorded_trust.ts";

/** The facts that are remembered, or tell what is. */
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

/** The annotations in which Keystone keeps what it has to remember about the namespace. */
export function recordsOf(world: RecordsWorld, active: boolean, ownership: Ownership): Record<string, string> {
  const { realm, namespace, grants, settings, skewMs, now } = world;
  const before = namespace?.annotations ?? {};
  const records = guardSettings(settings, rulesHere({ realm, namespace, settings }));
  const record = recordOf(realm, before, ownership);
  if (record !== undefined) records[granteeAnnotation] = record;
  const trust = isPresent(realm) && ownership.is !== "another's" ? trustOf(realm) : recordedTrust(namespace);
  if (trust) records[trustAnnotation] = trust;
  const keeps = grants.some(({ spec }) => (spec.termination?.volumes ?? "Retain") === "Retain");
  // Deleting needs a word for it: of every grant, and of none for what somebody else has stored.
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

/** Records of what it holds, for when its last grant has ended. */
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
  };
}

function recordOf(
  realm: RealmFacts | undefined,
  before: Readonly<Record<string, string>>,
  ownership: Ownership,
): string | undefined {
  const old = before[granteeAnnotation];
  if (realm === undefined || ownership.is === "another's") return old;
  // Without consent there is nobody to write it for.
  if (realm.entity && realm.deleting) return old;
  const record = granteeRecord(realm);
  // A node that was known stays on record while it isn't.
  return record.endsWith("/") && old?.startsWith(record) && ownership.is === "ours" ? old : record;
}
