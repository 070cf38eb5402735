/** A control plane that runs plans, one after another. */
import { markPrefix } from "./request_name.ts";
import { isApiError, type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { CoordinationV1Api } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { type Namespace, namespaces } from "../../lib/kubernetes_apis/core@v1.ts";
import { grants, realms, superEntities } from "../../src/api/client/keystone.io@v1alpha1.ts";
import { operatorName, systemNamespace } from "../../src/core/names.ts";
import { prepared, type TestCluster } from "../fixtures/test_operator.ts";
import { type Lab, openLab, startLab } from "../lab/lab.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";
import { Recorder, witnessed } from "./recorder.ts";

export class FaultyControlPlane implements AsyncDisposable {
  private constructor(
    readonly lab: Lab,
    /** Calls the API server directly, as users do. */
    readonly cluster: TestCluster,
    readonly upstream: Upstream,
    readonly recorder: Recorder,
  ) {}

  /** Starts one, with a tailnet if there are realms, or uses the lab that runs in a folder. */
  static async start(dir?: string, realms: readonly string[] = []): Promise<FaultyControlPlane> {
    // With its default limits the controller-manager is too slow for several plans per second.
    const lab = dir === undefined ? await startLab({ fastControllers: true, realms: [...realms] }) : await openLab(dir);
    const cluster = await prepared(lab);
    await done(cluster.namespaces.create({ metadata: { name: systemNamespace } }));
    const recorder = new Recorder(cluster.rest);
    await recorder.ready();
    const plane = new FaultyControlPlane(lab, cluster, await upstreamOf(lab.kubeconfig), recorder);
    // Objects of an interrupted campaign.
    await plane.clean(markPrefix);
    return plane;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder[Symbol.asyncDispose]();
    this.upstream[Symbol.dispose]();
    this.cluster[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }

  /** Frees the Lease, as if it had expired. */
  async freeLease(): Promise<void> {
    await done(new CoordinationV1Api(this.cluster.rest).namespace(systemNamespace).leases.delete(operatorName));
  }

  /** Deletes the objects of a plan, whose operators have all ended. */
  async clean(mark: string): Promise<void> {
    await this.freeLease();
    for (const resource of [grants, superEntities, realms] as readonly Resource<KubernetesObject>[]) {
      const api = new ResourceApi(this.cluster.rest, resource);
      await Promise.all((await this.#left(resource, mark)).map(async ({ metadata: { name } = {} }) => {
        await done(api.patch(name!, { metadata: { finalizers: null } }, { type: "merge" }));
        await done(api.delete(name!));
      }));
    }
    await Promise.all((await this.#left(namespaces, mark)).map((namespace) => this.#removeNamespace(namespace)));
    this.recorder.forget();
  }

  async #left<T extends KubernetesObject>(resource: Resource<T>, mark: string): Promise<T[]> {
    const { items } = await new ResourceApi(this.cluster.rest, resource).list();
    return items.filter(({ metadata }) => metadata.name!.includes(mark));
  }

  /** Removes a namespace at once: the controller-manager takes a hundred requests, as many as a whole plan. */
  async #removeNamespace(namespace: Namespace): Promise<void> {
    const { rest } = this.cluster;
    const path = `/api/v1/namespaces/${namespace.metadata!.name}`;
    const bodyJson = { ...namespace, spec: { finalizers: [] } };
    await done(rest.performRequest({ method: "PUT", path: `${path}/finalize`, bodyJson }));
    await done(rest.performRequest({ method: "DELETE", path }));
    await Promise.all(
      witnessed.filter(({ namespaced }) => namespaced).map(({ group, version, plural }) => {
        const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
        const path = `${root}/namespaces/${namespace.metadata!.name}/${plural}`;
        return done(rest.performRequest({ method: "DELETE", path }));
      }),
    );
  }
}

/** Ignores that the object is already gone. */
async function done(work: Promise<unknown>): Promise<void> {
  await work.catch((error) => {
    if (!isApiError(error, 404) && !isApiError(error, 409)) throw error;
  });
}
