/**
 * The true state: the objects of an API server with its controller manager, as far as Keystone depends on them. Objects
 * are stored as fields by path, because server-side apply works on fields: a field belongs to its last writer, and an
 * apply removes only fields that the same manager applied before.
 */
import {
  type GrantSpec,
  type GrantStatus,
  guestFinalizer,
  type RealmSpec,
  type RealmStatus,
  type SuperEntitySpec,
} from "../../src/api/mod.ts";
import type { OwnerReference } from "../../lib/kubernetes_apis/meta@v1.ts";
import type { StatusDetails } from "../../lib/kubernetes/mod.ts";
import { managedBy, managedByLabel, realmLabel, realmOfNamespace } from "../../src/core/names.ts";
import { sameJson } from "../../src/core/same_json.ts";

export const watchedKinds = [
  "grants",
  "realms",
  "superEntities",
  "namespaces",
  "quotas",
  "limitRanges",
  "serviceAccounts",
  "bindings",
  "guides",
  "policies",
  "pods",
  "clusterRoles",
  "clusterBindings",
  "flowSchemas",
  "priorityLevels",
] as const;
export type SimulatedKind = typeof watchedKinds[number] | "claims";

export interface Meta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** One version of an object; immutable, but replaceable. */
export interface SimulatedObject {
  metadata: Meta;
  spec?: unknown;
  status?: unknown;
  data?: Record<string, string>;
  subjects?: { kind: string; name: string }[];
  roleRef?: { kind: string; name: string };
  rules?: unknown;
  automountServiceAccountToken?: boolean;
  /** Only of a guide: true if its data is immutable. */
  immutable?: boolean;
  /** Paths that the operator applied and no other writer has changed since. */
  owned?: ReadonlySet<string>;
  /** Only of a pod. */
  pod?: PodTruth;
}

export interface PodTruth {
  cpuMilli: number;
  memoryMi: number;
  priority: number;
  /** A PodDisruptionBudget allows no disruption of it. */
  guarded: boolean;
  graceSeconds: number;
  finished: boolean;
  /** Held by the finalizer of the Job controller, which doesn't run. */
  held: boolean;
}

export interface QuotaSpec {
  hard: Record<string, string>;
  scopes?: string[];
}
export interface QuotaStatus {
  hard: Record<string, string>;
  used: Record<string, string>;
}

export const simulatedSpecOf = (grant: SimulatedObject): GrantSpec => grant.spec as GrantSpec;
export const statusOf = (grant: SimulatedObject): GrantStatus => (grant.status ?? {}) as GrantStatus;
export const realmSpecOf = (realm: SimulatedObject): RealmSpec => realm.spec as RealmSpec;
export const realmStatusOf = (realm: SimulatedObject): RealmStatus => (realm.status ?? {}) as RealmStatus;
export const quotaSpecOf = (quota: SimulatedObject): QuotaSpec => quota.spec as QuotaSpec;
export const quotaStatusOf = (quota: SimulatedObject): QuotaStatus =>
  (quota.status ?? { hard: {}, used: {} }) as QuotaStatus;

/** The object of a write. */
export type Stated = Omit<Partial<SimulatedObject>, "metadata"> & { metadata: Partial<Meta> & { name: string } };

/** The response to a write. Errors have the API server's messages, as far as the operator reads them. */
export type ApiAnswer = { ok: SimulatedObject } | { ok: null } | {
  error: number;
  why: string;
  details?: StatusDetails;
};

export interface ObjectChange {
  kind: SimulatedKind;
  type: "put" | "gone";
  object: SimulatedObject;
  old: SimulatedObject | undefined;
  /** The writer. */
  by: "operator" | "other";
}

