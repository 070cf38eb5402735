/** Parties of a grant: Realms, or SuperEntities, each of which acts as one party for its approved members. */
import { countText } from "../plain_text.ts";
import { type TrustLevel, trustLevels } from "../../api/mod.ts";
import type { EntityWaits, GrantFacts, LocalRealm, RealmFacts, SuperEntityFacts } from "../facts.ts";
import type { ResourceList } from "../resources/resource_list.ts";
import { realmGroup } from "../names.ts";
import { isVerified } from "../realm/identity.ts";
import { consentOf, contributionOf } from "../superentity/consent.ts";
import { type GrantEnd, wasActive } from "./termination.ts";

/** Access to SuperEntities as parties of grants. */
export interface Pooling {
  /** Returns the SuperEntity of this name; undefined if a Realm has it. */
  entityNamed: (name: string) => SuperEntityFacts | undefined;
  /** Returns the grant's allocation in its grantor's pool, and the shortfall if it doesn't fit. */
  roomOf: (grant: GrantFacts) => { allotment?: ResourceList; shortfall?: string };
}

/** A world without SuperEntities. */
export const noPooling: Pooling = { entityNamed: () => undefined, roomOf: () => ({}) };

export interface Waits {
  reason: EntityWaits["reason"] | "ExceedsPool" | "GrantorNotLocal" | "LocalRealmUnknown" | "PoolPending";
  message: string;
}

/**
 * Returns the grantee in the form of a Realm. A SuperEntity has its approved members' subjects and addresses, and the
 * lowest of their trust levels. Without approval it is treated like a Realm in deletion: nobody gets access, nothing
 * is removed.
 */
export function granteeFrom(
  realm: RealmFacts | undefined,
  entity: SuperEntityFacts | undefined,
  realmNamed: (name: string) => RealmFacts | undefined,
): RealmFacts | undefined {
  if (!entity) return realm;
  const consent = consentOf(entity);
  const known = new Map(entity.status.members?.map((member) => [member.realm, member]));
  const realms = consent.approved.map(({ realm: name }) => ({ name, realm: presentOf(realmNamed(name)) }));
  const trust = realms.map(({ name, realm }): TrustLevel =>
    realm?.spec.trustLevel ?? known.get(name)?.trustLevel ?? "public"
  );
  const present = realms.flatMap(({ realm }) => realm ?? []);
  const subjects = present.flatMap(({ name, spec }) =>
    spec.subjects ?? [{ kind: "Group" as const, name: realmGroup(name) }]
  );
  const addresses = [...new Set(present.filter(isVerified).flatMap(({ status }) => status.node?.addresses ?? []))];
  const waits = entityWaits(entity);
  return {
    name: entity.name,
    uid: entity.uid,
    generation: entity.generation,
    createdAt: entity.createdAt,
    deleting: !consent.given,
    // A single node, with the addresses of all members' verified nodes.
    trustedNode: "",
    entity: {
      members: consent.approved.map(({ realm: name }) => name).sort(),
      uids: present.map(({ uid }) => uid).sort(),
      ...(waits ? { waits } : {}),
    },
    spec: {
      identity: entity.name,
      connectionType: "tailscale",
      trustLevel: lowest(trust),
      subjects: uniqueSubjects(subjects),
    },
    status: {
      node: { stableID: "", name: entity.name, addresses },
      conditions: [{
        type: "IdentityVerified",
        status: addresses.length > 0 ? "True" : "Unknown",
        reason: addresses.length > 0 ? "MembersVerified" : "NodeUnknown",
        message: addresses.length > 0 ? "" : `No node of a member of ${entity.name} is known yet.`,
        lastTransitionTime: "",
      }],
    },
  };
}

const presentOf = (realm: RealmFacts | undefined): RealmFacts | undefined => realm?.deleting ? undefined : realm;

