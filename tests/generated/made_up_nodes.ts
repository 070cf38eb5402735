/**
 * Nodes without machines: Node objects to which the real scheduler binds pods, and a stand-in for their kubelets and for
 * a volume provisioner.
 */
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import type { WatchedObject } from "./live_object.ts";
import type { NamespaceViews } from "./namespace_views.ts";

/** Provisioner of the made-up StorageClasses. */
const provisioner = "made-up.example.com/volumes";

/** The StorageClasses. Two are marked as the default: the API server chooses the newest, `fast`. */
export const madeUpClasses = [
  { name: "older", isDefault: true, waits: false },
  { name: "fast", isDefault: true, waits: false },
  { name: "slow", isDefault: false, waits: true },
];

/** The nodes: two with a fast disk, one of them in another zone, one for devices only, one cordoned. */
export const madeUpNodes = [
  { name: "one", labels: { disk: "ssd", zone: "a" } },
  { name: "two", labels: { disk: "ssd", zone: "b" } },
  { name: "three", labels: { disk: "hdd", zone: "b" } },
  {
    name: "devices",
    labels: { disk: "hdd", zone: "a", device: "gpu" },
    taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }],
  },
  { name: "cordoned", labels: { disk: "ssd", zone: "a" }, unschedulable: true },
];

/** Far more than all cases need together: only quotas limit them. */
const capacity = {
  cpu: "10000",
  memory: "100Ti",
  "ephemeral-storage": "100Ti",
  pods: "10000",
  "example.com/gpu": "10000",
};

/** The node controller takes a node for unreachable after 50 s. */
const heartbeatMs = 10_000;
/** Time that a container needs to end. */
const endingMs = 20;

export class MadeUpNodes implements AsyncDisposable {
  readonly #rest: RestClient;
  readonly #views: NamespaceViews;
  readonly #log: (message: string) => void;
  readonly #done = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  constructor(rest: RestClient, views: NamespaceViews, log: (message: string) => void) {
    this.#rest = rest;
    this.#views = views;
    this.#log = log;
  }

  /** Creates the nodes and StorageClasses, and starts to run pods. */
  async start(): Promise<void> {
    for (const { name, isDefault, waits } of madeUpClasses) {
      await this.#post("/apis/storage.k8s.io/v1/storageclasses", {
        metadata: { name, annotations: { "storageclass.kubernetes.io/is-default-class": String(isDefault) } },
        provisioner,
        allowVolumeExpansion: true,
        reclaimPolicy: "Retain",
        volumeBindingMode: waits ? "WaitForFirstConsumer" : "Immediate",
      });
      // The API server compares creation times, which are in whole seconds.
      if (name === "older") await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    await Promise.all(madeUpNodes.map((node) => this.#makeNode(node)));
    await this.#beat("POST");
    this.#heartbeat = setInterval(() => this.#run(this.#beat("PATCH")), heartbeatMs);
    this.#views.onEvent((kind, type, object) => {
      if (kind === "Pod" && type !== "DELETED") this.#onPod(object);
      if (kind === "PersistentVolumeClaim") this.#onClaim(object, type === "DELETED");
    });
  }

  /** Ends the pods of Jobs in a namespace successfully, also those that come later. */
  finishJobs(namespace: string): void {
    const view = this.#views.view(namespace);
    view.finishing = true;
    for (const pod of view.of("Pod")) this.#onPod(pod);
  }

  async #makeNode({ name, labels, ...spec }: { name: string; labels: Record<string, string> }): Promise<void> {
    const hostname = { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" };
    await this.#post("/api/v1/nodes", { metadata: { name, labels: { ...labels, ...hostname } }, spec });
    const now = new Date().toISOString();
    const ready = { type: "Ready", status: "True", lastHeartbeatTime: now, lastTransitionTime: now, reason: "MadeUp" };
    await this.#patch(`/api/v1/nodes/${name}/status`, {
      status: { capacity, allocatable: capacity, conditions: [ready] },
    });
  }

  async #beat(method: "POST" | "PATCH"): Promise<void> {
    const path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    const renewTime = new Date().toISOString().replace("Z", "000Z");
    await Promise.all(madeUpNodes.map(({ name }) => {
      const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime };
      return method === "POST"
        ? this.#post(path, { metadata: { name }, spec })
        : this.#patch(`${path}/${name}`, { spec });
    }));
  }

  #onPod(pod: WatchedObject): void {
    const { metadata, spec, status } = pod;
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
    if (!spec.nodeName) return;
    if (metadata.deletionTimestamp !== undefined) {
      this.#once(pod, "ended", async () => {
        await new Promise((resolve) => setTimeout(resolve, endingMs));
        if (spec.restartPolicy !== "Always" && status.phase === "Running") {
          await this.#patch(`${path}/status`, { status: ended(pod, "Failed") });
        }
        const preconditions = { uid: metadata.uid };
        await this.#request("DELETE", path, { gracePeriodSeconds: 0, preconditions });
      });
    } else if (status.phase === "Pending") {
      this.#once(pod, "started", () => this.#patch(`${path}/status`, { status: started(pod) }));
    } else if (
      status.phase === "Running" && this.#views.view(metadata.namespace!).finishing &&
      metadata.ownerReferences?.some(({ kind }) => kind === "Job")
    ) {
      this.#once(pod, "succeeded", () => this.#patch(`${path}/status`, { status: ended(pod, "Succeeded") }));
    }
  }

  #onClaim(claim: WatchedObject, isGone: boolean): void {
    const { metadata, spec, status } = claim;
    const name = `pvc-${metadata.uid}`;
    if (isGone) {
      if (spec.volumeName === name) {
        this.#once(claim, "removed", () => this.#request("DELETE", `/api/v1/persistentvolumes/${name}`));
      }
      return;
    }
    const asked = metadata.annotations?.["volume.kubernetes.io/storage-provisioner"] === provisioner;
    const waits = madeUpClasses.find(({ name }) => name === spec.storageClassName)?.waits === true;
    const isChosen = metadata.annotations?.["volume.kubernetes.io/selected-node"] !== undefined;
    if (status.phase !== "Pending" || spec.volumeName || !asked || (waits && !isChosen)) return;
    this.#once(claim, "provisioned", () =>
      this.#post("/api/v1/persistentvolumes", {
        metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": provisioner } },
        spec: {
          capacity: { storage: spec.resources.requests.storage },
          accessModes: spec.accessModes,
          persistentVolumeReclaimPolicy: "Retain",
          storageClassName: spec.storageClassName,
          claimRef: {
            apiVersion: "v1",
            kind: "PersistentVolumeClaim",
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
          },
          hostPath: { path: "/nowhere" },
        },
      }));
  }

  #once({ metadata }: WatchedObject, what: string, act: () => Promise<void>): void {
    const key = `${what} ${metadata.uid}`;
    if (this.#done.has(key)) return;
    this.#done.add(key);
    this.#run(act());
  }

  #run(work: Promise<void>): void {
    // The object may be gone or replaced by now.
    const run = work.catch((error) => {
      if (!isApiError(error, 404) && !isApiError(error, 409)) this.#log(`A made-up node failed: ${error.message}`);
    }).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #request(method: "POST" | "PATCH" | "DELETE", path: string, bodyJson?: unknown): Promise<void> {
    const contentType = method === "PATCH" ? { contentType: "application/strategic-merge-patch+json" } : {};
    await this.#rest.performRequest({ method, path, bodyJson, ...contentType });
  }

  #post(path: string, object: unknown): Promise<void> {
    return this.#request("POST", path, object);
  }

  #patch(path: string, patch: unknown): Promise<void> {
    return this.#request("PATCH", path, patch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    await Promise.all(this.#running);
  }
}

