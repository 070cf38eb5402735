/** The simulation's invariants, checked against every change that the API server has committed. */
import type { KubernetesObject } from "../../../lib/kubernetes/mod.ts";
import { Broken, Invariants, type Truth } from "../../simulation/invariants.ts";
import type { SimulatedKind, SimulatedObject } from "../../simulation/simulated_world.ts";
import type { RecordedFact } from "../recorder.ts";

const kinds: Readonly<Record<string, SimulatedKind>> = {
  grants: "grants",
  realms: "realms",
  namespaces: "namespaces",
  resourcequotas: "quotas",
  limitranges: "limitRanges",
  serviceaccounts: "serviceAccounts",
  rolebindings: "bindings",
  configmaps: "guides",
  networkpolicies: "policies",
  pods: "pods",
};

/** Resources that users and the controller-manager write; the operator writes all others. */
const others = new Set(["grants", "realms", "pods"]);

class History implements Truth {
  now = 0;
  readonly #objects = new Map<SimulatedKind, Map<string, SimulatedObject>>();

  get(kind: SimulatedKind, key: string): SimulatedObject | undefined {
    return this.#objects.get(kind)?.get(key);
  }

  within(kind: SimulatedKind, namespace: string): SimulatedObject[] {
    return [...this.#objects.get(kind)?.values() ?? []].filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Records one change; returns the object before it. */
  take(
    kind: SimulatedKind,
    { type, object }: RecordedFact,
  ): { stored: SimulatedObject; old: SimulatedObject | undefined } {
    const table = this.#objects.get(kind) ?? new Map<string, SimulatedObject>();
    this.#objects.set(kind, table);
    const stored = storedFrom(kind, object);
    const { namespace, name } = stored.metadata;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    const old = table.get(key);
    if (type === "DELETED") table.delete(key);
    else table.set(key, stored);
    return { stored, old };
  }
}

/** The tailnet's nodes and the clocks. */
export type Around = ConstructorParameters<typeof Invariants>[1];

/** Returns the first broken invariant. */
export function safety(sightings: readonly RecordedFact[], around: Around): string[] {
  const history = new History();
  const promises = new Invariants(history, around);
  try {
    for (const sighting of sightings) {
      const kind = kinds[sighting.resource];
      if (kind === undefined) continue;
      history.now = sighting.at;
      const { stored: object, old } = history.take(kind, sighting);
      const type = sighting.type === "DELETED" ? "gone" : "put";
      promises.changed({ kind, type, object, old, by: others.has(kind) ? "other" : "operator" });
      promises.hold();
    }
    // The invariants don't compute enforcement from a pool.
    if (!sightings.some(({ resource }) => resource === "superentities")) promises.atRest();
    return [];
  } catch (error) {
    if (error instanceof Broken) return [error.message];
    throw error;
  }
}

/** In the simulation empty fields are present. */
function storedFrom(kind: SimulatedKind, object: KubernetesObject): SimulatedObject {
  const stored = { ...object, metadata: { labels: {}, annotations: {}, ...object.metadata } } as SimulatedObject;
  return kind === "quotas" ? { ...stored, status: { hard: {}, used: {}, ...stored.status as object } } : stored;
}
