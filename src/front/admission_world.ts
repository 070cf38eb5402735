/** Builds the world of admission reviews from the front's caches. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { Settings } from "../api/mod.ts";
import type { ClusterWatch } from "../controllers/cluster_watch.ts";
import type { Stores } from "../controllers/stores.ts";
import type { AdmissionWorld } from "../core/admission/response.ts";
import type { LocalRealm } from "../core/facts.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { realmOfNamespace } from "../core/names.ts";
import { entityConflict } from "../core/superentity/conflict.ts";

export interface AdmissionSources {
  stores: Pick<Stores, "grants" | "realms" | "superEntities" | "guestQuotas" | "guestLimits">;
  cluster: Pick<ClusterWatch, "facts" | "nodeStates" | "defaultStorageClass">;
  settings: Settings;
  /** KEYSTONE_REALM, if set. */
  realm?: string;
  clock: Clock;
}

export function admissionWorld({ stores, cluster, settings, realm, clock }: AdmissionSources): AdmissionWorld {
  const local = localRealmIn(stores, realm);
  return {
    settings,
    cluster: cluster.facts,
    local,
    realmNamed: (name) => stores.realms.get(name),
    isCollective: (name) => {
      const entity = stores.superEntities.get(name);
      return entity !== undefined && entityConflict(entity, stores.realms.get(name), local) === undefined;
    },
    realms: () => stores.realms.list(),
    grantsTo: (name) => stores.grants.index("grantee", name),
    guest: (namespace) => {
      const name = realmOfNamespace(namespace);
      const quotas = stores.guestQuotas.index("namespace", namespace).flatMap((each) => each ? [each.quota] : []);
      if (name === undefined || !quotas.some(({ metadata }) => metadata?.name === quotaName)) return undefined;
      const { nodeStates, defaultStorageClass } = cluster;
      return {
        quotas,
        limits: stores.guestLimits.index("namespace", namespace).flatMap((each) => each?.limits ?? []),
        grants: stores.grants.index("grantee", name),
        ...(nodeStates ? { nodes: nodeStates } : {}),
        ...(defaultStorageClass === undefined ? {} : { defaultStorageClass }),
      };
    },
    now: clock.now(),
  };
}

/**
 * Finds this cluster's realm. The front has no access to the tailnet; the operator has and writes it to the Realm's
 * status.
 */
export function localRealmIn({ realms }: Pick<Stores, "realms">, configured: string | undefined): LocalRealm {
  if (configured !== undefined) return { kind: "known", name: configured };
  const [own, another] = realms.list().filter(({ status }) => status.local === true);
  return own && !another
    ? { kind: "known", name: own.name }
    : { kind: "unknown", message: "no Realm's status says that it is this cluster's" };
}