interface ContainerSpec {
  name: string;
  image: string;
  restartPolicy?: string;
}

const containerStatus = ({ name, image }: ContainerSpec, state: object, ready: boolean) => ({
  name,
  image,
  imageID: image,
  containerID: `made-up://${crypto.randomUUID()}`,
  restartCount: 0,
  ready,
  started: ready,
  state,
});

function started({ spec }: WatchedObject) {
  const now = new Date().toISOString();
  const running = { running: { startedAt: now } };
  const done = { terminated: { exitCode: 0, startedAt: now, finishedAt: now, reason: "Completed" } };
  const condition = (type: string) => ({ type, status: "True", lastTransitionTime: now });
  return {
    phase: "Running",
    startTime: now,
    podIP: "10.0.0.1",
    podIPs: [{ ip: "10.0.0.1" }],
    conditions: ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"].map(condition),
    initContainerStatuses: (spec.initContainers ?? []).map((each: ContainerSpec) =>
      each.restartPolicy === "Always" ? containerStatus(each, running, true) : containerStatus(each, done, true)
    ),
    containerStatuses: spec.containers.map((each: ContainerSpec) => containerStatus(each, running, true)),
  };
}

function ended({ spec }: WatchedObject, phase: "Succeeded" | "Failed") {
  const now = new Date().toISOString();
  const exitCode = phase === "Succeeded" ? 0 : 143;
  const done = { terminated: { exitCode, startedAt: now, finishedAt: now, reason: "Completed" } };
  const reason = phase === "Succeeded" ? "PodCompleted" : "PodFailed";
  return {
    phase,
    conditions: ["ContainersReady", "Ready"].map((type) => ({
      type,
      status: "False",
      reason,
      lastTransitionTime: now,
    })),
    containerStatuses: spec.containers.map((each: ContainerSpec) => containerStatus(each, done, false)),
  };
}
