/** Presence of a SuperEntity's members, from the status of their Realms. */
import {
  defaultGraceSeconds,
  type MemberState,
  type RealmStatus,
  type SuperEntitySpec,
  type SuperEntityStatus,
  type TrustLevel,
} from "../../api/mod.ts";
import type { RealmFacts, SuperEntityFacts } from "../facts.ts";
import { rfc3339 } from "../instants.ts";
import { consentOf, memberSubjects } from "./consent.ts";
import { conditionOf } from "../conditions.ts";

export type Member = NonNullable<SuperEntityStatus["members"]>[number];

const lostStates: ReadonlySet<MemberState> = new Set(["NotFound", "Disconnected", "Error"]);

/**
 * Returns the members with their states and, for lost ones, the time since which they are lost. A member whose Realm
 * was never seen has neither that time nor a grace period. While the tailnet can't be queried (none configured,
 * tailscaled down), no member becomes lost and none returns.
 */
export function membersOf(
  entity: SuperEntityFacts,
  realmNamed: (name: string) => RealmFacts | undefined,
  now: number,
): Member[] {
  const approved = new Set(consentOf(entity).approved.map(({ realm }) => realm));
  const before = new Map(entity.status.members?.map((member) => [member.realm, member]));
  const subjects = memberSubjects(entity, realmNamed);
  return entity.spec.members.map(({ realm: name }) => {
    const realm = realmNamed(name);
    const present = realm && !realm.deleting ? realm : undefined;
    const state = present ? present.status.connectionState ?? "Unknown" : "NotFound";
    const old = before.get(name);
    const lostSince = lostSinceOf(state, old, present?.status, now);
    const trustLevel: TrustLevel | undefined = present?.spec.trustLevel ?? old?.trustLevel;
    return {
      realm: name,
      state,
      approved: approved.has(name),
      ...(trustLevel === undefined ? {} : { trustLevel }),
      subjects: [...subjects.get(name)!],
      ...(lostSince === undefined ? {} : { lostSince }),
    };
  });
}

function lostSinceOf(
  state: MemberState,
  old: Member | undefined,
  status: RealmStatus | undefined,
  now: number,
): string | undefined {
  if (!lostStates.has(state)) {
    // An offline member returns once it is seen; one whose Realm was deleted returns once that exists, seen or not.
    return state === "Connected" || old?.state === "NotFound" ? undefined : old?.lostSince;
  }
  if (old?.lostSince !== undefined) return old.lostSince;
  // A Realm that was deleted is lost from now on; one that never existed has no such time.
  if (state === "NotFound") return old && old.state !== "NotFound" ? rfc3339(now) : undefined;
  return conditionOf(status, "Reachable")?.lastTransitionTime ?? rfc3339(now);
}

/** Returns the end of a lost member's grace period in epoch milliseconds; undefined: it isn't lost. */
export function lostAt(
  { state, lostSince }: Member,
  { graceSeconds = defaultGraceSeconds }: SuperEntitySpec,
): number | undefined {
  if (lostSince !== undefined) return Date.parse(lostSince) + 1000 * graceSeconds;
  return state === "NotFound" ? -Infinity : undefined;
}