export const simulatedKeyOf = (namespace: string | undefined, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

/** True if Keystone has created the namespace, by its labels. */
export const isMade = ({ metadata: { name, labels } }: SimulatedObject): boolean =>
  labels[managedByLabel] === managedBy && labels[realmLabel] === realmOfNamespace(name);

const separator = "|";
/** Returns the fields of an apply, as granular as the schemas' merge strategies. */
function fieldsOf(kind: SimulatedKind, object: Stated): Map<string, unknown> {
  const out = new Map<string, unknown>();
  const each = (path: string, map: Readonly<Record<string, unknown>> | undefined) => {
    for (const key in map) out.set(`${path}${separator}${key}`, map[key]);
  };
  each("labels", object.metadata.labels);
  each("annotations", object.metadata.annotations);
  if (kind === "quotas") each("hard", (object.spec as QuotaSpec).hard);
  else if (kind === "guides") each("data", object.data);
  else if (kind === "policies" || kind === "limitRanges" || kind === "flowSchemas") {
    each("spec", object.spec as Record<string, unknown>);
  } else if (kind === "bindings" || kind === "clusterBindings") {
    each("top", { roleRef: object.roleRef, subjects: object.subjects });
  } else if (kind === "clusterRoles") each("top", { rules: object.rules });
  else if (kind === "serviceAccounts") {
    each("top", { automountServiceAccountToken: object.automountServiceAccountToken });
  }
  for (const owner of object.metadata.ownerReferences ?? []) out.set(`owners${separator}${owner.uid}`, owner);
  return out;
}

const without = <T>(map: Readonly<Record<string, T>>, key: string): Record<string, T> => {
  const { [key]: _, ...rest } = map;
  return rest;
};

/** Returns the fields of an area whose values are texts, which most writes leave as they are. */
function textsIn(object: SimulatedObject, area: string): Readonly<Record<string, string>> | undefined {
  switch (area) {
    case "labels":
    case "annotations":
      return object.metadata[area];
    case "hard":
      return (object.spec as QuotaSpec | undefined)?.hard;
    case "data":
      return object.data;
    default:
      return undefined;
  }
}

/** Returns the object with one field set or removed. */
function withField(object: SimulatedObject, path: string, value: unknown): SimulatedObject {
  const at = path.indexOf(separator);
  const [area, key] = [path.slice(0, at), path.slice(at + 1)];
  if (textsIn(object, area)?.[key] === value) return object;
  const change = <T>(map: Readonly<Record<string, T>>) =>
    value === undefined ? without(map, key) : { ...map, [key]: value as T };
  switch (area) {
    case "labels":
      return { ...object, metadata: { ...object.metadata, labels: change(object.metadata.labels) } };
    case "annotations":
      return { ...object, metadata: { ...object.metadata, annotations: change(object.metadata.annotations) } };
    case "owners": {
      const others = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== key);
      const ownerReferences = value === undefined ? others : [...others, value as OwnerReference];
      return { ...object, metadata: { ...object.metadata, ownerReferences } };
    }
    case "hard": {
      const spec = object.spec as QuotaSpec | undefined;
      return { ...object, spec: { ...spec, hard: change(spec?.hard ?? {}) } };
    }
    case "data":
      return { ...object, data: change(object.data ?? {}) };
    case "spec":
      // An empty list in a field with omitempty is stored as absent.
      return {
        ...object,
        spec: Array.isArray(value) && value.length === 0
          ? without(object.spec as Record<string, unknown> ?? {}, key)
          : change((object.spec ?? {}) as Record<string, unknown>),
      };
    default:
      return { ...object, [key]: value };
  }
}

export class World {
  /** The API server's clock, epoch milliseconds. */
  now: number;
  readonly #tables = new Map<SimulatedKind, Map<string, SimulatedObject>>();
  #version: number;
  #uids: number;
  listener: (change: ObjectChange) => void = () => {};
  /** Objects, as `kind key`, whose writes by the operator a policy refuses. */
  readonly refused: Set<string>;

  constructor(now: number, from?: World) {
    this.now = now;
    this.refused = new Set(from?.refused);
    this.#version = from ? from.#version : 1;
    this.#uids = from ? from.#uids : 0;
    for (const kind of [...watchedKinds, "claims"] as const) {
      this.#tables.set(kind, new Map(from ? from.#tables.get(kind) : undefined));
    }
  }

  /** Increases with each change. */
  get version(): number {
    return this.#version;
  }

  /** Returns the API server's error for a write of the operator that a policy refuses. */
  refuses(kind: SimulatedKind, key: string): ApiAnswer | undefined {
    return this.refused.has(`${kind} ${key}`)
      ? { error: 403, why: 'admission webhook "policy.example.com" denied the request: not here' }
      : undefined;
  }

