/** A guest namespace in which one case after another is tried. */
import { isApiError, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { parseQuantity } from "../../lib/quantity/mod.ts";
import { clientOf, eventually, grantOf, type TestCluster } from "../fixtures/test_operator.ts";
import type { Lab } from "../lab/lab.ts";
import type { GuestProfile } from "./generated_case.ts";
import { type AnyObject, type ComparedKind, comparedKinds, resourceOfKind } from "./live_object.ts";
import type { NamespaceView, NamespaceViews } from "./namespace_views.ts";
import { persistent } from "./persistent_client.ts";

/** Kinds that a case leaves behind, owners first. */
const leftKinds: readonly ComparedKind[] = [
  "HorizontalPodAutoscaler",
  "CronJob",
  "Job",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "ReplicationController",
  "Pod",
  "PersistentVolumeClaim",
];

/** Quota keys of kinds of which each guest namespace has some by itself. */
const ownKinds =
  /^(count\/)?(configmaps|secrets|serviceaccounts|events|networkpolicies|roles|rolebindings|resourcequotas|leases|endpoint)/;

export class GuestSlot implements Disposable {
  readonly namespace: string;
  readonly kubeconfig: string;
  /** The guest's client. */
  readonly guest: RestClient & Disposable;
  readonly view: NamespaceView;
  readonly #cluster: TestCluster;

  private constructor(
    cluster: TestCluster,
    terms: { namespace: string; kubeconfig: string; guest: RestClient & Disposable; view: NamespaceView },
  ) {
    this.#cluster = cluster;
    this.namespace = terms.namespace;
    this.kubeconfig = terms.kubeconfig;
    this.guest = terms.guest;
    this.view = terms.view;
  }

  /** Creates the realm with its grant, and returns when the quota is in force. */
  static async open(
    { lab, cluster, views }: { lab: Lab; cluster: TestCluster; views: NamespaceViews },
    realm: string,
    { trustLevel, hard }: Pick<GuestProfile, "trustLevel" | "hard">,
  ): Promise<GuestSlot> {
    await cluster.createRealm(realm, { trustLevel });
    await cluster.grants.create(grantOf({ name: realm, to: realm, hard }));
    await cluster.grantIn("Active", realm, 60_000);
    const kubeconfig = await lab.user(`guest-of-${realm}`, { groups: [`keystone:realm:${realm}`] });
    const namespace = `guest-${realm}`;
    const guest = persistent(await clientOf(kubeconfig));
    const slot = new GuestSlot(cluster, { namespace, kubeconfig, guest, view: views.view(namespace) });
    await eventually("the guest may create pods", () => slot.#probed(guest), 30_000);
    return slot;
  }

  [Symbol.dispose](): void {
    this.guest[Symbol.dispose]();
  }

  /** Adds quotas and LimitRanges, and returns when pods are judged by them. */
  async limit(objects: readonly AnyObject[]): Promise<void> {
    for (const object of objects) {
      await new ResourceApi(this.#cluster.rest, resourceOfKind(object.kind), this.namespace).create(object);
    }
    const quotas = objects.filter(({ kind }) => kind === "ResourceQuota");
    if (quotas.length > 0) {
      await eventually("the quotas have a status", () =>
        Promise.resolve(
          quotas.every(({ metadata }) => {
            const live = this.view.named("ResourceQuota", metadata!.name!);
            return live?.status?.hard !== undefined && live.status.used !== undefined;
          }) || "not yet",
        ), 20_000);
    }
    if (objects.length > 0) await eventually("admission knows them", () => this.#probed(this.#cluster.rest), 20_000);
  }

  /** Tries a pod in a dry run: true if nothing but an amount refuses it. */
  async #probed(rest: RestClient): Promise<true | string> {
    const spec = {
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [{
        name: "a",
        image: "example.com/none:1",
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      }],
    };
    try {
      await rest.performRequest({
        method: "POST",
        path: `/api/v1/namespaces/${this.namespace}/pods`,
        querystring: new URLSearchParams({ dryRun: "All" }),
        bodyJson: { metadata: { name: "probe" }, spec },
      });
      return true;
    } catch (error) {
      if (!isApiError(error)) throw error;
      return /exceeded quota|minimum|maximum|ratio|per (Container|Pod)|no grant gives/i.test(error.message) ||
        error.message;
    }
  }

  /** Deletes everything that a case has left; returns what the quota still counts, and then another realm is needed. */
  async cleared(): Promise<string | undefined> {
    const { rest } = this.#cluster;
    const path = (kind: ComparedKind) => {
      const { group, version, plural } = comparedKinds[kind];
      return `${group === "" ? "/api" : `/apis/${group}`}/${version}/namespaces/${this.namespace}/${plural}`;
    };
    const deleted = (kind: ComparedKind) =>
      rest.performRequest({ method: "DELETE", path: path(kind), bodyJson: { propagationPolicy: "Background" } });
    await Promise.all(
      ["beside-0", "beside-1"].map((name) =>
        this.view.named("ResourceQuota", name) &&
        rest.performRequest({ method: "DELETE", path: `${path("ResourceQuota")}/${name}` })
      ),
    );
    const ranges = new ResourceApi(rest, comparedKinds.LimitRange, this.namespace);
    for (const { metadata } of await ranges.all()) {
      if (metadata!.name === "beside") await ranges.delete("beside");
    }
    const services = new ResourceApi(rest, comparedKinds.Service, this.namespace);
    for (const { metadata } of await services.all()) await services.delete(metadata!.name!);
    try {
      await eventually("everything is deleted", async () => {
        const left = leftKinds.filter((kind) => this.view.of(kind).length > 0);
        await Promise.all(
          left.filter((kind) => this.view.of(kind).some(({ metadata }) => !metadata.deletionTimestamp)).map(deleted),
        );
        if (left.length === 0) return true;
        await this.view.next(500);
        return `left: ${left.join()}`;
      }, 40_000);
      await eventually("the quota counts nothing", async () => {
        const used = this.view.named("ResourceQuota", "keystone")?.status?.used ?? {};
        const counted = Object.entries(used).filter(([key, amount]) =>
          !ownKinds.test(key) && Number(parseQuantity(String(amount)).nanos) !== 0
        );
        if (counted.length === 0) return true;
        await this.view.next(500);
        return counted.join();
      }, 15_000);
    } catch (error) {
      return (error as Error).message;
    }
    this.view.refusals.clear();
    this.view.finishing = false;
    return undefined;
  }
}
