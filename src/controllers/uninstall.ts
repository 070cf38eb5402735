/**
 * Uninstalls Keystone: closes guests' access and removes its finalizers. Deletes nothing that a person has made. An
 * interrupted run is completed by the next one.
 */
import { type Clock, sleep } from "../../lib/clock/mod.ts";
import { isApiError, type KubernetesObject, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type ResourceQuota } from "../../lib/kubernetes_apis/core@v1.ts";
import { CoordinationV1Api, type Lease } from "../../lib/kubernetes_apis/coordination.k8s.io@v1.ts";
import { FlowcontrolApiserverV1Api } from "../../lib/kubernetes_apis/flowcontrol.apiserver.k8s.io@v1.ts";
import { RbacAuthorizationV1Api } from "../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import { AdmissionregistrationV1Api } from "../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { apiVersionName, definitions, type GrantSpec, type GrantStatus, group, guestFinalizer } from "../api/mod.ts";
import { webhookConfigurationName } from "../core/admission/configuration.ts";
import { guideName, guideOf } from "../core/guest/objects/guide.ts";
import { quotaName, quotaOf } from "../core/guest/objects/quota.ts";
import { rfc3339 } from "../core/instants.ts";
import { countText, fewOf } from "../core/plain_text.ts";
import { uninstalledStatus, unwatchedStatus } from "../core/grant/uninstalled_status.ts";
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
  /** This process's identity in the Lease; begins with {@linkcode uninstaller}. */
  identity: string;
  /** Called with a sentence for each step that was done. */
  say: (sentence: string) => void;
  /** Called with what is being done now, for a line that changes. */
  doing?: (text: string) => void;
  signal: AbortSignal;
}

/** Prefix of the uninstaller's identity. */
export const uninstaller = "uninstall_";

/** Seconds after the end during which no operator may act: time to delete its StatefulSet. */
const quietSeconds = 60;
const renewMs = 15_000;
const ours = `${managedByLabel}=${managedBy}`;

export async function uninstall(options: UninstallOptions): Promise<void> {
  const { say, signal } = options;
  await takeLease(options);
  // The work may take longer than the Lease lasts.
  const done = new AbortController();
  const keeping = keepLease(options, AbortSignal.any([signal, done.signal]));
  try {
    const realms = await guestRealms(options);
    for (const [index, realm] of realms.entries()) {
      options.doing?.(`Closing ${guestNamespace(realm)}: ${index + 1} of ${realms.length}`);
      say(await close(options, realm));
    }
    await removeWebhook(options);
    await removeGuestFlow(options);
    const freed = await freeAll(options);
    say(
      freed.length === 0
        ? "No object of keystone.io has Keystone's finalizer."
        : `Removed Keystone's finalizer from ${freed.join(", ")}: they still exist and can be deleted.`,
    );
  } finally {
    done.abort();
    await keeping;
  }
  await writeLease(options);
  say(
    `No operator acts for the next ${quietSeconds} s: delete its StatefulSet by then, or it starts again. To delete all ` +
      `terms too: kubectl delete crd ${definitions.map(({ plural }) => `${plural}.${group}`).join(" ")}`,
  );
}

/**
 * Takes the Lease from its holder and waits until that operator has stopped: it writes for up to two thirds of the
 * Lease's duration after its last renewal (see LeaseHolder), and can't renew any more.
 */
async function takeLease(options: UninstallOptions): Promise<void> {
  const before = await writeLease(options);
  const holder = before?.spec?.holderIdentity;
  if (!holder || holder === options.identity) return;
  // It is unknown if an interrupted earlier run had waited for the operator to stop.
  const seconds = holder.startsWith(uninstaller) ? 15 : before.spec?.leaseDurationSeconds ?? 15;
  const waitSeconds = Math.ceil(seconds * 2 / 3);
  options.say(`Took the Lease from ${holder}; waiting until it has stopped: ${waitSeconds} s.`);
  for (let left = waitSeconds; left > 0; left--) {
    options.doing?.(`Waiting until ${holder} has stopped: ${left} s`);
    await sleep(options.clock, 1000, options.signal);
    options.signal.throwIfAborted();
  }
}

/** Writes the Lease and returns its previous state. */
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
      // 409: the holder renewed it at the same moment. 404: without its namespace there is no operator either.
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

/** Removes guests' access and freezes the quota. Pods and volumes stay, behind the existing policies. */
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
  const sentence = `Namespace ${namespace} stays: guests have no access and nothing new is admitted; ` +
    `${countText(running, "pod")} in it keep${running === 1 ? "s" : ""} running, and ${
      countText(claims, "volume claim")
    } ${claims === 1 ? "is" : "are"} kept. To delete it with all its data: kubectl delete namespace ${namespace}`;
  const guides = new CoreV1Api(rest).namespace(namespace).configMaps;
  if ((await guides.list(named(guideName))).items.length > 0) {
    // For people who find the namespace later. An operator that is installed again replaces it with the grants.
    await guides.apply(
      guideOf(realm, `# Keystone was uninstalled at ${rfc3339(clock.now())}.\n# ${sentence}\n[]\n`),
      apply,
    );
  }
  return sentence;
}