const lowest = (levels: readonly TrustLevel[]): TrustLevel =>
  levels.reduce(
    (low, each) => trustLevels.indexOf(each) > trustLevels.indexOf(low) ? each : low,
    levels[0] ?? "public",
  );

function uniqueSubjects<S extends { kind: string; name: string }>(subjects: readonly S[]): S[] {
  const byName = new Map(subjects.map((subject) => [`${subject.kind}/${subject.name}`, subject]));
  return [...byName].sort(([a], [b]) => a < b ? -1 : 1).map(([, subject]) => subject);
}

function entityWaits(entity: SuperEntityFacts): EntityWaits | undefined {
  const { name, status, deletingSince } = entity;
  if (deletingSince !== undefined) {
    return { reason: "SuperEntityDeleted", message: `SuperEntity ${name} is being deleted.` };
  }
  const { approved, needed, given, digest } = consentOf(entity);
  if (!given || status.digest !== digest || status.phase === undefined || status.phase === "Pending") {
    return {
      reason: "SuperEntityPending",
      message:
        `SuperEntity ${name} has ${approved.length} of ${
          countText(needed, "needed approval")
        }; this grant continues automatically ` +
        "once it is Active.",
    };
  }
  return status.phase === "Incomplete"
    ? { reason: "SuperEntityIncomplete", message: `SuperEntity ${name} is Incomplete: ${status.message}` }
    : undefined;
}

/** Returns the SuperEntity that is the grantor; undefined if a Realm is. */
export function givingEntity(
  { spec }: GrantFacts,
  local: LocalRealm,
  { entityNamed }: Pooling,
): SuperEntityFacts | undefined {
  return local.kind === "known" && local.name === spec.grantorRealm ? undefined : entityNamed(spec.grantorRealm);
}

/** Returns the reason that a grant from a SuperEntity can't come into force, apart from room in the pool. */
export function poolObstacle(entity: SuperEntityFacts, local: LocalRealm): Waits | undefined {
  const { name, spec } = entity;
  if (local.kind !== "known") {
    return {
      reason: "LocalRealmUnknown",
      message: `This cluster's realm among the members of ${name} is unknown; set KEYSTONE_REALM.`,
    };
  }
  if (!spec.members.some(({ realm }) => realm === local.name)) {
    return {
      reason: "GrantorNotLocal",
      message:
        `This cluster, which is ${local.name}, is not a member of the grantor ${name}; the grant is enforced by its ` +
        "members, not here.",
    };
  }
  const waits = entityWaits(entity);
  if (waits) return waits;
  return contributionOf(entity, local.name) ? undefined : {
    reason: "SuperEntityPending",
    message: `This cluster, which is ${local.name}, has not approved the terms of ${name}, so it contributes nothing.`,
  };
}

/** Returns the reason that a grant from a SuperEntity can't come into force, including room in the pool. */
export function grantorObstacle(grant: GrantFacts, local: LocalRealm, pooling: Pooling): Waits | undefined {
  const entity = givingEntity(grant, local, pooling);
  if (!entity) return undefined;
  const obstacle = poolObstacle(entity, local);
  if (obstacle) return obstacle;
  const { allotment, shortfall } = pooling.roomOf(grant);
  if (shortfall !== undefined) return { reason: "ExceedsPool", message: shortfall };
  return allotment ? undefined : { reason: "PoolPending", message: `Waiting for room in the pool of ${entity.name}.` };
}

/** Returns the end that follows from the deletion of a SuperEntity that is grantor or grantee, with the notice. */
export function departureOf(grant: GrantFacts, pooling: Pooling, noticeMs: number): GrantEnd | undefined {
  if (!wasActive(grant)) return undefined;
  const { grantorRealm, granteeRealm } = grant.spec;
  const since = [grantorRealm, granteeRealm].flatMap((name) => pooling.entityNamed(name)?.deletingSince ?? []);
  if (since.length === 0) return undefined;
  const first = Math.min(...since);
  return { why: "PartyDeleted", at: first + noticeMs, noticeFrom: first };
}
