/** Conditions that must hold for fixtures when the operator is idle, checked on the objects alone. */
import { isDeepStrictEqual } from "node:util";
import { parseQuantity, Quantity } from "../../lib/quantity/mod.ts";
import { defaultSettings, type TrustLevel, trustLevels } from "../../src/api/mod.ts";
import type { ViewedObject, ViewState } from "./cluster_view.ts";

/** Returns the conditions that don't hold, in sentences. */
export function faultsOf(state: ViewState): string[] {
  return Object.entries(state).flatMap(([key, object]) => {
    if (/^(Grant|Realm|SuperEntity) /.test(key)) {
      const faults = [...statusFaults(object), ...(object.kind === "Grant" ? grantFaults(object, state) : [])];
      return faults.map((fault) => `${key}: ${fault}`);
    }
    return key.startsWith("Namespace /guest-") ? guestFaults(object, state).map((fault) => `${key}: ${fault}`) : [];
  });
}

/** Reports whether a change is in progress: a status about an earlier spec, or a quota that isn't in force. */
export function isUnderWay(state: ViewState): boolean {
  return Object.entries(state).some(([key, object]) =>
    key.startsWith("ResourceQuota guest-")
      ? !isDeepStrictEqual(object.status?.hard, object.spec.hard)
      : /^(Grant|Realm|SuperEntity) /.test(key) && statusFaults(object).length > 0
  );
}

/** The status must be about the present spec, and conditions that aren't True need a message. */
function statusFaults({ kind, metadata, status }: ViewedObject): string[] {
  if (status === undefined) return ["has no status"];
  const conditions: ViewedObject[] = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready");
  const behind = (observed: number) => observed !== metadata.generation;
  return [
    ...(behind(status.observedGeneration) ? ["its status is about an earlier spec"] : []),
    ...conditions.filter(({ observedGeneration }) => behind(observedGeneration)).map(({ type }) =>
      `its condition ${type} is about an earlier spec`
    ),
    ...(ready ? [] : ["has no condition Ready"]),
    ...(kind !== "Realm" && !status.phase ? ["has no phase"] : []),
    ...conditions.filter(({ status, message }) => status !== "True" && !message).map(({ type }) =>
      `its condition ${type} has no message`
    ),
    // In progress for ever.
    ...conditions.filter(({ reason }) => ["Applying", "QuotaPending", "PoolPending"].includes(reason)).map((
      { type, reason },
    ) => `its condition ${type} stays ${reason}`),
  ];
}

const conditionOf = ({ status }: ViewedObject, type: string): ViewedObject =>
  status?.conditions?.find((each: ViewedObject) => each.type === type);

const isInForce = (grant: ViewedObject): boolean => grant.status?.phase === "Active";

/** A grant in force must have its terms in the enforced quota, and conditions must be right. */
function grantFaults(grant: ViewedObject, state: ViewState): string[] {
  const quota = state[`ResourceQuota guest-${grant.spec.granteeRealm}/keystone`];
  if (!isInForce(grant)) {
    const isOver = ["Expired", "Revoked"].includes(grant.status?.phase);
    return [
      ...(conditionOf(grant, "Ready")?.status === "True" ? ["is Ready but not in force"] : []),
      ...(isOver && Date.parse(grant.status.effectiveUntil) > Date.now() + 60_000 ? ["has ended in the future"] : []),
    ];
  }
  if (!quota) return ["is in force without a quota"];
  if (conditionOf(grant, "QuotaApplied")?.status !== "True") return [];
  const keys = Object.keys(quota.spec.hard);
  return [
    ...keys.filter((key) => quota.status?.hard?.[key] !== quota.spec.hard[key]).map((key) =>
      `is QuotaApplied, but ${key} is ${quota.status?.hard?.[key]} instead of ${quota.spec.hard[key]}`
    ),
    ...Object.keys(grant.status.hard ?? {}).filter((key) => !keys.includes(key)).map((key) =>
      `is QuotaApplied, but ${key} is in no quota`
    ),
  ];
}

