/**
 * Compares the answers of `keystone would-fit` and of the webhook with what the controllers then do, in many guest
 * namespaces at a time.
 */
import { ApiError, isApiError, Kubeconfig, ResourceApi } from "../../lib/kubernetes/mod.ts";
import { HandoverWriter } from "../../src/front/handover.ts";
import { parseSettings } from "../../src/api/mod.ts";
import { installed } from "../fixtures/in_force.ts";
import { keystone } from "../fixtures/keystone_command.ts";
import { startFrontProcess } from "../fixtures/operator_process.ts";
import { clientOf, eventually, prepared, startOperator, TestCluster } from "../fixtures/test_operator.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { freePorts } from "../lab/ports.ts";
import { randomOf } from "../simulation/random.ts";
import {
  type AppliedObject,
  type Arrival,
  exceededQuota,
  isAtRest,
  miscountedQuota,
  quotasCounted,
} from "./arrival.ts";
import { type GeneratedCase, guestProfiles, type Preparation } from "./generated_case.ts";
import { GuestSlot } from "./guest_slot.ts";
import { type AnyObject, type ComparedKind, comparedKinds, resourceOfKind } from "./live_object.ts";
import { MadeUpNodes } from "./made_up_nodes.ts";
import { NamespaceViews } from "./namespace_views.ts";
import { persistent } from "./persistent_client.ts";

/** The answers about one step, and what happened. */
export interface StepResult {
  seed: number;
  index: number;
  step: number;
  title: string;
  profile: number;
  asker: string;
  /** Objects that were asked about; those of the advice if it was followed. */
  objects: AnyObject[];
  /** Answer of would-fit; null: not judged. */
  foretold: boolean | null;
  /** Its sentences. */
  said: string[];
  /** Failure of would-fit itself: an exit code that is neither yes nor no. */
  failure?: string;
  /** Refusals by the webhook, in a dry run. */
  webhook: string[];
  /** Objects that the API server refused. */
  refused: string[];
  /** True if everything was accepted and arrived. */
  came: boolean;
  reasons: string[];
  /** Number of pods that the answer advised, which was applied instead. */
  advice?: number;
  /** A quota miscounted meanwhile, so what happened proves nothing. */
  spoiled?: string;
  /** Durations in milliseconds: of the question, and until rest. */
  askedMs: number;
  restMs: number;
}

export interface ComparisonOptions {
  /** Number of namespaces in which cases run at a time. */
  slots: number;
  /** Called after each step. */
  onResult?: (result: StepResult) => void;
  /** Called for a case that couldn't be tried to its end. */
  onAbort: (aborted: GeneratedCase, error: Error) => void;
  /** Prints progress. */
  log?: (text: string) => void;
}

/** Overhead of the RuntimeClass `heavy`. */
const overhead = { podFixed: { cpu: "50m", memory: "16Mi" } };
/** Finished Jobs that a CronJob keeps by default (spec.successfulJobsHistoryLimit). */
const keptByDefault = 3;
/** Time without a change after which a deletion is taken for forgotten. */
const forgottenMs = 5000;
/** A schedule's run that is due now: the CronJob was last run before it. */
const longAgoMs = 400 * 86_400_000;

