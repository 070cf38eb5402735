/** What wakes what: changes of stores and of the tailnet become keys in queues. */
import { isDeepStrictEqual } from "node:util";
import type { AddOptions, Change } from "../../lib/controller/mod.ts";
import { singles } from "../core/guest/objects/table.ts";
import type { GrantFacts, RealmFacts, SuperEntityFacts } from "../core/facts.ts";
import { guestFlowName, realmOfApprover, realmOfNamespace } from "../core/names.ts";
import { canonicalName } from "../core/realm/identity.ts";
import type { Context } from "./context.ts";
import { gatherFlowMs } from "./guest_flow.ts";
import { dnsNamesOf, guestWritesIn, realmsOf } from "./stores.ts";
import { conditionOf } from "../core/conditions.ts";

/** Connects the stores and the tailnet with the queues; from then on each change wakes just those that it concerns. */
export function connectWakes(context: Context): void {
  const { stores, queues, tailnet } = context;

  stores.grants.subscribe(({ key, old, new: now }) => {
    queues.grants.add(key);
    wakeEntitiesOf(context, now ?? old!);
    if (!concernsGuest(old, now)) return;
    for (const grantee of new Set([old?.spec.granteeRealm, now?.spec.granteeRealm])) {
      if (grantee === undefined) continue;
      if (moreComes(context, old, now)) queues.guests.retry(grantee, { afterMs: gatherMs });
      else queues.guests.add(grantee);
    }
  });

  const wakeGrantsTo = (grantee: string) => {
    for (const { name } of stores.grants.index("grantee", grantee)) queues.grants.add(name);
  };

  let local = context.local();
  const localMayHaveChanged = () => {
    const now = context.local();
    if (isDeepStrictEqual(local, now)) return;
    local = now;
    for (const { name, spec } of stores.grants.list()) {
      queues.grants.add(name);
      queues.guests.add(spec.granteeRealm);
    }
    for (const { name } of stores.realms.list()) queues.realms.add(name);
    for (const { name } of stores.superEntities.list()) queues.superEntities.add(name);
  };

  // Several Realms of one identity stand in each other's way.
  const wakeNamesakes = (...realms: (RealmFacts | undefined)[]) => {
    for (const identity of realms.flatMap((realm) => realm ? canonicalName(realm.spec.identity) : [])) {
      for (const { name } of stores.realms.index("identity", identity)) queues.realms.add(name);
    }
  };

  stores.realms.subscribe(({ key, old, new: now }) => {
    queues.realms.add(key);
    if (old?.deleting !== now?.deleting || old?.spec.identity !== now?.spec.identity) wakeNamesakes(old, now);
    localMayHaveChanged();
    wakeEntitiesWith(context, key, { key, ...(old ? { old } : {}), ...(now ? { new: now } : {}) });
    // Its trust decides what grants to it may do.
    if (old?.deleting !== now?.deleting || old?.generation !== now?.generation) wakeGrantsTo(key);
    if (!concernsPolicies({ key, ...(old ? { old } : {}), ...(now ? { new: now } : {}) })) return;
    queues.guests.add(key);
    for (const { spec } of stores.grants.index("destination", key)) queues.guests.add(spec.granteeRealm);
  });

  const wakeGuestOf = (namespace: string, options: AddOptions = {}) => {
    const grantee = realmOfNamespace(namespace);
    if (grantee !== undefined) queues.guests.add(grantee, options);
  };
  stores.namespaces.subscribe(({ key }) => wakeGuestOf(key));
  const { quotas, policies } = stores;
  const others = singles.map(([, { cache }]) => stores[cache]).filter((store) => store !== quotas);
  for (const store of [...others, policies]) {
    store.subscribe(({ key }: { key: string }) => wakeGuestOf(key.slice(0, key.indexOf("/"))));
  }
  // What is put into force was begun before, and has waited for that alone.
  quotas.subscribe(({ key, old, new: now }) =>
    wakeGuestOf(key.slice(0, key.indexOf("/")), { begun: !isDeepStrictEqual(old?.enforced, now?.enforced) })
  );

  stores.identities.subscribe(({ old, new: now }) => {
    for (const realm of realmsOf((now ?? old)!)) {
      queues.guests.add(realm);
      if (stores.clusterRoles.size > 0) queues.approvers.add(realm);
    }
  });
  watchEntities(context);

  context.cluster.onChange(() => {
    for (const { name } of stores.superEntities.list()) queues.superEntities.add(name);
    for (const { spec } of stores.grants.list()) queues.guests.add(spec.granteeRealm);
  });

  resolveNames(context);
  watchIdentities(context);

  tailnet.onChange(({ names, all }) => {
    localMayHaveChanged();
    const realms = all
      ? stores.realms.list()
      : [...names].flatMap((name) => stores.realms.index("identity", canonicalName(name)));
    for (const { name } of realms) queues.realms.add(name);
  });
}