  /** Returns a copy, which changes independently from here. */
  clone(): World {
    return new World(this.now, this);
  }

  get(kind: SimulatedKind, key: string): SimulatedObject | undefined {
    return this.#tables.get(kind)!.get(key);
  }

  list(kind: SimulatedKind): SimulatedObject[] {
    return [...this.#tables.get(kind)!.values()];
  }

  within(kind: SimulatedKind, namespace: string): SimulatedObject[] {
    return this.list(kind).filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Returns the time in whole seconds, as the API server writes times. */
  stamp(): string {
    return new Date(Math.floor(this.now / 1000) * 1000).toISOString().replace(".000Z", "Z");
  }

  #put(kind: SimulatedKind, object: SimulatedObject, by: ObjectChange["by"]): SimulatedObject {
    const key = simulatedKeyOf(object.metadata.namespace, object.metadata.name);
    const old = this.get(kind, key);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#tables.get(kind)!.set(key, stored);
    this.listener({ kind, type: "put", object: stored, old, by });
    return stored;
  }

  #gone(kind: SimulatedKind, object: SimulatedObject, by: ObjectChange["by"]): void {
    this.#tables.get(kind)!.delete(simulatedKeyOf(object.metadata.namespace, object.metadata.name));
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.listener({ kind, type: "gone", object: last, old: object, by });
  }

  /** Creates an object; returns an error if the name is taken or the namespace doesn't accept objects. */
  create(
    kind: SimulatedKind,
    object: Stated,
    by: ObjectChange["by"] = "other",
  ): ApiAnswer {
    const { name, namespace } = object.metadata;
    if (this.get(kind, simulatedKeyOf(namespace, name))) return { error: 409, why: `"${name}" already exists` };
    const refused = this.#refusedIn(namespace);
    if (refused) return refused;
    const stored: SimulatedObject = {
      ...object,
      metadata: {
        labels: {},
        annotations: {},
        ...object.metadata,
        generation: 1,
        uid: `u${++this.#uids}`,
        resourceVersion: "",
        creationTimestamp: this.stamp(),
      },
      ...(by === "operator" ? { owned: new Set(fieldsOf(kind, object).keys()) } : {}),
    };
    return { ok: this.#put(kind, stored, by) };
  }

  #refusedIn(namespace: string | undefined): ApiAnswer | undefined {
    if (namespace === undefined) return undefined;
    const home = this.get("namespaces", namespace);
    if (!home) {
      const details = { name: namespace, kind: "namespaces" };
      return { error: 404, why: `namespaces "${namespace}" not found`, details };
    }
    if (home.metadata.deletionTimestamp) {
      return {
        error: 403,
        why: `unable to create new content in namespace ${namespace} because it is being terminated`,
        details: { causes: [{ reason: "NamespaceTerminating", field: "metadata.namespace" }] },
      };
    }
    return undefined;
  }

  /** A change by another writer: the changed fields no longer belong to the operator. */
  edit(kind: SimulatedKind, key: string, path: string, value: unknown): void {
    const object = this.get(kind, key);
    if (!object) return;
    const owned = new Set(object.owned);
    owned.delete(path);
    this.#put(kind, { ...withField(object, path, value), owned }, "other");
  }

  /** Replaces parts of an object that are never applied: pods, quota scopes, deletion. */
  replace(kind: SimulatedKind, key: string, parts: Partial<SimulatedObject>): void {
    const object = this.get(kind, key);
    if (object) this.#put(kind, { ...object, ...parts }, "other");
  }