/** The lab with everything that the cases need. */
export class ComparisonScene implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  #realms = 0;

  private constructor(
    stack: AsyncDisposableStack,
    readonly lab: Lab,
    readonly cluster: TestCluster,
    readonly views: NamespaceViews,
    readonly nodes: MadeUpNodes,
  ) {
    this.#stack = stack;
  }

  static async open(log: (text: string) => void = () => {}): Promise<ComparisonScene> {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await startLab({ fastControllers: true, scheduler: true }));
    const cluster = new TestCluster(lab, persistent(stack.use(await prepared(lab)).rest));
    await installed(lab, "base", "webhook");
    const rest = persistent(stack.use(await clientOf(lab.kubeconfig, { maxInFlight: 200 })));
    const views = stack.use(new NamespaceViews());
    await views.start(rest);
    const nodes = stack.use(new MadeUpNodes(rest, views, log));
    await nodes.start();
    const made = await cluster.apply(
      { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "heavy" }, handler: "none", overhead },
      { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "low" }, value: -10 },
      { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: "none" }, value: 0 },
    );
    if (made.code !== 0) throw new Error(made.said);
    await webhookFor(lab, stack);
    await onlyDryRuns(cluster);
    return new ComparisonScene(stack.move(), lab, cluster, views, nodes);
  }

  /** Returns a namespace of a new realm. */
  slot(profile: number): Promise<GuestSlot> {
    return GuestSlot.open(this, `p${profile}-${this.#realms++}`, guestProfiles[profile]!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function webhookFor(lab: Lab, stack: AsyncDisposableStack): Promise<void> {
  const kubeconfig = await lab.user("system:serviceaccount:keystone-system:keystone-operator");
  const place = { url: `https://127.0.0.1:${freePorts(1)[0]}` };
  const config = await (await Kubeconfig.load({ paths: [kubeconfig] })).clientConfig();
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const trust = { runtimeClasses: ["heavy"] };
  stack.use(
    await startOperator(lab, {
      kubeconfig,
      realm: "alice-home",
      settings: parseSettings({ trust: { internal: trust, partner: trust } }),
      webhook: { place, handover: new HandoverWriter(folder, config) },
    }),
  );
  const env = { KEYSTONE_HANDOVER: folder, KEYSTONE_WEBHOOK: place.url, KEYSTONE_REALM: "alice-home" };
  const front = await startFrontProcess(env);
  stack.defer(async () => void await front.stop());
  await front.url();
}

/**
 * Makes the webhook judge dry runs and controllers' pods only. So its answer is known from a dry run, and what happens
 * without it from the apply that follows.
 */
async function onlyDryRuns({ rest }: TestCluster): Promise<void> {
  const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/keystone";
  await eventually("the webhook is configured", async () => {
    try {
      await rest.performRequest({ method: "GET", path });
      return true;
    } catch (error) {
      return (error as Error).message;
    }
  }, 30_000);
  await rest.performRequest({
    method: "PATCH",
    path,
    querystring: new URLSearchParams({ fieldManager: "comparison", force: "true" }),
    contentType: "application/apply-patch+yaml",
    bodyJson: {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: "keystone" },
      webhooks: [{
        name: "workloads.keystone.io",
        matchConditions: [{
          name: "dry-run-or-controller",
          expression:
            "request.?dryRun.orValue(false) || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')",
        }],
      }],
    },
  });
}

/** Runs all cases, as many at a time as there are slots, and returns the results of all their steps. */
export async function compared(
  scene: ComparisonScene,
  cases: readonly GeneratedCase[],
  { slots, onResult = () => {}, onAbort, log = () => {} }: ComparisonOptions,
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const queues = guestProfiles.map((_, profile) => cases.filter((each) => each.profile === profile));
  const isLate = (at: number) => queues[at]!.length === 0;
  await Promise.all(Array.from({ length: slots }, async (_, number) => {
    let profile = number % queues.length;
    let slot: GuestSlot | undefined;
    try {
      while (true) {
        if (isLate(profile)) {
          const longest = queues.reduce((best, queue, at) => queue.length > queues[best]!.length ? at : best, 0);
          if (isLate(longest)) return;
          slot?.[Symbol.dispose]();
          slot = undefined;
          profile = longest;
        }
        const next = queues[profile]!.shift()!;
        slot ??= await scene.slot(profile);
        const isWhole = await tried(scene, slot, next, (result) => {
          results.push(result);
          onResult(result);
        }).then(() => true, (error) => {
          scene.lab.assertRunning();
          onAbort(next, error);
          return false;
        });
        const left = isWhole ? await slot.cleared() : "unknown";
        if (left !== undefined) {
          log(`Case ${next.index} left something in ${slot.namespace}, so a new realm takes its place: ${left}`);
          slot[Symbol.dispose]();
          slot = undefined;
        }
      }
    } finally {
      slot?.[Symbol.dispose]();
    }
  }));
  return results;
}

async function tried(
  scene: ComparisonScene,
  slot: GuestSlot,
  { seed, index, profile, asker, kubectl, quotas, ranges, before, steps }: GeneratedCase,
  onResult: (result: StepResult) => void,
): Promise<void> {
  const { view } = slot;
  const applied = new Map<string, AppliedObject>();
  await slot.limit([...ranges, ...quotas]);
  for (const object of before) {
    await applyOne(slot, object, applied);
    // If it doesn't come, it would compete for all room that becomes free.
    if (!(await restOf(scene, slot, applied)).arrived) {
      await remove(scene, slot, object.kind!, object.metadata!.name!, applied);
    }
  }
  for (const [number, step] of steps.entries()) {
    if (step.preparation) await prepare(scene, slot, step.preparation, applied);
    const objects = structuredClone(step.objects);
    for (const { kind, spec } of objects) {
      // Due once, in January; with another name of the Job for each step.
      if (kind === "CronJob") spec.schedule = `0 0 ${number + 1} 1 *`;
    }
    const miscounted = await quotasCounted(view);
    const start = performance.now();
    const asked = await askAtRest(scene, slot, asker, objects);
    const askedMs = performance.now() - start;
    const webhook = await webhookRefusals(slot, objects);
    const advice = asked.foretold === false && randomOf(seed, index * 16 + number).percent(50)
      ? adviceIn(asked.said, objects)
      : undefined;
    const real = advice?.objects ?? objects;
    const applying = performance.now();
    await suspendCronJobs(scene, slot, real);
    const refused = kubectl ? await applyByKubectl(scene, slot, real, applied) : [];
    if (!kubectl) {
      for (const object of real) {
        const error = await applyOne(slot, object, applied);
        if (error !== undefined) refused.push(error);
      }
    }
    await trigger(scene, slot, real, applied);
    let rest = await restOf(scene, slot, applied);
    // The later pods of a Job come only when earlier ones have ended, so a no is about the end.
    const runsOn = ({ kind }: AnyObject) => kind === "CronJob" || (kind === "Job" && asked.foretold === false);
    if (rest.arrived && real.some(runsOn)) rest = await finished(scene, slot, applied);
    if (rest.arrived && refused.length === 0) rest = await laterRuns(scene, slot, real, number, applied) ?? rest;
    const came = rest.arrived && refused.length === 0;
    const spoiled = miscounted ?? (came ? exceededQuota(view) : miscountedQuota(view));
    onResult({
      seed,
      index,
      step: number,
      title: step.title,
      profile,
      asker,
      objects: real,
      ...asked,
      webhook: advice ? [] : webhook,
      refused,
      came,
      reasons: rest.reasons,
      ...(advice ? { advice: advice.count } : {}),
      ...(spoiled ? { spoiled } : {}),
      askedMs,
      restMs: performance.now() - applying,
    });
    // A CronJob's next run would depend on the one that is stuck.
    if (!came && real.some(({ kind }) => kind === "CronJob")) return;
  }
}

/**
 * Runs a CronJob as often as it needs to keep all finished Jobs that its history allows, and once more: an answer about it
 * is about every later run too. Returns undefined if there is nothing to run.
 */
async function laterRuns(
  scene: ComparisonScene,
  slot: GuestSlot,
  objects: readonly AnyObject[],
  step: number,
  applied: Map<string, AppliedObject>,
): Promise<Arrival | undefined> {
  const crons = objects.filter(({ kind, spec }) => kind === "CronJob" && !spec.suspend);
  let rest: Arrival | undefined;
  const kept = Math.max(0, ...crons.map(({ spec }) => spec.successfulJobsHistoryLimit ?? keptByDefault));
  for (let run = 1; run <= kept; run++) {
    await suspendCronJobs(scene, slot, crons);
    for (const cron of crons) {
      // Of another month, so that its Job has another name.
      await patchSpec(scene, slot, cron, { schedule: `0 0 ${step + 1} ${run + 1} *` }, "kubectl");
    }
    await trigger(scene, slot, crons, applied);
    rest = await restOf(scene, slot, applied);
    if (rest.arrived) rest = await finished(scene, slot, applied);
    if (!rest.arrived) return rest;
  }
  return rest;
}

/** Ends the Jobs' pods of the namespace, and waits until the Jobs are complete. */
async function finished(
  scene: ComparisonScene,
  slot: GuestSlot,
  applied: Map<string, AppliedObject>,
): Promise<Arrival> {
  scene.nodes.finishJobs(slot.namespace);
  const rest = await restOf(scene, slot, applied);
  slot.view.finishing = false;
  return rest;
}

async function prepare(
  scene: ComparisonScene,
  slot: GuestSlot,
  preparation: Preparation,
  applied: Map<string, AppliedObject>,
): Promise<void> {
  if ("finish" in preparation) {
    await finished(scene, slot, applied);
  } else if ("remove" in preparation) {
    await remove(scene, slot, preparation.remove.kind, preparation.remove.name, applied);
  } else {
    const { kind, name, replicas } = preparation.scale;
    const { group, version, plural } = comparedKinds[kind];
    const prefix = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const path = `${prefix}/namespaces/${slot.namespace}/${plural}/${name}/scale`;
    await slot.guest.performRequest({
      method: "PATCH",
      path,
      querystring: new URLSearchParams({ fieldManager: "kubectl" }),
      contentType: "application/merge-patch+json",
      bodyJson: { spec: { replicas } },
    }).catch(unlessGone);
    await restOf(scene, slot, applied);
  }
}

/** Deletes an object and all that belongs to it, except the claims of a StatefulSet that keeps them. */
async function remove(
  scene: ComparisonScene,
  slot: GuestSlot,
  kind: string,
  name: string,
  applied: Map<string, AppliedObject>,
): Promise<void> {
  applied.delete(`${kind} ${name}`);
  const api = new ResourceApi(slot.guest, resourceOfKind(kind), slot.namespace);
  await api.delete(name, { propagationPolicy: "Foreground" }).catch(unlessGone);
  await eventually(
    `${kind} ${name} is deleted`,
    async () => {
      if (slot.view.named(kind as ComparedKind, name) === undefined) return true;
      if (performance.now() - slot.view.changedAt > forgottenMs) await touchEndingClaims(scene, slot);
      return "not yet";
    },
    60_000,
  );
  await restOf(scene, slot, applied);
}

/**
 * Changes claims that are being deleted, so that their controller looks again: it may have read their pod before that ended
 * (LazyLivePodList), and then the pod's foreground deletion waits for the claim, and the claim for another event.
 */
async function touchEndingClaims({ cluster }: ComparisonScene, { view, namespace }: GuestSlot): Promise<void> {
  for (const { metadata } of view.of("PersistentVolumeClaim")) {
    if (metadata.deletionTimestamp === undefined) continue;
    await cluster.rest.performRequest({
      method: "PATCH",
      path: pathOf({ kind: "PersistentVolumeClaim", metadata }, namespace),
      contentType: "application/merge-patch+json",
      bodyJson: { metadata: { annotations: { "comparison/touched": new Date().toISOString() } } },
    }).catch(unlessGone);
  }
}

/** Waits until the controllers are at rest, without the delay of sets of pods that have room by now. */
const restOf = (
  { cluster }: ComparisonScene,
  { view, namespace }: GuestSlot,
  applied: ReadonlyMap<string, AppliedObject>,
): Promise<Arrival> =>
  isAtRest(view, [...applied.values()], async ({ kind, set: { metadata } }) => {
    await cluster.rest.performRequest({
      method: "PATCH",
      path: pathOf({ kind, metadata }, namespace),
      contentType: "application/merge-patch+json",
      bodyJson: { metadata: { annotations: { "comparison/retried": new Date().toISOString() } } },
    }).catch(unlessGone);
  });

/** Ignores that the object isn't there: an earlier step was refused. */
function unlessGone(error: unknown): undefined {
  if (!isApiError(error, 404)) throw error;
  return undefined;
}

/** Number of times that a question is asked while the namespace changes. */
const mostQuestions = 4;

/**
 * Asks, again if anything has changed meanwhile: a controller whose cache is late creates a pod of an owner that is gone,
 * and the quota counts that pod until it is deleted, too.
 */
async function askAtRest(
  scene: ComparisonScene,
  slot: GuestSlot,
  asker: "guest" | "admin",
  objects: readonly AnyObject[],
): ReturnType<typeof ask> {
  for (let question = 1;; question++) {
    const start = performance.now();
    const asked = await ask(scene, slot, asker, objects);
    // What the answer was read from may reach this test's watches a moment later.
    await slot.view.next(100);
    if (slot.view.changedAt < start || question === mostQuestions) return asked;
    await quotasCounted(slot.view);
  }
}

async function ask(
  scene: ComparisonScene,
  slot: GuestSlot,
  asker: "guest" | "admin",
  objects: readonly AnyObject[],
): Promise<{ foretold: boolean | null; said: string[]; failure?: string }> {
  const kubeconfig = asker === "guest" ? slot.kubeconfig : scene.lab.kubeconfig;
  const stdin = objects.map((object) => JSON.stringify(object)).join("\n---\n");
  const { code, out, err } = await keystone(
    kubeconfig,
    ["would-fit", "-f", "-", "-n", slot.namespace, "-o", "json"],
    { stdin },
  );
  try {
    const { fits, message, items = [] } = JSON.parse(out);
    const warnings = items.flatMap(({ warnings = [] }: { warnings?: string[] }) => warnings);
    return { foretold: fits, said: [...String(message).split("\n"), ...warnings] };
  } catch {
    return code === 1
      ? { foretold: false, said: [err] }
      : { foretold: null, said: [err], failure: `exit ${code}: ${err}` };
  }
}

const pathOf = ({ kind, metadata }: AnyObject, namespace: string): string => {
  const { group, version, plural } = resourceOfKind(kind);
  const prefix = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return `${prefix}/namespaces/${namespace}/${plural}/${metadata!.name}`;
};

async function serverSide(slot: GuestSlot, object: AnyObject, dryRun: boolean): Promise<AnyObject> {
  return await slot.guest.performRequest({
    method: "PATCH",
    path: pathOf(object, slot.namespace),
    querystring: new URLSearchParams({ fieldManager: "kubectl", force: "true", ...(dryRun ? { dryRun: "All" } : {}) }),
    contentType: "application/apply-patch+yaml",
    bodyJson: object,
  }) as AnyObject;
}

/** Returns the webhook's refusals of the objects, in a dry run. */
async function webhookRefusals(slot: GuestSlot, objects: readonly AnyObject[]): Promise<string[]> {
  const refusals: string[] = [];
  for (const object of objects) {
    try {
      await serverSide(slot, object, true);
    } catch (error) {
      if (!isApiError(error)) throw error;
      if (error.message.includes('admission webhook "workloads.keystone.io"')) refusals.push(error.message);
    }
  }
  return refusals;
}

/** Applies the object as the guest; returns the refusal. */
async function applyOne(
  slot: GuestSlot,
  object: AnyObject,
  applied: Map<string, AppliedObject>,
): Promise<string | undefined> {
  try {
    note(await serverSide(slot, object, false), applied);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.message;
  }
}

function note({ kind, metadata }: AnyObject, applied: Map<string, AppliedObject>): void {
  applied.set(`${kind} ${metadata!.name}`, {
    kind: kind as ComparedKind,
    name: metadata!.name!,
    resourceVersion: metadata!.resourceVersion!,
  });
}

async function applyByKubectl(
  { lab, cluster }: ComparisonScene,
  slot: GuestSlot,
  objects: readonly AnyObject[],
  applied: Map<string, AppliedObject>,
): Promise<string[]> {
  const { code, stderr } = await lab.kubectl(["apply", "-n", slot.namespace, "-f", "-"], {
    kubeconfig: slot.kubeconfig,
    stdin: objects.map((object) => JSON.stringify(object)).join("\n---\n"),
  });
  for (const object of objects) {
    try {
      const path = pathOf(object, slot.namespace);
      note({ ...await cluster.rest.performRequest({ method: "GET", path }) as AnyObject, kind: object.kind! }, applied);
    } catch (error) {
      unlessGone(error);
    }
  }
  return code === 0 ? [] : [stderr.trim()];
}

async function patchSpec(
  { cluster }: ComparisonScene,
  slot: GuestSlot,
  object: AnyObject,
  spec: object,
  fieldManager = "comparison",
): Promise<AnyObject | undefined> {
  return await cluster.rest.performRequest({
    method: "PATCH",
    path: pathOf(object, slot.namespace),
    querystring: new URLSearchParams({ fieldManager }),
    contentType: "application/merge-patch+json",
    bodyJson: { spec },
  }).catch(unlessGone) as AnyObject | undefined;
}

/**
 * Suspends those CronJobs that exist, so that nothing but {@linkcode trigger} starts a run. After a write between the
 * creation of a Job and that of the CronJob's status, the controller of Kubernetes 1.34 fails at each try until the next
 * time of the schedule: it looks for the Job that exists already in no namespace (kubernetes/kubernetes#136918).
 */
async function suspendCronJobs(scene: ComparisonScene, slot: GuestSlot, objects: readonly AnyObject[]): Promise<void> {
  for (const object of objects) {
    if (object.kind === "CronJob") await patchSpec(scene, slot, object, { suspend: true });
  }
}

/**
 * Makes the applied CronJobs run now: their last run was before one that was due. The last write makes a run due, and
 * nothing is written after it.
 */
async function trigger(
  scene: ComparisonScene,
  slot: GuestSlot,
  objects: readonly AnyObject[],
  applied: Map<string, AppliedObject>,
): Promise<void> {
  await suspendCronJobs(scene, slot, objects);
  for (const object of objects) {
    if (object.kind !== "CronJob" || object["spec"].suspend) continue;
    await scene.cluster.rest.performRequest({
      method: "PATCH",
      path: `${pathOf(object, slot.namespace)}/status`,
      contentType: "application/merge-patch+json",
      bodyJson: { status: { lastScheduleTime: new Date(Date.now() - longAgoMs).toISOString().replace(/\.\d+/, "") } },
    }).catch(unlessGone);
    const resumed = await patchSpec(scene, slot, object, { suspend: false });
    if (resumed) note({ ...resumed, kind: "CronJob" }, applied);
  }
}

/** Returns the objects as the answer advises: with as many pods as would fit. */
function adviceIn(
  said: readonly string[],
  objects: readonly AnyObject[],
): { count: number; objects: AnyObject[] } | undefined {
  const sized = objects.filter(({ kind }) =>
    ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"].includes(kind!)
  );
  if (sized.length !== 1 || objects.length !== 1) return undefined;
  const count = Number(said.join("\n").match(/(\d+) such pods? would fit/)?.[1] ?? 0);
  if (count === 0) return undefined;
  const [object] = structuredClone(sized) as [AnyObject];
  object["spec"][object.kind === "Job" ? "parallelism" : "replicas"] = count;
  return { count, objects: [object] };
}
