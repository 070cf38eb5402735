/** Builds the page's world from the front's caches. */
import type { Clock } from "../../../lib/clock/mod.ts";
import type { Stores } from "../../controllers/stores.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import type { PageWorld } from "../../core/page/page_view.ts";
import { localFrom } from "../admission_world.ts";

export interface PageWorldSources {
  stores: Pick<Stores, "grants" | "realms" | "superEntities" | "guestQuotas">;
  /** KEYSTONE_REALM, if set. */
  realm?: string;
  clock: Clock;
}

export function pageWorld({ stores, realm, clock }: PageWorldSources): PageWorld {
  const local = localFrom(stores, realm);
  return {
    ...(local.kind === "known" ? { lender: local.name } : {}),
    realms: stores.realms.list(),
    superEntities: stores.superEntities.list(),
    grants: stores.grants.list(),
    used: (namespace) =>
      stores.guestQuotas.index("namespace", namespace).find((each) => each?.quota.metadata?.name === quotaName)?.quota
        .status?.used as Readonly<Record<string, string>> | undefined,
    now: clock.now(),
  };
}

/** Calls the listener after changes of what the page shows, until the returned function is called. */
export function onPageChange({ stores }: Pick<PageWorldSources, "stores">, listener: () => void): () => void {
  const { grants, realms, superEntities, guestQuotas } = stores;
  const ends = [
    grants.subscribe(listener),
    realms.subscribe(listener),
    superEntities.subscribe(listener),
    guestQuotas.subscribe(listener),
  ];
  return () => ends.forEach((end) => end());
}
