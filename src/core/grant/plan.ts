/** What a Grant's status says, and what has to happen to its finalizer. */
import type { GrantStatus } from "../../api/mod.ts";
import { foldConditions, type Verdict } from "../conditions.ts";
import type { EventFact, GrantFacts, LocalRealm, RealmFacts } from "../facts.ts";
import { hardFrom, shown } from "../guest/hard.ts";
import type { GrantShare } from "../guest/share.ts";
import { guestNamespace } from "../names.ts";
import { type Standing, standingOf, validityOf } from "./standing.ts";

export interface GrantWorld {
  grant: GrantFacts;
  realm: RealmFacts | undefined;
  local: LocalRealm;
  /** What the guest namespace does for it; undefined until it has been looked at. */
  share: GrantShare | undefined;
  /** Epoch milliseconds. */
  now: number;
}

export interface GrantPlan {
  /** The finalizer comes before anything is enforced and goes when nothing is any more. */
  finalizer?: "add" | "remove";
  /** The whole status; undefined: leave it as it is. */
  status?: GrantStatus;
  events: EventFact[];
  /** Epoch milliseconds. */
  wakeAt?: number;
}

/** How long a new grant may have no status, so that the usual case takes one write and not two. */
const quietMs = 2000;

/** Plans one grant. */
export function planGrant(world: GrantWorld): GrantPlan {
  const { grant, share, now } = world;
  const standing = standingOf(world);
  const wake = "wakeAt" in standing && standing.wakeAt !== undefined ? { wakeAt: standing.wakeAt } : {};
  switch (standing.is) {
    case "leaving":
      // The guest namespace closes first and wakes this grant again.
      return grant.finalized && share?.enforced === false ? { finalizer: "remove", events: [] } : { events: [] };
    case "ended":
      // The same: what ends is shown as ended only when it is taken away.
      if (grant.finalized && share?.enforced !== false) return { events: [] };
      return { ...statusPlan(world, standing), ...wake };
    case "pending":
      return { ...statusPlan(world, standing), ...wake };
    case "due": {
      if (!grant.finalized) return { finalizer: "add", events: [], ...wake };
      const stands = share?.quota.status === "True" && share.network.status === "True";
      const quietUntil = grant.createdAt + quietMs;
      const conflict = share?.quota.reason === "NamespaceConflict";
      // A share from before it came into force says nothing; the guest namespace is looked at again and wakes this grant.
      if (!share || share.quota.reason === "NotInForce") return { events: [], ...wake };
      if (!stands && !conflict && grant.status.phase === undefined && now < quietUntil) {
        return { events: [], wakeAt: Math.min(quietUntil, standing.wakeAt ?? Infinity) };
      }
      return { ...statusPlan(world, standing), ...wake };
    }
  }
}

function statusPlan(
  world: GrantWorld,
  standing: Exclude<Standing, { is: "leaving" }>,
): { status?: GrantStatus; events: EventFact[] } {
  const { grant } = world;
  const status = statusOf(world, standing);
  return { status, events: eventsOf(grant, status) };
}

function statusOf(world: GrantWorld, standing: Exclude<Standing, { is: "leaving" }>): GrantStatus {
  const { grant, share, now } = world;
  const { spec } = grant;
  const verdicts = verdictsOf(world, standing);
  const ready = verdicts.find(({ type }) => type === "Ready")!;
  const phase = standing.is === "ended" ? standing.phase : standing.is === "pending"
    ? "Pending"
    // What was in force once stays Active while an object is being repaired; Ready says so.
    : grant.status.phase === "Active" || (share?.quota.status === "True" && networkStands(share))
    ? "Active"
    : "Pending";
  const inForce = standing.is === "due";
  const destinations = spec.networkPolicy?.egressAllowed ? share?.destinations ?? [] : [];
  const { until } = validityOf(grant);
  return {
    phase,
    message: ready.message,
    ...(inForce ? { guestNamespace: guestNamespace(spec.granteeRealm), hard: shown(hardFrom(spec.hard)) } : {}),
    ...(inForce && share && Object.keys(share.usage).length > 0 ? { actualUsage: share.usage } : {}),
    ...(until === undefined ? {} : { effectiveUntil: spec.validity!.validUntil! }),
    ...(inForce && destinations.length > 0 ? { resolvedDestinations: destinations } : {}),
    observedGeneration: grant.generation,
    conditions: foldConditions(grant.status.conditions, verdicts, grant.generation, now),
  };
}

/** A destination that can't be resolved never blocks the rest: the policies stand, and the condition names it. */
const networkStands = ({ network }: GrantShare): boolean =>
  network.status === "True" || network.reason === "DestinationUnresolved";

function verdictsOf(world: GrantWorld, standing: Exclude<Standing, { is: "leaving" }>): Verdict[] {
  const { grant, realm, share } = world;
  const grantee = grant.spec.granteeRealm;
  const known: Verdict = realm && !realm.deleting
    ? { type: "GranteeKnown", status: "True", reason: "RealmFound", message: `The grantee is the Realm ${grantee}.` }
    : {
      type: "GranteeKnown",
      status: "False",
      reason: "GranteeUnknown",
      message: `There is no Realm ${grantee}; create it, and this grant goes on by itself.`,
    };
  if (standing.is === "due") {
    const quota = share!.quota;
    const network = share!.network;
    const lacking = [known, quota, network].find(({ status }) => status !== "True");
    return [
      known,
      { type: "QuotaApplied", ...quota },
      { type: "NetworkApplied", ...network },
      lacking
        ? { type: "Ready", status: "False", reason: lacking.reason, message: lacking.message }
        : { type: "Ready", status: "True", reason: "Enforced", message: inForceMessage(grant) },
    ];
  }
  const [reason, message] = standing.is === "ended"
    ? [standing.phase, standing.message]
    : [standing.reason, standing.message];
  const not = { status: "False" as const, reason, message };
  return [known, { type: "QuotaApplied", ...not }, { type: "NetworkApplied", ...not }, { type: "Ready", ...not }];
}

function inForceMessage({ spec }: GrantFacts): string {
  const until = spec.validity?.validUntil;
  return `Enforced in namespace ${guestNamespace(spec.granteeRealm)}${until ? ` until ${until}` : ""}.`;
}

/** An event for each change of what people would want to hear of. */
function eventsOf(grant: GrantFacts, status: GrantStatus): EventFact[] {
  const ready = status.conditions!.find(({ type }) => type === "Ready")!;
  const before = grant.status.conditions?.find(({ type }) => type === "Ready");
  const changed = grant.status.phase !== status.phase || before?.reason !== ready.reason;
  // Writing takes a moment and isn't news.
  if (!changed || ready.reason === "Applying" || ready.reason === "QuotaPending") return [];
  const normal = ready.status === "True" || status.phase === "Expired" || status.phase === "Revoked" ||
    ready.reason === "NotYetValid";
  return [{ type: normal ? "Normal" : "Warning", reason: ready.reason, action: "Reconcile", note: ready.message }];
}