/** Begins to keep the FlowSchema of guests, once it is known; new subjects are gathered, because all are one object. */
export function connectFlowWakes(context: Context): void {
  const { stores, queues: { guestFlows } } = context;
  context.knowsFlows = true;
  const look = () => guestFlows.add(guestFlowName);
  const gather = () => guestFlows.retry(guestFlowName, { afterMs: gatherFlowMs });
  look();
  if (guestWritesIn(stores) !== "Open") wakeAllGrants(context);
  stores.flowSchemas.subscribe(({ old, new: now }) => {
    look();
    // First it closes, then it is said.
    if ((old?.guestWrites ?? "Open") !== (now?.guestWrites ?? "Open")) wakeAllGrants(context);
  });
  stores.priorityLevels.subscribe(look);
  stores.realms.subscribe(({ old, new: now }) => {
    if (!isDeepStrictEqual(old?.spec.subjects, now?.spec.subjects) || !old || !now) gather();
  });
  stores.superEntities.subscribe(({ old, new: now }) => {
    if (!old || !now) gather();
  });
}

function wakeAllGrants({ stores, queues }: Context): void {
  for (const { name } of stores.grants.list()) queues.grants.add(name);
}

/** The SuperEntities that a grant is from or to. */
function wakeEntitiesOf({ stores, queues }: Context, { spec }: GrantFacts): void {
  for (const name of [spec.grantorRealm, spec.granteeRealm]) {
    if (stores.superEntities.get(name)) queues.superEntities.add(name);
  }
}

/** What a Realm is to the SuperEntities that list it, and to the one that has its name. */
function wakeEntitiesWith(context: Context, realm: string, change: Change<RealmFacts>): void {
  const { stores, queues } = context;
  const listing = stores.superEntities.index("member", realm).map(({ name }) => name);
  const namesake = stores.superEntities.get(realm) ? [realm] : [];
  for (const name of [...listing, ...namesake]) queues.superEntities.add(name);
  if (!concernsPolicies(change)) return;
  if (listing.length > 0 || stores.clusterRoles.size > 0) queues.approvers.add(realm);
  for (const name of [...listing, ...namesake]) wakeParties(context, name);
}

/** All that goes by a SuperEntity: the grants from it and to it, and their guests. */
function wakeParties({ stores, queues }: Context, name: string): void {
  queues.guests.add(name);
  for (const grant of stores.grants.index("grantee", name)) queues.grants.add(grant.name);
  for (const grant of stores.grants.index("grantor", name)) {
    queues.grants.add(grant.name);
    queues.guests.add(grant.spec.granteeRealm);
  }
}

function watchEntities(context: Context): void {
  const { stores, queues } = context;
  stores.superEntities.subscribe(({ key, old, new: now }) => {
    queues.superEntities.add(key);
    if (isDeepStrictEqual(old && partyFacts(old), now && partyFacts(now))) return;
    if (stores.realms.get(key)) queues.realms.add(key);
    for (const { realm } of [...old?.spec.members ?? [], ...now?.spec.members ?? []]) queues.approvers.add(realm);
    wakeParties(context, key);
  });
  for (const store of [stores.clusterRoles, stores.clusterBindings]) {
    store.subscribe(({ key }: { key: string }) => {
      const realm = realmOfApprover(key);
      if (realm !== undefined) queues.approvers.add(realm);
    });
  }
}