  /** Forced server-side apply by the operator; with a UID only to that object. */
  apply(
    kind: SimulatedKind,
    object: Stated,
    uid?: string,
  ): ApiAnswer {
    const { name, namespace } = object.metadata;
    const present = this.get(kind, simulatedKeyOf(namespace, name));
    if (!present) return uid === undefined ? this.create(kind, object, "operator") : isNoMore(uid);
    if (uid !== undefined && present.metadata.uid !== uid) return isAnother(uid, present);
    const fields = fieldsOf(kind, object);
    if (present.immutable && !sameJson({ ...present.data, ...object.data }, present.data)) {
      return { error: 422, why: "field is immutable when `immutable` is set" };
    }
    if ((kind === "bindings" || kind === "clusterBindings") && !sameJson(present.roleRef, object.roleRef)) {
      return { error: 422, why: "roleRef is immutable" };
    }
    let next = present;
    for (const path of present.owned ?? []) if (!fields.has(path)) next = withField(next, path, undefined);
    for (const [path, value] of fields) next = withField(next, path, value);
    next = { ...next, owned: new Set(fields.keys()) };
    const { owned: _1, ...was } = present;
    const { owned: _2, ...is } = next;
    // A write without changes makes no version and no event.
    if (sameJson(was, is)) {
      this.#tables.get(kind)!.set(simulatedKeyOf(namespace, name), next);
      return { ok: next };
    }
    return { ok: this.#put(kind, next, "operator") };
  }

  /** A merge patch of labels and annotations; null removes a key. */
  patch(
    key: string,
    uid: string,
    labels: Record<string, string | null>,
    annotations: Record<string, string | null>,
  ): ApiAnswer {
    const present = this.get("namespaces", key);
    if (!present) return isNotFound("namespaces", key);
    if (present.metadata.uid !== uid) return isAnother(uid, present);
    let next = present;
    for (const [name, value] of Object.entries(labels)) {
      next = withField(next, `labels${separator}${name}`, value ?? undefined);
    }
    for (const [name, value] of Object.entries(annotations)) {
      next = withField(next, `annotations${separator}${name}`, value ?? undefined);
    }
    return { ok: this.#put("namespaces", next, "operator") };
  }

  /** Deletes an object, or marks it while finalizers or content hold it. */
  delete(
    kind: SimulatedKind,
    key: string,
    uid: string | undefined,
    by: ObjectChange["by"],
    graceSeconds?: number,
  ): ApiAnswer {
    const present = this.get(kind, key);
    if (!present) return isNotFound(kind, key);
    if (uid !== undefined && present.metadata.uid !== uid) return isAnother(uid, present);
    const lingers = kind === "namespaces" || kind === "pods" || (present.metadata.finalizers?.length ?? 0) > 0;
    if (!lingers) {
      this.#gone(kind, present, by);
      return { ok: null };
    }
    const { pod } = present;
    const grace = pod && Math.min(graceSeconds ?? Infinity, pod.graceSeconds);
    // The grace period of an ending pod can only be shortened.
    if (!present.metadata.deletionTimestamp || (pod && grace! < pod.graceSeconds)) {
      this.#put(kind, {
        ...present,
        ...(pod ? { pod: { ...pod, graceSeconds: grace! } } : {}),
        metadata: {
          ...present.metadata,
          deletionTimestamp: present.metadata.deletionTimestamp ?? this.stamp(),
          generation: present.metadata.generation + 1,
        },
      }, by);
    }
    return { ok: null };
  }

  /** Removes an object whose deletion is complete: a stopped pod, an empty namespace. */
  finish(kind: SimulatedKind, key: string): void {
    const present = this.get(kind, key);
    if (present) this.#gone(kind, present, "other");
  }

  /** The Eviction API: refused while a PodDisruptionBudget forbids it. */
  evict(key: string, uid: string, graceSeconds: number): ApiAnswer {
    const pod = this.get("pods", key);
    // An eviction is a create request, and a namespace in deletion accepts none.
    const refused = pod && this.#refusedIn(pod.metadata.namespace);
    if (refused) return refused;
    if (pod?.metadata.uid === uid && pod.pod!.guarded && !pod.metadata.deletionTimestamp) {
      const message = "The disruption budget guard needs 1 healthy pods and has 1 currently";
      return {
        error: 429,
        why: "Cannot evict pod as it would violate the pod's disruption budget.",
        details: { causes: [{ reason: "DisruptionBudget", message }] },
      };
    }
    return this.delete("pods", key, uid, "operator", graceSeconds);
  }

