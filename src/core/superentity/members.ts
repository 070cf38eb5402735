/** Whether each member of a SuperEntity is there, as its Realm shows. */
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
 * The members with their states, and since when those are lost that are. One whose Realm was never seen has no date: it
 * has no grace either. While nobody can be asked (no tailnet, tailscaled down), nobody is lost and nobody is back.
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
    // Who was offline is back when seen; a Realm that was deleted is back when there is one, asked about or not.
    return state === "Connected" || old?.state === "NotFound" ? undefined : old?.lostSince;
  }
  if (old?.lostSince !== undefined) return old.lostSince;
  // A Realm that was deleted is lost from now on; one that never was has never been there.
  if (state === "NotFound") return old && old.state !== "NotFound" ? rfc3339(now) : undefined;
  return conditionOf(status, "Reachable")?.lastTransitionTime ?? rfc3339(now);
}

/** When a lost member's grace is over, in epoch milliseconds; undefined: it isn't lost. */
export function lostAt(
  { state, lostSince }: Member,
  { graceSeconds = defaultGraceSeconds }: SuperEntitySpec,
): number | undefined {
  if (lostSince !== undefined) return Date.parse(lostSince) + 1000 * graceSeconds;
  return state === "NotFound" ? -Infinity : undefined;
}
