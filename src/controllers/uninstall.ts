/**
 * Takes Keystone's hands off a cluster: closes guests' access, takes its finalizers away, and deletes nothing that
 * somebody has made. Whatever was not done when it breaks off, the next run does.
 */
import { type Clock, sleep } from "../../lib/clock/mod.ts";
import { isApiError, type KubernetesObject, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { CoordinationV1Api, type Lease } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { AdmissionregistrationV1Api } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { apiVersionName, definitions, group, guestFinalizer } from "../api/mod.ts";
import { webhookConfigurationName } from "../core/admission/configuration.ts";
import { guideName, guideOf } from "../core/guest/objects/guide.ts";
import { quotaName, quotaOf } from "../core/guest/objects/quota.ts";
import { rfc3339 } from "../core/instants.ts";
import {
  guestFlowName,
  guestNamespace,
  guestRole,
  managedBy,
  managedByLabel,
  operatorName,
  realmLabel,
  systemNamespace,
} from "../core/names.ts";

export interface UninstallOptions {
  rest: RestClient;
  clock: Clock;
  /** Names this process in the Lease; begins with {@linkcode uninstaller}. */
  identity: string;
  /** Told what was done, in sentences. */
  say: (sentence: string) => void;
  signal: AbortSignal;
}

/** What the identities of those who uninstall begin with. */
export const uninstaller = "uninstall_";

/** For how long no operator may act after the end: time enough to delete its Deployment. */
const quietSeconds = 60;
const renewMs = 15_000;
const ours = `${managedByLabel}=${managedBy}`;

export async function uninstall(options: UninstallOptions): Promise<void> {
  const { say, signal } = options;
  await takeLease(options);
  // What is done may take longer than operators keep still.
  const done = new AbortController();
  const keeping = keepLease(options, AbortSignal.any([signal, done.signal]));
  try {
    for (const realm of await guestRealms(options)) say(await close(options, realm));
    await removeWebhook(options);
    await removeGuestFlow(options);
    const freed = await freeAll(options);
    say(
      freed.length === 0
        ? "No object of keystone.io has Keystone's finalizer."
        : `Keystone's finalizer is off ${freed.join(", ")}: they stay, and can be deleted.`,
    );
  } finally {
    done.abort();
    await keeping;
  }
  await writeLease(options);
  say(
    `No operator acts for the next ${quietSeconds} s: delete its Deployment by then, or it begins anew. To delete all ` +
      `terms too: kubectl delete crd ${definitions.map(({ plural }) => `${plural}.${group}`).join(" ")}`,
  );
}

/**
 * Takes the Lease from whoever holds it, and waits until that one has stopped by itself: a holder writes for two thirds
 * of the Lease's duration after its last renewal (see LeaseHolder), and renews no more from now on.
 */
async function takeLease(options: UninstallOptions): Promise<void> {
  const before = await writeLease(options);
  const holder = before?.spec?.holderIdentity;
  if (!holder || holder === options.identity) return;
  // Of an earlier run that broke off, it isn't known whether it had waited for the operator before it.
  const seconds = holder.startsWith(uninstaller) ? 15 : before.spec?.leaseDurationSeconds ?? 15;
  options.say(`Took the Lease from ${holder}; waiting until it has let go.`);
  await sleep(options.clock, seconds * 1000 * 2 / 3, options.signal);
  options.signal.throwIfAborted();
}

/** Returns the Lease as it was before. */
async function writeLease({ rest, clock, identity, signal }: UninstallOptions): Promise<Lease | undefined> {
  const api = new CoordinationV1Api(rest).namespace(systemNamespace).leases;
  for (;;) {
    const now = new Date(clock.now()).toISOString().replace("Z", "000Z");
    try {
      const before = await api.get(operatorName, { signal }).catch((error) => {
        if (isApiError(error, 404)) return undefined;
        throw error;
      });
      const mine = before?.spec?.holderIdentity === identity;
      const spec: NonNullable<Lease["spec"]> = {
        holderIdentity: identity,
        leaseDurationSeconds: quietSeconds,
        acquireTime: mine ? before.spec?.acquireTime ?? now : now,
        renewTime: now,
        leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (mine ? 0 : 1),
      };
      if (before) await api.replace({ ...before, spec }, { signal });
      else await api.create({ metadata: { name: operatorName }, spec }, { signal });
      return before;
    } catch (error) {
      // Renewed at the same moment; without its namespace there is no operator either.
      if (isApiError(error, 404)) return undefined;
      if (!isApiError(error, 409)) throw error;
    }
  }
}

async function keepLease(options: UninstallOptions, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(options.clock, renewMs, signal);
    if (signal.aborted) return;
    await writeLease(options).catch(() => {});
  }
}

async function guestRealms({ rest, signal }: UninstallOptions): Promise<string[]> {
  const all = await new CoreV1Api(rest).namespaces.all({ labelSelector: ours, signal });
  return all.flatMap(({ metadata }) => {
    const realm = metadata?.labels?.[realmLabel];
    return realm !== undefined && metadata!.name === guestNamespace(realm) && !metadata!.deletionTimestamp ? realm : [];
  });
}

