/** Dry runs of an object, of one of its pods and of its claims, as the user who will apply it. */
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../../lib/kubernetes/mod.ts";
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { lastAppliedAnnotation, merged, mergePatch, strategicPatch } from "./apply_patch.ts";
import { type Refusal, serverRefusal } from "./server_refusals.ts";
import {
  type ComingAccounts,
  type TrialClaim,
  trialClaims,
  type TrialPod,
  trialPod,
  withAccount,
  withoutPods,
} from "./trial_objects.ts";

export interface ObjectTrial {
  /** The object as it is stored now; absent: it is new. */
  live?: KubernetesObject;
  /** The object as the API server would store it; absent: it was refused. */
  after?: unknown;
  /** True if `after` has the API server's defaults. */
  asked: boolean;
  refusal?: Refusal;
  warnings: string[];
}

export interface PodTrial {
  /** The pod as the API server admits it. */
  spec?: PodSpec;
  refusal?: Refusal;
  warnings: string[];
}

export interface ClaimTrial {
  name: string;
  /** True if the claim names no class. */
  byDefault: boolean;
  /** Class of the claim as the API server admits it. */
  storageClass?: string;
  admitted: boolean;
  refusal?: Refusal;
}

/** Way in which an object is created. */
export interface TrialOptions {
  /** ServiceAccounts that are there before the object, but not yet. */
  accounts: ComingAccounts;
  /** Treatment of an earlier object of the name: by default it is changed. */
  earlier?: "deleted" | "in the way";
}

type Body = Record<string, unknown> & { metadata?: Record<string, unknown> };

/** Number of objects of a kind from which one list costs less than reading each. */
const listedFrom = 4;

const keyOf = ({ group, version, plural }: Resource): string => `${group}/${version}/${plural}`;

/** Returns a key that two pods share if they differ only in the names of their workloads, as values of labels. */
const shapeKey = ({ metadata: { generateName: _, labels = {}, ...metadata }, spec }: TrialPod, owner: string): string =>
  JSON.stringify([
    Object.entries(labels).map(([key, value]) => value === owner ? [key] : [key, value]).sort(),
    metadata,
    spec,
  ]);

/** Field manager of `kubectl apply`. */
const fieldManager = "kubectl-client-side-apply";

export class ServerTrials {
  readonly #rest: RestClient;
  readonly #namespace: string;
  /** Pods by their shape: alike ones are tried once. */
  readonly #pods = new Map<string, { prefix: string; trial: Promise<PodTrial> }>();
  readonly #lists = new Map<string, Promise<ReadonlyMap<string, KubernetesObject> | undefined>>();

  constructor(rest: RestClient, namespace: string) {
    this.#rest = rest;
    this.#namespace = namespace;
  }

  /** Tries to create the object, or to change it as `kubectl apply` would. */
  async object(resource: Resource, manifest: unknown, { accounts, earlier }: TrialOptions): Promise<ObjectTrial> {
    const body = accountFilled(manifest as Body, accounts);
    const { name } = (body.metadata ?? {}) as { name?: unknown };
    let live: KubernetesObject | undefined;
    try {
      live = await this.liveObject(resource, name);
    } catch (error) {
      return { asked: false, refusal: serverRefusal(error), warnings: [] };
    }
    if (live?.metadata?.deletionTimestamp !== undefined && earlier === undefined) {
      const message = `${resource.kind} ${name} is being deleted. Ask again when it is gone.`;
      return { live, asked: false, refusal: { kind: "unasked", message }, warnings: [] };
    }
    if (live !== undefined && earlier === "in the way") {
      const message = `${resource.plural} "${name}" already exists, and helm.sh/hook-delete-policy keeps it`;
      return { live, asked: false, refusal: { kind: "final", message }, warnings: [] };
    }
    const there = earlier === undefined ? live : undefined;
    const given = live !== undefined && there === undefined ? renamed(body) : body;
    const first = await this.#tried(resource, given, there);
    const shared = there === undefined ? {} : { live: there };
    if (first.refusal?.kind !== "room") return { ...shared, ...first };
    const smaller = withoutPods(given, there);
    const second = smaller && await this.#tried(resource, smaller.body as Body, there);
    return second?.after === undefined
      ? { ...shared, ...first, after: merged(body, there), asked: false }
      : { ...shared, ...first, after: smaller!.restored(second.after), asked: true };
  }

