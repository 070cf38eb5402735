/** Guests with unreadable input: a part of their plan throws, and all other parts must go on. */
import type { Context } from "../../src/controllers/context.ts";

/** Parts of a plan that can be made to throw. */
export const breakable = ["realms", "dns", "proxies", "subjects", "guide", "limits", "g1", "g2"] as const;
export type Breakable = typeof breakable[number];

const thrown = () => {
  throw new TypeError("out of order");
};

/** Returns a copy of which some fields throw when they are read. */
function breaking<T extends object>(whole: T, ...fields: (keyof T)[]): T {
  const copy = Object.create(null, Object.getOwnPropertyDescriptors(whole)) as T;
  for (const field of fields) Object.defineProperty(copy, field, { get: thrown, enumerable: true, configurable: true });
  return copy;
}

/** Returns a store whose objects are changed by `show`. */
function showing<S extends { get(key: string): unknown }, P extends object>(store: S, show: (facts: P) => unknown): S {
  const shown = (facts: unknown) => facts === undefined ? undefined : show(facts as P);
  return new Proxy(store, {
    get(target, property) {
      if (property === "get") return (key: string) => shown(target.get(key));
      const value = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      if (property !== "index") return value.bind(target);
      return (...args: unknown[]) => (value.apply(target, args) as unknown[]).map(shown);
    },
  });
}

type Facts = { name: string; spec: Record<string, unknown> } & Record<string, unknown>;

/** Returns the input of one grantee's reconcile, with the broken part. */
export function brokenContext(context: Context, broken: Breakable, grantee: string): Context {
  const { stores, settings } = context;
  const replaced = (parts: Partial<Context>): Context => Object.assign(Object.create(context), parts);
  switch (broken) {
    case "realms": {
      const realms = showing(stores.realms, (realm: Facts) => realm.name === grantee ? realm : thrown());
      return replaced({ stores: { ...stores, realms } });
    }
    case "dns":
      return replaced({ settings: breaking(settings, "dns") });
    case "proxies":
      return replaced({ settings: breaking(settings, "realmPeers") });
    case "subjects": {
      const realms = showing(
        stores.realms,
        (realm: Facts) => realm.name === grantee ? { ...realm, spec: breaking(realm.spec, "subjects") } : realm,
      );
      return replaced({ stores: { ...stores, realms } });
    }
    case "guide":
      return replaced({
        stores: { ...stores, guides: showing(stores.guides, (facts: Facts) => breaking(facts, "data")) },
      });
    case "limits": {
      const limitRanges = showing(stores.limitRanges, (facts: Facts) => breaking(facts, "limits"));
      return replaced({ stores: { ...stores, limitRanges } });
    }
    default: {
      const grants = showing(
        stores.grants,
        (grant: Facts) =>
          grant.name === broken ? { ...grant, spec: breaking(grant.spec, "hard", "networkPolicy") } : grant,
      );
      return replaced({ stores: { ...stores, grants } });
    }
  }
}
