/**
 * All relevant objects of the cluster, from watches: those that the operator creates, and those that it must not
 * change.
 */
import { load } from "js-yaml";
import { systemClock } from "../../lib/clock/mod.ts";
import { Reflector, Store } from "../../lib/controller/mod.ts";
import { type KubernetesObject, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { written } from "../fixtures/written.ts";

// deno-lint-ignore no-explicit-any -- of a dozen kinds, read by those who know which
export type ViewedObject = any;

/** Objects by `Kind namespace/name`. */
export type ViewState = Record<string, ViewedObject>;

export class ClusterView {
  readonly #stores = written.map(({ kind }) => ({
    kind,
    store: new Store({ project: (object: KubernetesObject) => object }),
  }));
  /** Time of the last change, by `performance.now()`. */
  changedAt = 0;

  constructor(readonly rest: RestClient) {
    for (const { store } of this.#stores) store.subscribe(() => this.changedAt = performance.now());
  }

  /** Runs until the signal aborts; `synced` resolves when everything has been read once. */
  run(signal: AbortSignal): { synced: Promise<unknown>; ended: Promise<unknown> } {
    const reflectors = written.map((kind, index) =>
      new Reflector({ api: new ResourceApi(this.rest, kind), store: this.#stores[index]!.store, clock: systemClock })
    );
    return {
      ended: Promise.all(reflectors.map((reflector) => reflector.run(signal))),
      synced: Promise.all(reflectors.map((reflector) => reflector.synced(signal))),
    };
  }

  /** Returns all objects. */
  all(): ViewState {
    return Object.fromEntries(
      this.#stores.flatMap(({ kind, store }) =>
        store.list().map((object) => [`${kind} ${object.metadata!.namespace ?? ""}/${object.metadata!.name}`, object])
      ),
    );
  }

  /**
   * Groups all objects by the fixtures to which they belong, by name or namespace; under "" those that belong to none.
   */
  universes(tokens: Iterable<string>): Map<string, ViewState> {
    const states = new Map<string, ViewState>([...tokens, ""].map((token) => [token, {}]));
    for (const [key, object] of Object.entries(this.all())) {
      const state = states.get(key.match(/\bu\d{9}\b/)?.[0] ?? "");
      if (state) state[key] = object;
    }
    return states;
  }
}

/**
 * Returns a state without parts that always differ: versions, UIDs and field owners. Times of this hour become equal,
 * and so do the fixtures' own names and digests.
 */
export function comparable(state: ViewState, token: string): ViewState {
  const digests = Object.values(state).flatMap((object) => object.status?.digest ?? []);
  const text = JSON.stringify(
    Object.fromEntries(Object.entries(state).filter(isThere).sort(([a], [b]) => a < b ? -1 : 1)),
    // The guests' guide is a text that contains a list.
    (key, value) => volatile.has(key) ? undefined : key === "grants.yaml" ? load(value) : value,
  );
  const now = Date.now();
  const timeless = text.replace(
    /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g,
    (instant) => Math.abs(Date.parse(instant) - now) < 3_600_000 ? "(about now)" : instant,
  );
  const digestless = timeless.replace(
    /sha256:[0-9a-f]{64}/g,
    (digest) => digests.includes(digest) ? "(its digest)" : "(another digest)",
  );
  // The name of an account includes the UID of its Realm, which always differs.
  const nameless = digestless.replace(/(realm-[a-z0-9-]+-)[0-9a-f]{16}\b/g, "$1(its people)")
    .replace(/(Realm|SuperEntity)\/[0-9a-f-]{36}\/[0-9a-f]{16}\b/g, "$1/(its people)");
  return JSON.parse(token === "" ? nameless : nameless.replaceAll(token, "token")) as ViewState;
}

/** The role of a realm that is no longer a member of anything stays, empty, until the realm is deleted. */
const isThere = ([key, { rules, subjects }]: [string, ViewedObject]): boolean =>
  !key.includes(" /keystone-approve-") || rules?.length > 0 || subjects?.length > 0;

const volatile = new Set([
  ..."resourceVersion uid generation observedGeneration managedFields creationTimestamp".split(" "),
  // Of a quota: counts of objects that others create in a namespace, which the quota controller updates later.
  "used",
  "kubectl.kubernetes.io/last-applied-configuration",
  "specs.keystone.io/beat",
]);

/** Returns the differences of two states, as lines of the path, one value and the other. */
export function stateDifferences(one: unknown, other: unknown, path = ""): string[] {
  if (JSON.stringify(one) === JSON.stringify(other)) return [];
  const isBranch = (value: unknown) => typeof value === "object" && value !== null;
  if (!isBranch(one) || !isBranch(other)) return [`${path}: ${short(one)} | ${short(other)}`];
  const keys = new Set([...Object.keys(one as ViewedObject), ...Object.keys(other as ViewedObject)]);
  return [...keys].flatMap((key) =>
    stateDifferences((one as ViewedObject)[key], (other as ViewedObject)[key], path === "" ? key : `${path}.${key}`)
  );
}

const short = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};