  /** Tries to create one pod of the workload; undefined if it has no pod template. */
  async pod(object: unknown, accounts: ComingAccounts): Promise<PodTrial | undefined> {
    const pod = trialPod(object, accounts);
    if (pod === undefined) return undefined;
    const { name = "" } = (object as { metadata?: { name?: string } }).metadata ?? {};
    const key = shapeKey(pod, name);
    const first = this.#pods.get(key) ?? { prefix: pod.metadata.generateName, trial: this.#pod(pod) };
    this.#pods.set(key, first);
    const trial = await first.trial;
    if (trial.refusal === undefined) return trial;
    const message = trial.refusal.message.replaceAll(`"${first.prefix}…"`, `"${pod.metadata.generateName}…"`);
    return { ...trial, refusal: { ...trial.refusal, message } };
  }

  async #pod(pod: TrialPod): Promise<PodTrial> {
    const warnings: string[] = [];
    try {
      const answer = await this.#send("POST", podPath(this.#namespace), pod, warnings);
      return { spec: (answer as { spec: PodSpec }).spec, warnings };
    } catch (error) {
      const refusal = serverRefusal(error);
      return { refusal: { ...refusal, message: withoutGeneratedName(refusal.message, pod) }, warnings };
    }
  }

  /** Tries to create the claims of the workload. */
  claims(object: unknown): Promise<ClaimTrial[]> {
    return Promise.all(trialClaims(object).map((trial) => this.#claim(trial)));
  }

  async #claim({ name, claim }: TrialClaim): Promise<ClaimTrial> {
    const stated = (claim.spec as { storageClassName?: unknown }).storageClassName;
    const common = { name, byDefault: stated === undefined || stated === null };
    try {
      const { spec } = await this.#send("POST", claimPath(this.#namespace), claim, []) as {
        spec: { storageClassName?: string };
      };
      const { storageClassName } = spec;
      return {
        ...common,
        admitted: true,
        ...(storageClassName === undefined ? {} : { storageClass: storageClassName }),
      };
    } catch (error) {
      const refusal = serverRefusal(error);
      return {
        ...common,
        admitted: false,
        refusal: { ...refusal, message: withoutGeneratedName(refusal.message, claim) },
      };
    }
  }

  /** Returns the object as it is stored; undefined if there is none. */
  async liveObject(resource: Resource, name: unknown): Promise<KubernetesObject | undefined> {
    if (typeof name !== "string" || name === "") return undefined;
    const list = this.#lists.get(keyOf(resource));
    if (list !== undefined) {
      const objects = await list;
      if (objects !== undefined) return objects.get(name);
    }
    try {
      return await this.#api(resource).get(name);
    } catch (error) {
      // A name that can't be part of a path: the API server refuses it itself.
      if (isApiError(error, 404) || error instanceof TypeError) return undefined;
      throw error;
    }
  }

  /** Reads all objects of kinds of which many are asked about, with one list for each. */
  expect(resources: readonly (Resource | undefined)[]): void {
    for (const all of Map.groupBy(resources.filter((each) => each !== undefined), keyOf).values()) {
      if (all.length < listedFrom) continue;
      // A user who may not list them may read single ones.
      const list = this.#api(all[0]!).all().then(
        (objects) => new Map(objects.map((object) => [object.metadata!.name!, object])),
        () => undefined,
      );
      this.#lists.set(keyOf(all[0]!), list);
    }
  }

  #api(resource: Resource): ResourceApi<KubernetesObject> {
    return new ResourceApi(this.#rest, resource, resource.namespaced ? this.#namespace : undefined);
  }

  async #tried(resource: Resource, body: Body, live: KubernetesObject | undefined): Promise<ObjectTrial> {
    const warnings: string[] = [];
    try {
      const after = live === undefined
        ? await this.#send("POST", this.#collection(resource), body, warnings)
        : await this.#patched(resource, body, live, warnings);
      return { after, asked: true, warnings };
    } catch (error) {
      return { asked: false, refusal: serverRefusal(error), warnings };
    }
  }

  async #patched(resource: Resource, body: Body, live: KubernetesObject, warnings: string[]): Promise<unknown> {
    const path = `${this.#collection(resource)}/${encodeURIComponent(live.metadata!.name!)}`;
    const manager = serverSideManager(live);
    if (manager !== undefined) {
      return await this.#send("PATCH", path, body, warnings, "application/apply-patch+yaml", manager);
    }
    try {
      const patch = strategicPatch(body, live);
      return await this.#send("PATCH", path, patch, warnings, "application/strategic-merge-patch+json");
    } catch (error) {
      if (!isApiError(error, 415)) throw error;
      warnings.length = 0;
      return await this.#send("PATCH", path, mergePatch(body, live), warnings, "application/merge-patch+json");
    }
  }

  #collection({ group, version, plural, namespaced }: Resource): string {
    const prefix = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    return `${prefix}${namespaced ? `/namespaces/${encodeURIComponent(this.#namespace)}` : ""}/${plural}`;
  }

  #send(
    method: "POST" | "PATCH",
    path: string,
    bodyJson: unknown,
    warnings: string[],
    contentType = "application/json",
    manager = fieldManager,
  ): Promise<unknown> {
    return this.#rest.performRequest({
      method,
      path,
      contentType,
      querystring: new URLSearchParams({
        dryRun: "All",
        fieldValidation: "Strict",
        fieldManager: manager,
        ...(contentType.startsWith("application/apply-patch") ? { force: "true" } : {}),
      }),
      bodyJson,
      onWarning: (text) => warnings.push(text),
    });
  }
}

