/** Builds the page's world from the front's caches. */
import type { Clock } from "../../../lib/clock/mod.ts";
import type { Stores } from "../../controllers/stores.ts";
import { quotaName } from "../../core/guest/objects/quota.ts";
import type { LocalRealm } from "../../core/facts.ts";
import type { Caller } from "../../core/people/caller.ts";
import { strangerSentence } from "../../core/people/stranger.ts";
import type { PageCaller, PageWorld } from "../../core/page/page_view.ts";

export interface PageWorldSources {
  stores: Pick<Stores, "grants" | "realms" | "superEntities" | "guestQuotas">;
  local: () => LocalRealm;
  clock: Clock;
}

export function pageWorld({ stores, local, clock }: PageWorldSources): PageWorld {
  const here = local();
  return {
    ...(here.kind === "known" ? { lender: here.name } : {}),
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

/** Returns the caller as the page knows it. */
export const pageCallerOf = (caller: Caller): PageCaller => ({
  node: caller.identity.node || caller.identity.stableId,
  login: caller.identity.login,
  realms: caller.realms,
  isViewer: caller.isViewer,
  refusal: strangerSentence(caller),
});