/** People go out, nothing grows; what runs and what is stored stays, behind the policies that stand. */
async function close({ rest, clock, signal }: UninstallOptions, realm: string): Promise<string> {
  const namespace = guestNamespace(realm);
  const named = (name: string) => ({ ...oursNamed(name), signal });
  const apply = { fieldManager: operatorName, force: true, signal };

  await deleteOurs(new RbacAuthorizationV1Api(rest).namespace(namespace).roleBindings, guestRole, signal);
  const quotas = new CoreV1Api(rest).namespace(namespace).resourceQuotas;
  for (const quota of (await quotas.list(named(quotaName))).items) await quotas.apply(closed(realm, quota), apply);

  const unfinished = { fieldSelector: "status.phase!=Succeeded,status.phase!=Failed", signal };
  const running = (await new CoreV1Api(rest).namespace(namespace).pods.all(unfinished, () => 1)).length;
  const claims =
    (await new CoreV1Api(rest).namespace(namespace).persistentVolumeClaims.all({ signal }, () => 1)).length;
  const sentence = `Namespace ${namespace} stays: guests have no access any more and nothing new is admitted; ` +
    `${count(running, "pod")} in it run${running === 1 ? "s" : ""} on, and ${count(claims, "volume claim")} ${
      claims === 1 ? "is" : "are"
    } kept. Delete it with all that is stored: kubectl delete namespace ${namespace}`;
  const guides = new CoreV1Api(rest).namespace(namespace).configMaps;
  if ((await guides.list(named(guideName))).items.length > 0) {
    // For whoever finds the namespace later. An operator that comes back writes what is granted in its place.
    await guides.apply(
      guideOf(realm, `# Keystone was uninstalled at ${rfc3339(clock.now())}.\n# ${sentence}\n[]\n`),
      apply,
    );
  }
  return sentence;
}

const closed = (realm: string, { spec }: ResourceQuota): ResourceQuota =>
  quotaOf(realm, Object.fromEntries([...Object.keys(spec?.hard ?? {}), "pods"].map((key) => [key, "0"])));

/** Nothing waits for it, but the API server would ask for ever. */
async function removeWebhook({ rest, signal }: UninstallOptions): Promise<void> {
  try {
    await deleteOurs(
      new AdmissionregistrationV1Api(rest).validatingWebhookConfigurations,
      webhookConfigurationName,
      signal,
    );
  } catch (error) {
    // Without the right to it the operator never made one.
    if (!isApiError(error, 403)) throw error;
  }
}

/** Guests are let in no more: their FlowSchema would only slow down whoever has a name of theirs later. */
async function removeGuestFlow({ rest, signal }: UninstallOptions): Promise<void> {
  try {
    await deleteOurs(new FlowcontrolApiserverV1Api(rest).flowSchemas, guestFlowName, signal);
  } catch (error) {
    // Without the right to it the operator never made one.
    if (!isApiError(error, 403)) throw error;
  }
}

/** Takes the finalizer off every object of ours; returns how many of which kind. */
async function freeAll(options: UninstallOptions): Promise<string[]> {
  const freed: string[] = [];
  for (const { kind, plural, singular } of definitions) {
    const api = new ResourceApi<KubernetesObject>(options.rest, {
      group,
      version: apiVersionName,
      kind,
      plural,
      namespaced: false,
    });
    let objects: KubernetesObject[];
    try {
      objects = await api.all({ signal: options.signal });
    } catch (error) {
      // The custom resource is gone, and with it all of its objects.
      if (isApiError(error, 404)) continue;
      throw error;
    }
    const held = objects.filter(({ metadata }) => metadata!.finalizers?.includes(guestFinalizer));
    for (const object of held) await free(api, object, options.signal);
    if (held.length > 0) freed.push(count(held.length, singular[0]!.toUpperCase() + singular.slice(1)));
  }
  return freed;
}

async function free(api: ResourceApi<KubernetesObject>, object: KubernetesObject, signal: AbortSignal): Promise<void> {
  for (let { metadata } = object;;) {
    const { name, uid, resourceVersion } = metadata!;
    const finalizers = metadata!.finalizers?.filter((finalizer) => finalizer !== guestFinalizer) ?? [];
    try {
      // The resource version keeps the finalizers that others add meanwhile.
      await api.patch(name!, { metadata: { uid: uid!, resourceVersion: resourceVersion!, finalizers } }, {
        type: "merge",
        fieldManager: operatorName,
        signal,
      });
      return;
    } catch (error) {
      if (isApiError(error, 404)) return;
      if (!isApiError(error, 409)) throw error;
      const now = await api.list({ fieldSelector: `metadata.name=${name}`, signal });
      if (now.items[0]?.metadata?.uid !== uid) return;
      ({ metadata } = now.items[0]!);
    }
  }
}

/** Deletes the object of ours that has this name, also if it was made anew meanwhile; what isn't ours stays. */
async function deleteOurs(api: ResourceApi<KubernetesObject>, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { items: [object] } = await api.list({ ...oursNamed(name), signal });
    if (!object) return;
    try {
      await api.delete(name, { uid: object.metadata!.uid!, signal });
      return;
    } catch (error) {
      if (isApiError(error, 404)) return;
      // A refusal is no deletion: it may be another one by now, and let guests in like the first.
      if (!isApiError(error, 409)) throw error;
    }
  }
}

const oursNamed = (name: string) => ({ labelSelector: ours, fieldSelector: `metadata.name=${name}` });

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;