const closed = (realm: string, { spec }: ResourceQuota): ResourceQuota =>
  quotaOf(realm, Object.fromEntries([...Object.keys(spec?.hard ?? {}), "pods"].map((key) => [key, "0"])));

/** Removes the webhook configuration; otherwise the API server would call it forever. */
async function removeWebhook({ rest, signal }: UninstallOptions): Promise<void> {
  try {
    await deleteOurs(
      new AdmissionregistrationV1Api(rest).validatingWebhookConfigurations,
      webhookConfigurationName,
      signal,
    );
  } catch (error) {
    // Without permission the operator never created one.
    if (!isApiError(error, 403)) throw error;
  }
}

/** Removes the guests' FlowSchema: it would only slow down later users with the same names. */
async function removeGuestFlow({ rest, signal }: UninstallOptions): Promise<void> {
  try {
    await deleteOurs(new FlowcontrolApiserverV1Api(rest).flowSchemas, guestFlowName, signal);
  } catch (error) {
    // Without permission the operator never created one.
    if (!isApiError(error, 403)) throw error;
  }
}

/** Removes the finalizer from all Keystone objects, after a true status was written; returns a count for each kind. */
async function freeAll(options: UninstallOptions): Promise<string[]> {
  const { rest, signal, doing, say } = options;
  const freed: string[] = [];
  const stale: string[] = [];
  for (const { kind, plural, singular } of definitions) {
    const api = new ResourceApi<KubernetesObject>(rest, {
      group,
      version: apiVersionName,
      kind,
      plural,
      namespaced: false,
    });
    let objects: KubernetesObject[];
    try {
      objects = await api.all({ signal });
    } catch (error) {
      // The custom resource is deleted, and all of its objects with it.
      if (isApiError(error, 404)) continue;
      throw error;
    }
    let [done, held] = [0, 0];
    await inLanes(objects, async (object) => {
      if (!await reportUninstalled(api, object, options)) stale.push(`${kind} ${object.metadata!.name}`);
      if (object.metadata!.finalizers?.includes(guestFinalizer)) {
        await free(api, object, signal);
        held++;
      }
      doing?.(`Writing the last status of each ${kind} and removing its finalizer: ${++done} of ${objects.length}`);
    });
    if (held > 0) freed.push(countText(held, singular[0]!.toUpperCase() + singular.slice(1)));
  }
  if (stale.length > 0) {
    say(`The status of ${fewOf(stale.sort())} could not be written: it is from before the uninstallation.`);
  }
  return freed;
}

/** Number of objects that are written at the same time. */
const lanes = 8;

async function inLanes<T>(all: readonly T[], run: (each: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const each of left) await run(each);
  }));
}

/** Writes a status that stays true without an operator; returns false if it can't be written. */
async function reportUninstalled(
  api: ResourceApi<KubernetesObject>,
  { apiVersion, kind, metadata, ...object }: KubernetesObject,
  { clock, signal }: UninstallOptions,
): Promise<boolean> {
  const { spec, status = {} } = object as { spec: GrantSpec; status?: GrantStatus };
  const { name, uid, generation = 1 } = metadata!;
  const now = clock.now();
  const next = kind === "Grant"
    ? uninstalledStatus({ generation, spec, status }, now)
    : unwatchedStatus(status, generation, now);
  if (!next) return true;
  try {
    const written = { apiVersion, kind, metadata: { name, uid }, status: next } as KubernetesObject;
    await api.applyStatus(written, { fieldManager: operatorName, force: true, signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    // The finalizer goes nevertheless: without it the object can be deleted.
    return isApiError(error, 404) || isApiError(error, 409);
  }
}

async function free(api: ResourceApi<KubernetesObject>, object: KubernetesObject, signal: AbortSignal): Promise<void> {
  for (let { metadata } = object;;) {
    const { name, uid, resourceVersion } = metadata!;
    const finalizers = metadata!.finalizers?.filter((finalizer) => finalizer !== guestFinalizer) ?? [];
    try {
      // The resource version protects finalizers that others add in the meantime.
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

/** Deletes Keystone's object of this name, even if it was replaced in the meantime. Objects of others stay. */
async function deleteOurs(api: ResourceApi<KubernetesObject>, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { items: [object] } = await api.list({ ...oursNamed(name), signal });
    if (!object) return;
    try {
      await api.delete(name, { uid: object.metadata!.uid!, signal });
      return;
    } catch (error) {
      if (isApiError(error, 404)) return;
      // A 409 is no deletion: the object may have been replaced, and the new one gives guests access too.
      if (!isApiError(error, 409)) throw error;
    }
  }
}

const oursNamed = (name: string) => ({ labelSelector: ours, fieldSelector: `metadata.name=${name}` });
