/** Sources that triggers of loops listen to, by name. */
import { isDeepStrictEqual } from "node:util";
import { type ChangeSource, type KeyRequest, onChange as onSource, type Trigger } from "../engine/triggers.ts";
import type { TailnetChange } from "../tailnet/tailnet.ts";
import type { Context } from "./context.ts";
import type { Stores } from "./stores.ts";

/** Sources beside the caches in `Stores`. */
const others = {
  cluster: ({ cluster }: Context): ChangeSource<void> => ({ subscribe: (listener) => cluster.onChange(listener) }),
  names: ({ names }: Context): ChangeSource<string> => ({ subscribe: (listener) => names.onChange(listener) }),
  tailnet: ({ tailnet }: Context): ChangeSource<TailnetChange> => ({
    subscribe: (listener) => tailnet.onChange(listener),
  }),
  /** Names of the grants of which something is enforced differently. */
  enforcements: ({ enforcements }: Context) => enforcements.changes,
  /** Grants that have other room in the pool of a SuperEntity. */
  pools: ({ pools }: Context) => pools.shared,
  /** Grantees of whom it was seen what is enforced. */
  confirmed: ({ pools }: Context) => pools.confirmed,
  /** Grants whose status is decided otherwise than it is written, or is written at last. */
  decidedGrants: ({ unwritten }: Context) => unwritten.grants.changes,
  decidedRealms: ({ unwritten }: Context) => unwritten.realms.changes,
  local: ({ signals }: Context) => signals.local,
  pods: ({ signals }: Context) => signals.pods,
  pinged: ({ signals }: Context) => signals.pinged,
  flowsKnown: ({ signals }: Context) => signals.flowsKnown,
  storage: ({ signals }: Context) => signals.storage,
  webhook: ({ signals }: Context) => signals.webhook,
  writable: ({ signals }: Context) => signals.writable,
};

type Others = typeof others;
type SourceOf<S> = S extends keyof Others ? ReturnType<Others[S]> : S extends keyof Stores ? Stores[S] : never;
type ChangeOf<S> = SourceOf<S> extends ChangeSource<infer T> ? T : never;

/** Wakes the keys that `concerned` says for each change of a source: a cache, or another one. */
export const onStore = <S extends keyof Stores | keyof Others>(
  source: S,
  concerned: (change: ChangeOf<S>, context: Context) => Iterable<KeyRequest>,
): Trigger<Context> =>
  onSource((context) => {
    const reporting = Object.hasOwn(others, source)
      ? others[source as keyof Others](context)
      : context.stores[source as keyof Stores];
    return reporting as unknown as ChangeSource<ChangeOf<S>>;
  }, concerned);

/** The key of the object that has changed. */
export const self = ({ key }: { key: string }): KeyRequest[] => [key];

/** Reports each time that another realm is this cluster's own. */
export function watchLocal({ stores, tailnet, local, signals }: Context): void {
  let known = local();
  const look = () => {
    const now = local();
    if (isDeepStrictEqual(known, now)) return;
    known = now;
    signals.local.emit();
  };
  stores.realms.subscribe(look);
  tailnet.onChange(look);
}
