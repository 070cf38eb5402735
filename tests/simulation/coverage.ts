/** Which branches of the plans were reached: a simulation that never gets somewhere proves nothing about it. */
import { effectsOf, writtenBy } from "../../src/core/effects.ts";
import type { GrantPlan, GrantWorld } from "../../src/core/grant/plan.ts";
import { standingOf } from "../../src/core/grant/standing.ts";
import { ownershipOf } from "../../src/core/guest/namespace/ownership.ts";
import type { GuestPlan } from "../../src/core/guest/plan.ts";
import type { GuestWorld } from "../../src/core/guest/world.ts";
import type { RealmPlan } from "../../src/core/realm/plan.ts";

export class Coverage {
  readonly counts = new Map<string, number>();

  count(branch: string): void {
    this.counts.set(branch, (this.counts.get(branch) ?? 0) + 1);
  }

  planned(world: GuestWorld, plan: GuestPlan): void {
    this.count(`owner ${ownershipOf(world).is}`);
    for (const write of effectsOf(plan)) {
      const written = writtenBy(write);
      if (written) this.count(`write ${written.kind}`);
      else if ("patch" in write) this.count("write adopt");
      else if ("delete" in write) this.count(`write -${write.delete.kind}`);
      else this.count("evict" in write ? "write evict" : "write -volumes");
    }
    const { holdings, drainUntil } = plan.holdings;
    for (const { notice, reductions } of holdings) {
      if (notice) this.count(`rung notice ${notice.why}${notice.skewed ? " skewed" : ""}`);
      for (const { until } of reductions) this.count(`rung cut ${until > world.now ? "on notice" : "over"}`);
    }
    if (world.quota?.cordon !== undefined) this.count("rung cordon");
    if (drainUntil !== undefined) this.count("rung end");
    if (plan.draining) this.count("rung drain");
    if (world.namespace && holdings.length === 0) this.count("rung after");
  }

  plannedGrant(world: GrantWorld, plan: GrantPlan): void {
    const standing = standingOf(world);
    const detail = standing.is === "pending" ? standing.reason : standing.is === "ended" ? standing.phase : "";
    this.count(`standing ${standing.is} ${detail}`.trim());
    if (plan.finalizer) this.count(`finalizer ${plan.finalizer}`);
    if (plan.status?.phase) this.count(`phase ${plan.status.phase}`);
    for (const { type, status, reason } of plan.status?.conditions ?? []) this.count(`${type}=${status} ${reason}`);
    for (const { reason } of plan.events) this.count(`event ${reason}`);
  }

  plannedRealm({ status, pin }: RealmPlan): void {
    if (pin !== undefined) this.count("pin");
    for (const { type, status: is, reason } of status.conditions ?? []) this.count(`realm ${type}=${is} ${reason}`);
  }

  /** Those of the expected branches that were never reached. */
  missing(): string[] {
    return expected.filter((branch) => !this.counts.has(branch));
  }

  report(): string {
    const lines = [...this.counts].sort(([a], [b]) => a < b ? -1 : 1);
    return lines.map(([branch, count]) => `  ${String(count).padStart(9)}  ${branch}`).join("\n");
  }
}

const each = (prefix: string, names: string): string[] => names.split(" ").map((name) => prefix + name);

/** What every run of the suite has to reach. */
export const expected: readonly string[] = [
  ...each("owner ", "ours handedOver another's foreign leaving"),
  ...each(
    "write ",
    "Namespace ResourceQuota LimitRange ServiceAccount NetworkPolicy RoleBinding ConfigMap adopt " +
      "-RoleBinding -NetworkPolicy -ResourceQuota -Namespace -Pod evict -volumes",
  ),
  ...each("rung ", "cordon end drain after"),
  ...["Expired", "Revoked", "Deleted", "Expired skewed", "Revoked skewed", "Deleted skewed"].map((why) =>
    `rung notice ${why}`
  ),
  "rung cut on notice",
  "standing due",
  "standing leaving",
  ...each("standing ended ", "Expired Revoked"),
  ...each(
    "standing pending ",
    "ClockSkew ExceedsTrustCeiling GranteeUnknown GrantorNotLocal LocalRealmUnknown NotYetValid",
  ),
  ...each("finalizer ", "add remove"),
  ...each("phase ", "Pending Active Revoked Expired"),
  ...each("QuotaApplied=", "True False").flatMap((verdict) =>
    verdict.endsWith("True")
      ? [`${verdict} Applied`]
      : each(`${verdict} `, "Applying QuotaPending NamespaceConflict NotYetValid Expired Revoked")
  ),
  ...each("NetworkApplied=False ", "Applying DestinationProtected DestinationUnresolved NamespaceConflict"),
  ...each("NetworkApplied=False ", "GranteeUnknown NodeNotFound NodeReplaced SeveralNodes DuplicateIdentity"),
  "NetworkApplied=True Applied",
  "AccessApplied=True Applied",
  ...each("AccessApplied=False ", "Applying GranteeUnknown NamespaceConflict"),
  ...each("Draining=True ", "Expiring Revoked Deleted Reduced Evicting"),
  ...each("Draining=False ", "NotDraining Drained"),
  ...each("Overcommitted=", "False"),
  "Overcommitted=True UseOverGrant",
  "Overcommitted=True StorageOverGrant",
  "Ready=True Enforced",
  "GranteeKnown=True RealmFound",
  "GranteeKnown=False GranteeUnknown",
  ...each("event ", "Notice Evicting Drained NoticeLifted Enforced Expired Revoked"),
  "pin",
  ...each("realm Reachable=True ", "Self Online"),
  ...each("realm Reachable=False ", "Offline KeyExpired NodeNotFound NodeReplaced SeveralNodes DuplicateIdentity"),
  ...each("realm Reachable=Unknown ", "NoTailnet TailscaledUnreachable"),
].filter((branch) => branch !== "Overcommitted=False");
