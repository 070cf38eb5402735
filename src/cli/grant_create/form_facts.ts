/** Facts of the cluster that the form of `keystone grant create` offers and checks answers against. */
import type { RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { Quantity } from "../../../lib/quantity/mod.ts";
import type { Settings, TrustLevel, TrustRules } from "../../api/mod.ts";
import { createNodeStore } from "../../controllers/cluster_watch.ts";
import type { Stores } from "../../controllers/stores.ts";
import { granteeFrom } from "../../core/grant/parties.ts";
import { rulesOf, trustOf } from "../../core/grant/lifecycle.ts";
import { sumLists } from "../../core/resources/quota_lists.ts";
import type { ResourceList } from "../../core/resources/resource_list.ts";
import { isGpu, type OfferedGpus } from "./amount_flags.ts";

/** A Realm or SuperEntity that a grant can be made to. */
export interface Grantee {
  name: string;
  level: TrustLevel;
  rules: TrustRules;
  /** Kind, trust level and connection, for the list. */
  hint: string;
}

/** Returns the other Realms, then the SuperEntities, by name. */
export function granteesIn({ realms, superEntities }: Stores, settings: Settings): Grantee[] {
  const byName = <T extends { name: string }>(all: readonly T[]) => [...all].sort((a, b) => a.name < b.name ? -1 : 1);
  const others = byName(realms.list()).filter(({ status, deleting }) => !status.local && !deleting).map((realm) => ({
    name: realm.name,
    level: trustOf(realm),
    rules: rulesOf(settings, realm),
    hint: `${trustOf(realm)}, ${realm.status.connectionState ?? "not seen yet"}`,
  }));
  const pools = byName(superEntities.list()).map((entity) => {
    const grantee = granteeFrom(undefined, entity, (name) => realms.get(name));
    return {
      name: entity.name,
      level: trustOf(grantee),
      rules: rulesOf(settings, grantee),
      hint: `SuperEntity, ${trustOf(grantee)}`,
    };
  });
  return [...others, ...pools];
}

/** Returns the resources that all nodes offer together; undefined if the user may not read nodes. */
export async function offeredResources(rest: RestClient): Promise<ResourceList | undefined> {
  const store = createNodeStore();
  try {
    for (const node of await new CoreV1Api(rest).nodes.all()) store.observe(node);
  } catch {
    return undefined;
  }
  return sumLists(store.list().map(({ allocatable }) => allocatable ?? new Map<string, Quantity>()));
}

/** Returns the GPUs among the resources that nodes offer. */
export const gpusIn = (offered: ResourceList | undefined): OfferedGpus =>
  offered &&
  new Map(
    [...offered].filter(([name, amount]) => isGpu(name) && amount.sign() > 0)
      .map(([name, amount]) => [name, Number(amount.nanos / 1_000_000_000n)]),
  );