  /** A person changes a Grant's terms, subject to the CRD's rules. */
  changeGrant(name: string, change: (spec: GrantSpec) => GrantSpec): boolean {
    const grant = this.get("grants", name);
    if (!grant) return false;
    const spec = change(simulatedSpecOf(grant));
    if (sameJson(spec, grant.spec)) return false;
    const { phase } = statusOf(grant);
    if (phase === "Expired" || phase === "Revoked") return false;
    const { revocation } = simulatedSpecOf(grant);
    if (revocation && !spec.revocation) return false;
    if (revocation?.reason && revocation.reason !== spec.revocation!.reason) return false;
    if (revocation?.immediate && !spec.revocation!.immediate) return false;
    const { metadata } = grant;
    this.#put("grants", { ...grant, spec, metadata: { ...metadata, generation: metadata.generation + 1 } }, "other");
    return true;
  }

  /** The same for a Realm. */
  changeRealm(name: string, change: (spec: RealmSpec) => RealmSpec): boolean {
    const realm = this.get("realms", name);
    if (!realm) return false;
    const spec = change(realmSpecOf(realm));
    if (sameJson(spec, realm.spec)) return false;
    const { metadata } = realm;
    this.#put("realms", { ...realm, spec, metadata: { ...metadata, generation: metadata.generation + 1 } }, "other");
    return true;
  }

