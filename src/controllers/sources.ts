/** Sources that loops' triggers listen to, by name. */
import { isDeepStrictEqual } from "node:util";
import { type ChangeSource, type KeyRequest, onChange as onSource, type Trigger } from "../engine/triggers.ts";
import type { TailnetChange } from "../tailnet/tailnet.ts";
import type { Context } from "./context.ts";
import type { Stores } from "./stores.ts";

/** Sources other than the caches in `Stores`. */
const others = {
  cluster: ({ cluster }: Context): ChangeSource<void> => ({ subscribe: (listener) => cluster.onChange(listener) }),
  /** Keys whose amounts compare otherwise. */
  capacity: ({ capacity }: Context) => capacity.changes,
  names: ({ names }: Context): ChangeSource<string> => ({ subscribe: (listener) => names.onChange(listener) }),
  tailnet: ({ tailnet }: Context): ChangeSource<TailnetChange> => ({
    subscribe: (listener) => tailnet.onChange(listener),
  }),
  /** Keys of grants whose enforcement changed. */
  enforcements: ({ enforcements }: Context) => enforcements.changes,
  /** Grants from a SuperEntity whose allocation in its pool changed. */
  pools: ({ pools }: Context) => pools.shared,
  /** Grantees whose enforcement was observed. */
  confirmed: ({ pools }: Context) => pools.confirmed,
  /** Grants whose decided status changed while it can't be written, or was written at last. */
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

/**
 * Makes a trigger that enters the keys that `concerned` returns for each change of a source: a cache or another one.
 */
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

/** Returns the key of the changed object. */
export const self = ({ key }: { key: string }): KeyRequest[] => [key];

/** Reports each change of this cluster's realm. */
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
