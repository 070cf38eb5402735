/** Logs a line for each transition of a Grant, Realm or SuperEntity that this operator's caches show while it leads. */
import type { Clock } from "../../lib/clock/mod.ts";
import type { Transition } from "../core/transitions/transition.ts";
import { grantTransitions } from "../core/transitions/grant_transitions.ts";
import { realmTransitions } from "../core/transitions/realm_transitions.ts";
import { superEntityTransitions } from "../core/transitions/superentity_transitions.ts";
import type { Log } from "./operator_log.ts";
import type { Stores } from "./stores.ts";

/**
 * Subscribes to the caches, not to the writes: a status whose response was lost is seen there too.
 *
 * @param isLeading other operators would report the same
 */
export function logTransitions(
  { grants, realms, superEntities }: Pick<Stores, "grants" | "realms" | "superEntities">,
  { log, clock, isLeading }: { log: Log; clock: Clock; isLeading: () => boolean },
): void {
  const write = (fields: Record<string, unknown>, transitions: readonly Transition[]) => {
    for (const { level, transition, reason, message } of transitions) {
      const properties = { news: message, transition, ...(reason === undefined ? {} : { reason }), ...fields };
      if (level === "warn") log.warn("{news}", properties);
      else if (level === "info") log.info("{news}", properties);
      else log.debug?.("{news}", properties);
    }
  };
  grants.subscribe(({ key, old, new: now }) => {
    if (!isLeading()) return;
    const { spec, status } = (now ?? old)!;
    write(
      { grant: key, grantee: spec.granteeRealm, ...(status.phase ? { phase: status.phase } : {}) },
      grantTransitions(old, now, clock.now()),
    );
  });
  realms.subscribe(({ key, old, new: now }) => {
    if (!isLeading()) return;
    const { connectionState } = (now ?? old)!.status;
    write({ realm: key, ...(connectionState ? { state: connectionState } : {}) }, realmTransitions(old, now));
  });
  superEntities.subscribe(({ key, old, new: now }) => {
    if (!isLeading()) return;
    const { phase } = (now ?? old)!.status;
    write({ superentity: key, ...(phase ? { phase } : {}) }, superEntityTransitions(old, now));
  });
}