const podPath = (namespace: string): string => `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
const claimPath = (namespace: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/persistentvolumeclaims`;

/** Returns a bare pod that names an account which comes before it with the account `default`. */
function accountFilled(manifest: Body, accounts: ComingAccounts): Body {
  if (manifest.apiVersion !== "v1" || manifest.kind !== "Pod") return manifest;
  return { ...manifest, spec: withAccount((manifest.spec ?? {}) as Record<string, unknown>, accounts) };
}

/** Returns the object under a generated name, because its own is taken until the earlier object is deleted. */
function renamed(body: Body): Body {
  const { name, ...metadata } = body.metadata ?? {};
  return { ...body, metadata: { ...metadata, generateName: `${String(name).slice(0, 50)}-` } };
}

/**
 * Returns the field manager of the tool that has applied the object by server-side apply; undefined if the object was
 * applied by kubectl itself, or created otherwise.
 */
function serverSideManager({ metadata }: KubernetesObject): string | undefined {
  if (metadata?.annotations?.[lastAppliedAnnotation] !== undefined) return undefined;
  const fields = metadata?.managedFields as
    | { manager?: string; operation?: string; subresource?: string }[]
    | undefined;
  return fields?.find(({ operation, subresource }) => operation === "Apply" && !subresource)?.manager;
}

/** Returns the message without the random part of a generated name. */
function withoutGeneratedName(message: string, object: unknown): string {
  const { generateName: prefix = "" } = (object as { metadata?: { generateName?: string } }).metadata ?? {};
  return message.replace(new RegExp(`"${prefix.replace(/[^\w-]/g, "\\$&")}[a-z0-9]{5}"`, "g"), `"${prefix}…"`);
}