  /** The same for a SuperEntity's terms and approvals. */
  changeEntity(name: string, change: (spec: SuperEntitySpec) => SuperEntitySpec): boolean {
    const entity = this.get("superEntities", name);
    if (!entity) return false;
    const spec = change(entity.spec as SuperEntitySpec);
    if (sameJson(spec, entity.spec)) return false;
    const { metadata } = entity;
    this.#put(
      "superEntities",
      { ...entity, spec, metadata: { ...metadata, generation: metadata.generation + 1 } },
      "other",
    );
    return true;
  }

  /** The operator writes a status, subject to the CRD's rules. */
  applyStatus(kind: "grants" | "realms" | "superEntities", name: string, uid: string, status: unknown): ApiAnswer {
    const present = this.get(kind, name);
    if (!present) return isNotFound(kind, name);
    if (present.metadata.uid !== uid) return isAnother(uid, present);
    const { phase } = statusOf(present);
    if (kind === "grants" && (phase === "Expired" || phase === "Revoked") && phase !== (status as GrantStatus).phase) {
      return { error: 422, why: `this grant has ended (${phase})` };
    }
    if (sameJson(present.status, status)) return { ok: present };
    return { ok: this.#put(kind, { ...present, status }, "operator") };
  }

  /** Adds the finalizer. */
  addFinalizer(name: string, uid: string, kind: "grants" | "superEntities" = "grants"): ApiAnswer {
    const present = this.get(kind, name);
    if (!present) return isNoMore(uid);
    if (present.metadata.uid !== uid) return isAnother(uid, present);
    const { finalizers = [], ...metadata } = present.metadata;
    if (finalizers.includes(guestFinalizer)) return { ok: present };
    if (metadata.deletionTimestamp) {
      return { error: 422, why: "no new finalizers can be added if the object is being deleted" };
    }
    return {
      ok: this.#put(kind, { ...present, metadata: { ...metadata, finalizers: [guestFinalizer] } }, "operator"),
    };
  }

  /** Removes it, if the version is the one that was seen; a deleted grant is gone then. */
  removeFinalizer(
    name: string,
    uid: string,
    resourceVersion: string,
    kind: "grants" | "superEntities" = "grants",
  ): ApiAnswer {
    const present = this.get(kind, name);
    if (!present) return isNotFound(kind, name);
    if (present.metadata.uid !== uid) return isAnother(uid, present);
    if (present.metadata.resourceVersion !== resourceVersion) {
      return { error: 409, why: "the object has been modified; please apply your changes to the latest version" };
    }
    const next = { ...present, metadata: { ...present.metadata, finalizers: [] } };
    if (!present.metadata.deletionTimestamp) return { ok: this.#put(kind, next, "operator") };
    this.#gone(kind, next, "operator");
    return { ok: next };
  }

  /** Not forced: a value of another writer stays. */
  applyPin(name: string, uid: string, annotation: string, node: string): ApiAnswer {
    const present = this.get("realms", name);
    if (!present) return isNoMore(uid);
    if (present.metadata.uid !== uid) return isAnother(uid, present);
    const is = present.metadata.annotations[annotation];
    if (is === node) return { ok: present };
    if (is !== undefined) return { error: 409, why: 'Apply failed with 1 conflict: conflict with "kubectl"' };
    return { ok: this.#put("realms", withField(present, `annotations${separator}${annotation}`, node), "operator") };
  }

  /** Returns the status that the quota should have now. */
  #counted(quota: SimulatedObject): QuotaStatus {
    const namespace = quota.metadata.namespace!;
    const pods = this.within("pods", namespace).filter(({ pod }) => !pod!.finished);
    const cpu = pods.reduce((sum, { pod }) => sum + pod!.cpuMilli, 0);
    const memory = pods.reduce((sum, { pod }) => sum + pod!.memoryMi, 0);
    const claims = this.within("claims", namespace).length;
    const counts: Record<string, string> = {
      pods: `${pods.length}`,
      "count/pods": `${this.within("pods", namespace).length}`,
      "requests.cpu": milli(cpu),
      "limits.cpu": milli(cpu),
      "requests.memory": mebi(memory),
      "limits.memory": mebi(memory),
      persistentvolumeclaims: `${claims}`,
      "requests.storage": claims === 0 ? "0" : `${claims}Gi`,
      configmaps: `${1 + this.within("guides", namespace).length}`,
      "count/serviceaccounts": `${this.within("serviceAccounts", namespace).length}`,
    };
    const { hard } = quotaSpecOf(quota);
    return { hard, used: Object.fromEntries(Object.keys(hard).map((key) => [key, counts[key] ?? "0"])) };
  }

  /** The quota controller's step: spec.hard goes into force, and usage is counted. */
  count(key: string): boolean {
    const quota = this.get("quotas", key);
    if (!quota) return false;
    const status = this.#counted(quota);
    if (sameJson(status, quota.status)) return false;
    this.#put("quotas", { ...quota, status }, "other");
    return true;
  }

  /** Quota admission: the addition of a new pod or claim must fit the quota's *status*, and is counted at once. */
  admit(namespace: string, adds: Readonly<Record<string, number>>): boolean {
    const quota = this.get("quotas", `${namespace}/keystone`);
    if (!quota) return true;
    const { hard, used } = quotaStatusOf(quota);
    const next = { ...used };
    for (const [key, add] of Object.entries(adds)) {
      if (hard[key] === undefined) continue;
      const after = amount(used[key] ?? "0") + add;
      if (after > amount(hard[key])) return false;
      next[key] = milli(after);
    }
    this.#put("quotas", { ...quota, status: { hard, used: next } }, "other");
    return true;
  }
}

/** API groups of the kinds for which the operator reads them from errors. */
const groups: Partial<Record<SimulatedKind, string>> = {
  grants: "keystone.io",
  realms: "keystone.io",
  superEntities: "keystone.io",
};

function isNotFound(kind: SimulatedKind, key: string): ApiAnswer {
  const name = key.slice(key.indexOf("/") + 1);
  const group = groups[kind];
  return { error: 404, why: `${kind} "${name}" not found`, details: { name, kind, ...(group ? { group } : {}) } };
}

const isNoMore = (uid: string): ApiAnswer => ({
  error: 409,
  why: `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
});

const isAnother = (uid: string, { metadata }: SimulatedObject): ApiAnswer => ({
  error: 409,
  why: `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
});

const milli = (value: number): string => value % 1000 === 0 ? `${value / 1000}` : `${value}m`;
const mebi = (value: number): string => value === 0 ? "0" : `${value}Mi`;

const factors: Readonly<Record<string, number>> = { m: 1, "": 1000, k: 1e6, Mi: 1000 * 2 ** 20, Gi: 1000 * 2 ** 30 };
const amounts = new Map<string, number>();

/** Parses a quantity into thousandths: enough for schedules, and independent of the operator's arithmetic. */
export function amount(text: string | number): number {
  const known = amounts.get(String(text));
  if (known !== undefined) return known;
  const [, digits, suffix] = String(text).match(/^(\d+)(m|k|Mi|Gi|)$/) ?? [];
  const factor = factors[suffix ?? "?"];
  if (factor === undefined) throw new Error(`${text} is not a quantity of the simulation`);
  const value = Number(digits) * factor;
  amounts.set(String(text), value);
  return value;
}