/** A guest namespace must not exceed the terms of the grants in force. */
function guestFaults(namespace: ViewedObject, state: ViewState): string[] {
  const name: string = namespace.metadata.name;
  const grantee = name.replace(/^guest-/, "");
  const grants = Object.values(state).filter((object) =>
    object.kind === "Grant" && object.spec.granteeRealm === grantee
  );
  const given = grants.filter(isInForce);
  const within = (kind: string): ViewedObject[] =>
    Object.entries(state).filter(([key]) => key.startsWith(`${kind} ${name}/`)).map(([, object]) => object);
  const bindings = within("RoleBinding");
  const openings = within("NetworkPolicy").filter(({ metadata }) => metadata.name.startsWith("grant-"));
  return [
    ...quotaFaults(state[`ResourceQuota ${name}/keystone`], given, trustIn(grantee, state)),
    ...(given.length === 0 && bindings.length > 0 ? ["gives guests access without a grant in force"] : []),
    ...openings.flatMap((policy) => openingFaults(policy, given)),
  ];
}

/**
 * Returns the trust level that applies to a grantee: for a SuperEntity the lowest of its approving members, as last
 * known.
 */
function trustIn(grantee: string, state: ViewState): TrustLevel {
  const members: ViewedObject[] = state[`SuperEntity /${grantee}`]?.status?.members ??
    [{ realm: grantee, approved: true }];
  const levels = members.filter(({ approved }) => approved).map(({ realm, trustLevel }): TrustLevel =>
    state[`Realm /${realm}`]?.spec.trustLevel ?? trustLevel ?? "public"
  );
  return trustLevels[Math.max(...levels.map((level) => trustLevels.indexOf(level)))] ?? "public";
}

/** No key may exceed the sum of the terms or, for keys that they don't name, of the trust level's defaults. */
function quotaFaults(quota: ViewedObject, given: ViewedObject[], trust: TrustLevel): string[] {
  if (!quota) return given.length > 0 ? ["has no quota"] : [];
  return Object.entries(quota.spec.hard as Record<string, string>).flatMap(([key, value]) => {
    const most = given.reduce((sum, grant) => sum.add(mostOf(key, grant, trust)), parseQuantity("0"));
    // The API server stores thousandths: each grant is rounded up to the next.
    const rounding = parseQuantity(`${given.length}m`);
    const furniture = parseQuantity(standardObjects[key] ?? 0);
    const [found, bound] = [parseQuantity(value), most.add(furniture)];
    return found.compare(bound) <= 0 || found.compare(bound.add(rounding)) < 0
      ? []
      : [`gives ${value} of ${key}, but the terms give ${most.toString()}`];
  });
}

/** The guests' guide, the API server's CA certificate and the account `default`, which are in each namespace. */
const standardObjects: Record<string, number> = { configmaps: 2, "count/serviceaccounts": 1 };

const alias: Record<string, string> = {
  cpu: "requests.cpu",
  memory: "requests.memory",
  "ephemeral-storage": "requests.ephemeral-storage",
};
const counted = /^(configmaps|secrets|services|persistentvolumeclaims|replicationcontrollers|count\/.*)$/;

/** Returns the most that a grant may give of a key, by its terms and the defaults of the trust level. */
function mostOf(key: string, { spec }: ViewedObject, trust: TrustLevel) {
  const { pods, objects, ephemeralStorage, history } = defaultSettings.trust[trust];
  const named = Object.fromEntries(
    Object.entries(spec.hard as Record<string, string>).map((
      [key, value],
    ) => [
      alias[key] ??
        key.replace(/^count\/(configmaps|secrets|services|persistentvolumeclaims|replicationcontrollers)$/, "$1"),
      value,
    ]),
  );
  const twin = key.startsWith("requests.") ? key.replace("requests.", "limits.") : key.replace("limits.", "requests.");
  if (named[key] !== undefined) return parseQuantity(named[key]);
  if (/^(requests|limits)\.(cpu|memory|ephemeral-storage)$/.test(key) && named[twin] !== undefined) {
    return parseQuantity(named[twin]);
  }
  if (key.endsWith(".ephemeral-storage")) return parseQuantity(ephemeralStorage);
  const ofClass = Object.keys(named).filter((each) => each.endsWith(".storageclass.storage.k8s.io/requests.storage"));
  if (key === "requests.storage") {
    return ofClass.reduce((sum, each) => sum.add(parseQuantity(named[each]!)), parseQuantity("0"));
  }
  if (key.endsWith(".storageclass.storage.k8s.io/requests.storage") && ofClass.length === 0) {
    return parseQuantity(named["requests.storage"] ?? "0");
  }
  if (key.endsWith(".storageclass.storage.k8s.io/persistentvolumeclaims")) {
    return parseQuantity(named["persistentvolumeclaims"] ?? objects);
  }
  if (key === "pods") return parseQuantity(pods);
  // Counts of objects created by controllers: as many as their owners may need (docs/security.md).
  const most = (of: string, unnamed: number): Quantity => parseQuantity(named[of] ?? unnamed);
  const times = ({ nanos, format }: Quantity, count: number) => new Quantity(nanos * BigInt(count), format);
  const owned = (of: string, each: number) => times(most(`count/${of}`, objects), each);
  if (key === "count/pods") return times(most("pods", pods), 2).add(parseQuantity(100));
  if (key === "count/replicasets.apps") return owned("deployments.apps", history + 2).add(parseQuantity(objects));
  if (key === "count/jobs.batch") return owned("cronjobs.batch", 2 * history + 2).add(parseQuantity(objects));
  if (key === "count/controllerrevisions.apps") {
    return owned("statefulsets.apps", history + 2).add(owned("daemonsets.apps", history + 2));
  }
  return parseQuantity(counted.test(key) && key !== "count/resourceclaims.resource.k8s.io" ? objects : 0);
}

