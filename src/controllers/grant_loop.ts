/** The grant loop: finalizer, status and events of each Grant. */
import type { GrantStatus } from "../api/mod.ts";
import { isPermanent } from "../core/grant/termination.ts";
import { endRecord, type GrantPlan, type GrantWorld, planGrant } from "../core/grant/plan_grant.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { guestNamespace } from "../core/names.ts";
import { listFrom } from "../core/resources/quota_lists.ts";
import { type ApplyOutcome, defineLoop } from "../engine/loop.ts";
import { concernsParties, concernsPolicies, entitiesWith } from "./concerns.ts";
import type { Context } from "./context.ts";
import { poolingOf, readParties } from "./pools.ts";
import { guestWritesIn, keyIn } from "./stores.ts";
import { onStore, self } from "./sources.ts";

const allGrants = ({ stores }: Context): string[] => stores.grants.list().map(({ name }) => name);
const everyGrant = (_: unknown, context: Context): string[] => allGrants(context);

export const grantLoop = defineLoop({
  name: "grants",
  keyName: "grant",
  concurrency: 16,
  keys: allGrants,
  triggers: [
    onStore("grants", self),
    onStore("enforcements", self),
    // The grantee's trust level limits the grant.
    onStore("realms", (change, context) => {
      const { key, old, new: now } = change;
      const terms = old?.deleting !== now?.deleting || old?.generation !== now?.generation;
      return [
        ...terms ? grantsTo(context, key) : [],
        ...concernsPolicies(change) ? entitiesWith(context, key).flatMap((name) => grantsWith(context, name)) : [],
      ];
    }),
    onStore("superEntities", (change, context) => concernsParties(change) ? grantsWith(context, change.key) : []),
    onStore(
      "pools",
      ({ entity, uids }, { stores }) =>
        stores.grants.index("grantor", entity).filter(({ uid }) => uids.has(uid)).map(({ name }) => name),
    ),
    // Guests' writes are closed before the status reports it.
    onStore(
      "flowSchemas",
      ({ old, new: now }, context) =>
        context.knowsFlows && (old?.guestWrites ?? "Open") !== (now?.guestWrites ?? "Open") ? allGrants(context) : [],
    ),
    onStore("flowsKnown", (_, context) => guestWritesIn(context.stores) === "Open" ? [] : allGrants(context)),
    onStore(
      "capacity",
      (keys, { stores }) =>
        stores.grants.list().filter(({ spec, status }) =>
          status.phase !== "Expired" && status.phase !== "Revoked" && concernsCapacity(spec.hard, keys)
        ).map(({ name }) => name),
    ),
    onStore("local", everyGrant),
    onStore("writable", everyGrant),
  ],
  observe: observeGrant,
  plan: planGrant,
  forget: ({ unwritten }: Context, name: string) => unwritten.grants.forget(name),
  confirm: confirmGrant,
  waitsForClock: true,
});

/** Reports whether terms name one of the keys. Without keys, storage classes have changed. */
const concernsCapacity = (hard: Readonly<Record<string, string | number>>, keys: ReadonlySet<string>): boolean =>
  keys.size === 0 || [...listFrom(hard).keys()].some((key) => keys.has(key));

const grantsTo = ({ stores }: Context, grantee: string): string[] =>
  stores.grants.index("grantee", grantee).map(({ name }) => name);

/** Returns the grants from and to a SuperEntity. */
const grantsWith = (context: Context, entity: string): string[] => [
  ...grantsTo(context, entity),
  ...context.stores.grants.index("grantor", entity).map(({ name }) => name),
];

function observeGrant(context: Context, name: string): GrantWorld | undefined {
  const { stores, enforcements, settings, clock, unwritten } = context;
  const written = stores.grants.get(name);
  if (!written) return undefined;
  const grant = unwritten.grants.decided(written);
  const { granteeRealm } = grant.spec;
  const { realm, local, unread } = readParties(context, granteeRealm);
  const namespace = guestNamespace(granteeRealm);
  const quota = stores.quotas.get(keyIn(namespace, quotaName));
  return {
    grant,
    written: written.status,
    // Events can be created in the namespace unless it is terminating.
    ...(quota && !stores.namespaces.get(namespace)?.deleting
      ? { quota: { namespace: quota.namespace, name: quota.name, uid: quota.uid } }
      : {}),
    realm,
    local,
    unread,
    pooling: poolingOf(context),
    settings,
    skewMs: context.skewMs(),
    enforcement: enforcements.get(granteeRealm, name),
    room: context.capacity.room,
    // Until it is known, the reported value stays.
    ...(context.knowsFlows ? { guestWrites: guestWritesIn(stores) } : {}),
    now: clock.now(),
  };
}

/**
 * Keeps a status that could not be written: what it closes is closed anyway. A permanent end counts only once
 * written.
 */
function confirmGrant({ unwritten }: Context, { world, plan, failed }: ApplyOutcome<GrantWorld, GrantPlan>): void {
  const { grant } = world;
  const status: GrantStatus = plan.status ?? grant.status;
  if (failed.length === 0) return unwritten.grants.forget(grant.name);
  if (!failed.some(({ effect }) => "status" in effect)) return;
  const kept = isPermanent(status) ? endRecord(grant, status) : status;
  if (kept) unwritten.grants.keep(grant, kept);
}
