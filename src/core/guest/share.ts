/** What the observed guest namespace does for each grant: the facts that the grants' own status shows. */
import type { ResolvedDestination } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { validityOf } from "../grant/standing.ts";
import { guestNamespace } from "../names.ts";
import { type Claim, hardFrom, quotaKey, shareOut, shown, sumHard } from "./hard.ts";
import { grantPolicyName } from "./objects.ts";
import {
  addressesOf,
  destinationsOf,
  dueGrants,
  type GuestPlan,
  type GuestWorld,
  namespaceConflict,
  sameQuantities,
} from "./plan.ts";

/** Whether something stands, why, and that in a sentence. */
export interface Applied {
  status: "True" | "False";
  reason: string;
  message: string;
}

export interface GrantShare {
  /** Whether anything of the grant may still be enforced. */
  enforced: boolean;
  quota: Applied;
  network: Applied;
  /** Canonical quantities under the keys that the grant wrote. */
  usage: Record<string, string>;
  destinations: ResolvedDestination[];
}

const applied = (message: string): Applied => ({ status: "True", reason: "Applied", message });
const lacking = (reason: string, message: string): Applied => ({ status: "False", reason, message });

/**
 * The share of each grant, by the grant's name.
 *
 * @param plan what `planGuest` says about this same world: what it still wants to write does not stand yet
 */
export function sharesOf(world: GuestWorld, plan: GuestPlan): Map<string, GrantShare> {
  const due = new Set(dueGrants(world).due);
  const claims: Claim[] = [...due].map((grant) => {
    const { until } = validityOf(grant);
    return { name: grant.name, hard: hardFrom(grant.spec.hard), ...(until === undefined ? {} : { endsAt: until }) };
  });
  const usage = shareOut(claims, world.quota?.used ?? {});
  const conflict = world.namespace && namespaceConflict(world.grantee, world.namespace);
  const quota = conflict
    ? lacking("NamespaceConflict", conflict)
    : quotaApplied(world, shown(sumHard(claims.map(({ hard }) => hard))));
  const pending = new Set(plan.stages.flat().flatMap((write) => "apply" in write ? [write.apply.metadata!.name!] : []));
  return new Map(world.grants.map((grant): [string, GrantShare] => {
    const destinations = destinationsOf(world, grant).resolved;
    if (!due.has(grant)) {
      const not = lacking("NotInForce", "The grant is not in force.");
      return [grant.name, { enforced: plan.stages.length > 0, quota: not, network: not, usage: {}, destinations }];
    }
    const network = conflict
      ? lacking("NamespaceConflict", conflict)
      : networkApplied(world, grant, destinations, pending);
    return [grant.name, {
      enforced: true,
      quota,
      network,
      usage: usageOf(grant, usage.get(grant.name)!),
      destinations,
    }];
  }));
}

const usageOf = (grant: GrantFacts, share: ReadonlyMap<string, { toString(): string }>): Record<string, string> =>
  Object.fromEntries(
    Object.keys(grant.spec.hard).sort().flatMap((key) => {
      const used = share.get(quotaKey(key));
      return used ? [[key, used.toString()]] : [];
    }),
  );

/**
 * Admission counts against the quota's *status*, so a quota is applied only when its status has the values and a count
 * for each key (pkg/quota/v1/resource_quota_controller).
 */
function quotaApplied({ quota, grantee }: GuestWorld, hard: Record<string, string>): Applied {
  const name = `ResourceQuota ${guestNamespace(grantee)}/keystone`;
  if (!quota || !sameQuantities(quota.asked, hard)) return lacking("Applying", `Writing ${name}.`);
  if (!sameQuantities(quota.enforced, hard)) {
    return lacking("QuotaPending", `${name} is written; the controller manager has not put it into force yet.`);
  }
  const uncounted = Object.keys(hard).filter((key) => quota.used[key] === undefined);
  if (uncounted.length > 0) return lacking("QuotaPending", `${name} is not counted yet for ${uncounted.join(", ")}.`);
  return applied(`${name} is in force.`);
}

function networkApplied(
  world: GuestWorld,
  grant: GrantFacts,
  destinations: readonly ResolvedDestination[],
  pending: ReadonlySet<string>,
): Applied {
  if (["default-deny", "realm", grantPolicyName(grant.name)].some((name) => pending.has(name))) {
    return lacking("Applying", `Writing the network policies of ${guestNamespace(world.grantee)}.`);
  }
  const unresolved = destinations.flatMap(({ error }) => error ?? []);
  if (unresolved.length > 0) return lacking("DestinationUnresolved", unresolved.join(" "));
  const open = [
    ...(addressesOf(world.realm).length > 0 ? [`the node of ${world.grantee}`] : []),
    ...(destinations.length > 0
      ? [`${destinations.length} allowed destination${destinations.length > 1 ? "s" : ""}`]
      : []),
  ];
  return applied(`All egress is denied${open.length > 0 ? ` but to ${open.join(" and ")}` : ""}.`);
}