/** A policy may open only its grant's destinations, and only while the grant is in force and allows egress. */
function openingFaults({ metadata, spec }: ViewedObject, given: ViewedObject[]): string[] {
  const grant = given.find((each) => `grant-${each.metadata.name}` === metadata.name);
  if (!grant) return [`${metadata.name} opens destinations of a grant that isn't in force`];
  if (!grant.spec.networkPolicy?.egressAllowed) {
    return [`${metadata.name} opens destinations, but egressAllowed is not true`];
  }
  const resolved: ViewedObject[] = grant.status.resolvedDestinations ?? [];
  const named = new Set(grant.spec.networkPolicy.allowedDestinations);
  const addresses = new Set(
    resolved.filter(({ destination }) => named.has(destination)).flatMap(({ addresses = [] }) => addresses),
  );
  const open: string[] = spec.egress.flatMap(({ to = [] }: ViewedObject) =>
    to.map(({ ipBlock }: ViewedObject) => ipBlock?.cidr)
  );
  return [
    ...(open.length === 0 ? [`${metadata.name} opens everything: it has no peer`] : []),
    ...open.filter((cidr) => !addresses.has(cidr)).map((cidr) =>
      `${metadata.name} opens ${cidr}, which is not among its destinations`
    ),
  ];
}

/** Returns the leftovers of deleted fixtures. Guests keep their stored data, in a closed namespace. */
export function leftoversOf(state: ViewState): string[] {
  const isOnNotice = Object.values(state).some((object) =>
    object.kind === "Grant" && object.metadata.deletionTimestamp && object.spec.termination?.noticeSeconds !== 0
  );
  if (isOnNotice) return [];
  return Object.entries(state).flatMap(([key, object]) => {
    // The garbage collector deletes a Realm's dependents later.
    if (object.metadata.ownerReferences) return [];
    if (!/ guest-| \/guest-/.test(key)) return [`${key} is left`];
    if (key.startsWith("RoleBinding ")) return [`${key} gives guests access`];
    if (!key.startsWith("ResourceQuota ")) return [];
    return Object.entries(object.spec.hard as Record<string, string>).filter(([, value]) => value !== "0").map((
      [name, value],
    ) => `${key} gives ${value} of ${name}`);
  });
}

/** Returns the faults in the API server's refusal of a value of this field. */
export function refusalFaults({ code, message }: { code: number; message: string }, names: string[]): string[] {
  // For a field that the schema doesn't have, the API server itself quotes the whole stored object.
  const own = /strict decoding error/.test(message) ? message.replace(/"(?:[^"\\]|\\.)*"/g, "") : message;
  const ofTheRule = /failed rule|no such key|internal error|cost budget|runtime error/i;
  return [
    ...(code === 422 || code === 400 ? [] : [`is refused with ${code}`]),
    ...(names.some((name) => message.includes(name)) ? [] : [`doesn't name ${names.at(-1)}`]),
    ...(ofTheRule.test(message) ? ["names the rule, not the value"] : []),
    ...(own.length > 8192 ? [`is ${own.length} characters long`] : []),
  ].map((fault) => `the refusal ${fault}: ${message.slice(0, 400)}`);
}
