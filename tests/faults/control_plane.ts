/** A control plane that plans run on, one after the other. */
import { type KubernetesObject, type Resource, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { leases } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { namespaces } from "../../lib/kubernetes_apis/core@v1.ts";
import { grants, realms, superEntities } from "../../lib/kubernetes_apis/keystone.io@v1alpha1.ts";
import { isApiError } from "../../lib/kubernetes/mod.ts";
import { operatorName, systemNamespace } from "../../src/core/names.ts";
import { prepared, type TestCluster } from "../fixtures/operator.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { type Upstream, upstreamOf } from "./upstream.ts";
import { Witness } from "./witness.ts";

export class ControlPlane implements AsyncDisposable {
  private constructor(
    readonly lab: Lab,
    /** Goes to the API server directly, as those do who use Keystone. */
    readonly cluster: TestCluster,
    readonly upstream: Upstream,
    readonly witness: Witness,
  ) {}

  static async start(): Promise<ControlPlane> {
    // A controller-manager with the default limits takes longer to end the namespaces of a plan than the next one runs.
    const lab = await startLab({ fastControllers: true });
    const cluster = await prepared(lab);
    await cluster.namespaces.create({ metadata: { name: systemNamespace } });
    const witness = new Witness(cluster.rest);
    await witness.ready();
    return new ControlPlane(lab, cluster, await upstreamOf(lab.kubeconfig), witness);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.witness[Symbol.asyncDispose]();
    this.upstream[Symbol.dispose]();
    this.cluster[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }

  /** Takes the Lease from whoever held it, as its running out does. */
  async freeLease(): Promise<void> {
    await gone(new ResourceApi(this.cluster.rest, leases, systemNamespace).delete(operatorName));
  }

  /** Takes away what a plan has left. No operator is there any more; namespaces may take their time. */
  async clean(mark: string): Promise<void> {
    await this.freeLease();
    for (const resource of [grants, superEntities, realms, namespaces] as readonly Resource<KubernetesObject>[]) {
      const api = new ResourceApi(this.cluster.rest, resource);
      const names = (await api.list()).items.map(({ metadata }) => metadata!.name!).filter((name) =>
        name.includes(mark)
      );
      await Promise.all(names.map(async (name) => {
        if (resource !== namespaces) {
          await gone(api.patch(name, { metadata: { finalizers: null } }, { type: "merge" }));
        }
        await gone(api.delete(name));
      }));
    }
    this.witness.forget();
  }
}

async function gone(work: Promise<unknown>): Promise<void> {
  await work.catch((error) => {
    if (!isApiError(error, 404) && !isApiError(error, 409)) throw error;
  });
}
