/** Requests to other parts: DNS names to resolve for grants, and nodes of realms to observe closely. */
import { canonicalName } from "../core/realm/identity.ts";
import type { Context } from "./context.ts";
import { dnsNamesOf } from "./stores.ts";

/** Keeps the DNS names in grants resolved. */
export function resolveNames({ stores, names }: Pick<Context, "stores" | "names">): void {
  const asked = new Map<string, number>();
  stores.grants.subscribe(({ old, new: now }) => {
    const before = asked.size;
    let changed = false;
    for (const name of old ? dnsNamesOf(old) : []) {
      const left = asked.get(name)! - 1;
      if (left > 0) asked.set(name, left);
      else changed = asked.delete(name);
    }
    for (const name of now ? dnsNamesOf(now) : []) asked.set(name, (asked.get(name) ?? 0) + 1);
    if (changed || asked.size !== before) names.want(new Set(asked.keys()));
  });
}

/** Makes the tailnet observe the nodes of realms and the capabilities that its policy grants them. */
export function watchIdentities({ stores, tailnet }: Pick<Context, "stores" | "tailnet">): void {
  let planned = false;
  stores.realms.subscribe(({ old, new: now }) => {
    if (planned || old?.spec.identity === now?.spec.identity) return;
    // A list of realms arrives as many changes; one update covers all of them.
    planned = true;
    queueMicrotask(() => {
      planned = false;
      tailnet.watch(new Set(stores.realms.list().map(({ spec }) => canonicalName(spec.identity))));
    });
  });
}

/** Resolves once every DNS name in grants has been queried, whatever the result. */
export function namesResolved({ stores, names }: Context): Promise<void> {
  const waiting = new Set(stores.grants.list().flatMap(dnsNamesOf).filter((name) => names.get(name) === undefined));
  if (waiting.size === 0) return Promise.resolve();
  return new Promise((resolve) => {
    names.onChange((name) => {
      if (waiting.delete(name) && waiting.size === 0) resolve();
    });
  });
}