/** Of a SuperEntity, what grants and their guests are planned by. */
const partyFacts = ({ uid, generation, deletingSince, status }: SuperEntityFacts) => [
  uid,
  generation,
  deletingSince,
  status.phase,
  status.digest,
  status.message,
  status.members?.map(({ trustLevel }) => trustLevel),
];

/** Has the tailnet look closer at the nodes that realms are known by, and at what its policy grants them. */
function watchIdentities({ stores, tailnet }: Context): void {
  let planned = false;
  stores.realms.subscribe(({ old, new: now }) => {
    if (planned || old?.spec.identity === now?.spec.identity) return;
    // A list of realms comes as so many changes at once; all of them are one set of names.
    planned = true;
    queueMicrotask(() => {
      planned = false;
      tailnet.watch(new Set(stores.realms.list().map(({ spec }) => canonicalName(spec.identity))));
    });
  });
}

/** Keeps the names resolved that grants ask for, and wakes those whose names have moved. */
function resolveNames({ stores, names, queues }: Context): void {
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
  names.onChange((name) => {
    for (const { spec } of stores.grants.index("dnsName", name)) queues.guests.add(spec.granteeRealm);
  });
}

/** Resolves once each name that grants ask for has been asked for, with whatever answer. */
export function namesResolved({ stores, names }: Context): Promise<void> {
  const waiting = new Set(stores.grants.list().flatMap(dnsNamesOf).filter((name) => names.get(name) === undefined));
  if (waiting.size === 0) return Promise.resolve();
  return new Promise((resolve) => {
    names.onChange((name) => {
      if (waiting.delete(name) && waiting.size === 0) resolve();
    });
  });
}

/** Of its status, what the guest namespace is planned by: what has ended stays so, what was announced is kept to. */
function concernsGuest(old: GrantFacts | undefined, now: GrantFacts | undefined): boolean {
  return !old || !now || old.uid !== now.uid || old.generation !== now.generation ||
    old.deletingSince !== now.deletingSince || old.finalized !== now.finalized ||
    !isDeepStrictEqual(ladderOf(old), ladderOf(now));
}

/** What the Grant controller writes on many grants one after the other is looked at once for several of them. */
const gatherMs = 200;

/** Whether it is a write of the Grant controller, of which no instant depends, and the next is likely on its way. */
function moreComes({ stores }: Context, old: GrantFacts | undefined, now: GrantFacts | undefined): boolean {
  if (!old || !now || old.uid !== now.uid || old.generation !== now.generation) return false;
  if (old.deletingSince !== now.deletingSince) return false;
  return old.finalized === now.finalized ||
    (now.finalized && stores.grants.index("grantee", now.spec.granteeRealm).some(({ finalized }) => !finalized));
}

const ladderOf = ({ status: { phase, hard, reductions, effectiveUntil, conditions } }: GrantFacts) => [
  phase,
  hard,
  reductions,
  effectiveUntil,
  conditionOf({ conditions }, "Draining")?.reason,
];

/** A connection that comes and goes opens and closes nothing; terms, pins, addresses and who is verified do. */
function concernsPolicies({ old, new: now }: Change<RealmFacts>): boolean {
  return !old || !now || old.uid !== now.uid || old.generation !== now.generation || old.deleting !== now.deleting ||
    old.trustedNode !== now.trustedNode || !isDeepStrictEqual(trustOf(old), trustOf(now));
}

/** Of a realm's status, what is opened by it, and what is said about why not. */
const trustOf = ({ status: { node, trustedNode, trustedBefore, conditions } }: RealmFacts) => {
  const verified = conditionOf({ conditions }, "IdentityVerified");
  const why = verified && verified.status !== "True" ? [verified.reason, verified.message] : [];
  return [node?.stableID, node?.name, node?.addresses, trustedNode, trustedBefore, verified?.status, ...why];
};
