/** Facts for a question about reachability, read from the API server when they are first needed. */
import { isApiError, type KubernetesObject, ResourceApi, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import { DiscoveryV1Api } from "../../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import { NetworkingV1Api } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { KeystoneV1alpha1Api } from "../../api/client/keystone.io@v1alpha1.ts";
import { parseAddress } from "../../core/address.ts";
import type { PlacedPolicy } from "../../core/reach/reach.ts";
import { type Known, type OwnerObject, type ReachFacts, workloadKinds } from "../../core/reach/reach_facts.ts";
import { isForbidden } from "../grant_summary.ts";

/** Thrown where a fact is needed that has not been read yet. */
class Unread extends Error {
  override readonly name = "Unread";

  constructor(readonly key: string, readonly read: () => Promise<unknown>) {
    super(key);
  }
}

/** Resolves an absolute DNS name to its addresses; empty if it has none. */
export type ResolveName = (name: string) => Promise<Known<string[]>>;

/** Lookups of facts, of which each is read once. */
export class ReachObserver {
  readonly #known = new Map<string, unknown>();
  readonly #facts: ReachFacts;

  constructor(rest: RestClient, resolve: ResolveName = resolveHere) {
    this.#facts = this.#lookups(rest, resolve);
  }

  /** Returns what `judge` makes of the facts: it is called again until all facts that it needs have been read. */
  async judge<T>(judge: (facts: ReachFacts) => T): Promise<T> {
    for (;;) {
      try {
        return judge(this.#facts);
      } catch (error) {
        if (!(error instanceof Unread)) throw error;
        this.#known.set(error.key, await error.read());
      }
    }
  }

  /** Reads at once what a question from this namespace needs. */
  async prepare(namespace: string): Promise<void> {
    const facts = this.#facts;
    const first: (() => unknown)[] = [
      () => facts.pods(namespace),
      () => facts.services(namespace),
      () => facts.slices(namespace),
      () => facts.policies(namespace),
      () => facts.namespaceLabels(namespace),
    ];
    await Promise.all(first.map((fact) => this.judge(fact)));
  }

  #get<T>(key: string, read: () => Promise<T>): T {
    if (!this.#known.has(key)) throw new Unread(key, read);
    return this.#known.get(key) as T;
  }

  #lookups(rest: RestClient, resolve: ResolveName): ReachFacts {
    const [core, discovery, networking] = [new CoreV1Api(rest), new DiscoveryV1Api(rest), new NetworkingV1Api(rest)];
    const known = <T>(key: string, read: () => Promise<T>) => this.#get(key, () => readable(read));
    const allPods = () => known("all pods", () => core.pods.all());
    const facts: ReachFacts = {
      pods: (namespace) => known(`pods ${namespace}`, () => core.namespace(namespace).pods.all()),
      podsAt: (ip) => {
        const found = known(`pods at ${ip}`, () => core.pods.all({ fieldSelector: `status.podIP=${ip}` }));
        // The server selects by a pod's first address only, which is its IPv4 one in most clusters.
        return "value" in found && found.value.length === 0 && ip.includes(":") ? allPods() : found;
      },
      services: (namespace) =>
        namespace === undefined
          ? known("services", () => core.services.all())
          : known(`services ${namespace}`, () => core.namespace(namespace).services.all()),
      slices: (namespace) => known(`slices ${namespace}`, () => discovery.namespace(namespace).endpointSlices.all()),
      nodes: () => known("nodes", () => core.nodes.all()),
      policies: (namespace) =>
        known(
          `policies ${namespace}`,
          async () =>
            (await networking.namespace(namespace).networkPolicies.all()).map(({ metadata, spec }): PlacedPolicy => ({
              namespace,
              name: metadata!.name!,
              spec: spec ?? { podSelector: {} },
            })),
        ),
      namespaceLabels: (name) =>
        known(`namespace ${name}`, async () => {
          const found = await orMissing(core.namespaces.get(name));
          return found?.metadata.labels ?? {};
        }),
      workloads: (workload, namespace) => {
        const { kind, group, plural } = workloadKinds[workload];
        const resource = { group, version: "v1", kind, plural, namespaced: true };
        return known(
          `${plural} ${namespace}`,
          () => new ResourceApi<OwnerObject & KubernetesObject>(rest, resource, namespace).all(),
        );
      },
      realm: (name) =>
        known(`realm ${name}`, async () => {
          const found = await orMissing(new KeystoneV1alpha1Api(rest).realms.get(name));
          return found && (found.status?.node?.addresses ?? []);
        }),
      addressesOf: (name) => this.#get(`name ${name}`, () => resolve(name)),
    };
    return facts;
  }
}

/** Returns the fact, or the server's words if it may not be read. */
async function readable<T>(read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    if (isForbidden(error)) return { refused: (error as Error).message };
    throw error;
  }
}

async function orMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isApiError(error, 404)) return undefined;
    throw error;
  }
}

async function resolveHere(name: string): Promise<Known<string[]>> {
  // The dot keeps this machine's search domains out.
  const asked = await Promise.allSettled([Deno.resolveDns(`${name}.`, "A"), Deno.resolveDns(`${name}.`, "AAAA")]);
  const value = asked.flatMap((each) => each.status === "fulfilled" ? each.value : [])
    .filter((address) => parseAddress(address) !== undefined);
  const failed = asked.find((each) => each.status === "rejected" && !(each.reason instanceof Deno.errors.NotFound));
  if (value.length > 0 || failed?.status !== "rejected") return { value };
  return { refused: `${name} can't be resolved by this machine: ${(failed.reason as Error).message}` };
}
