/** Counts the branches of plans that were reached: a simulation proves nothing about a branch that it never reaches. */
import type { RequestOptions } from "../../lib/kubernetes/mod.ts";
import { guestFinalizer, trustedNodeAnnotation } from "../../src/api/mod.ts";
import { effectsOf, writtenBy } from "../../src/core/effects.ts";
import { ownershipOf } from "../../src/core/guest/namespace/ownership.ts";
import type { GuestPlan } from "../../src/core/guest/plan_guest.ts";
import type { GuestWorld } from "../../src/core/guest/guest_world.ts";
import { targetOf } from "./api_server.ts";

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
    const { entitlements, drainUntil } = plan.sums;
    for (const { notice, reductions } of entitlements) {
      if (notice) this.count(`rung notice ${notice.why}${notice.skewed ? " skewed" : ""}`);
      for (const { until } of reductions) this.count(`rung cut ${until > world.now ? "on notice" : "over"}`);
    }
    if (world.quota?.freeze !== undefined) this.count("rung cordon");
    if (drainUntil !== undefined) this.count("rung end");
    if (plan.draining) this.count("rung drain");
    if (world.namespace && entitlements.length === 0) this.count("rung after");
  }

  /** Counts a write that is sent, with its reasons if it is a status or a finalizer. */
  sent(request: RequestOptions): void {
    const { method, bodyJson } = request;
    const { kind, subresource } = targetOf(request);
    const { status, metadata } = (bodyJson ?? {}) as Said;
    if (subresource === "status") {
      this.#told(kind === "realms" ? "realm " : kind === "superEntities" ? "entity " : "", status!);
    } else if (metadata?.annotations?.[trustedNodeAnnotation]) this.count("pin");
    else if (kind === "grants" && method === "PATCH") {
      this.count(`finalizer ${metadata?.finalizers?.includes(guestFinalizer) ? "add" : "remove"}`);
    } else if (kind === "clusterRoles" || kind === "clusterBindings" || kind === "flowSchemas") {
      this.count(`write ${kind}`);
    }
  }

  #told(prefix: string, { phase, conditions = [] }: NonNullable<Said["status"]>): void {
    if (phase) this.count(`${prefix}phase ${phase}`);
    for (const { type, status, reason } of conditions) this.count(`${prefix}${type}=${status} ${reason}`);
  }

  /** Returns the expected branches that were never reached. */
  missing(): string[] {
    return expected.filter((branch) => !this.counts.has(branch));
  }

  report(): string {
    const lines = [...this.counts].sort(([a], [b]) => a < b ? -1 : 1);
    return lines.map(([branch, count]) => `  ${String(count).padStart(9)}  ${branch}`).join("\n");
  }
}

interface Said {
  status?: { phase?: string; conditions?: { type: string; status: string; reason: string }[] };
  metadata?: { annotations?: Record<string, string | null>; finalizers?: string[] };
}

const each = (prefix: string, names: string): string[] => names.split(" ").map((name) => prefix + name);

/** Branches that every run of the suite must reach. */
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
  ...each(
    "Ready=False ",
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
  "FitsCluster=True Fits",
  "FitsCluster=False ExceedsCapacity",
  "FitsCluster=False Overbooked",
  "Ready=True Enforced",
  "GranteeKnown=True RealmFound",
  "GranteeKnown=False GranteeUnknown",
  ...each("event ", "Notice Evicting Drained NoticeLifted Enforced Expired Revoked"),
  "pin",
  "write flowSchemas",
  ...each("realm Reachable=True ", "Self Online"),
  ...each("realm Reachable=False ", "Offline KeyExpired NodeNotFound NodeReplaced SeveralNodes DuplicateIdentity"),
  ...each("realm Reachable=Unknown ", "NoTailnet TailscaledUnreachable"),
].filter((branch) => branch !== "Overcommitted=False");
