/** Verdicts on the objects of an input: the API server's answers, with the room that there is. */
import type { PodSpec } from "../../../lib/kubernetes_apis/core@v1.ts";
import { parseQuantity, type Quantity } from "../../../lib/quantity/mod.ts";
import type { Autoscaler, Change, Outcome, Surroundings } from "../../core/admission/change.ts";
import { competingDefault, largestDefaultsFirst } from "../../core/admission/competing_defaults.ts";
import { withDefaults } from "../../core/admission/defaults.ts";
import { judge } from "../../core/admission/judge.ts";
import { autoscalerOf, following } from "../../core/admission/surroundings.ts";
import { UnreadableWorkload } from "../../core/admission/workload.ts";
import { podUsage } from "../../core/guest/pod_usage.ts";
import { inLine } from "../session.ts";
import { merged } from "./apply_patch.ts";
import { type AskedObject, objectTitle } from "./asked_objects.ts";
import { type HelmHook, inHelmOrder } from "./helm_hooks.ts";
import { type NamespaceState, type OwnedObjects, podOfTemplate, presentOf } from "./namespace_state.ts";
import { restrictedSentence } from "../../core/admission/restricted_fields.ts";
import { isPodSecurityWarning, isRoomWarning, refusalSentence, storageClassIn } from "./server_refusals.ts";
import type { ClaimTrial } from "./server_trial.ts";
import { templateOf } from "./trial_objects.ts";

/** The answer about one object. */
export interface WouldFitItem {
  kind: string;
  name: string;
  /** Null: not judged. */
  fits: boolean | null;
  shortBy: Record<string, string>;
  message: string;
  warnings: string[];
  /** Of a Helm hook: the time at which Helm creates it. */
  runs?: string;
  /** True for a hook that neither `helm install` nor `helm upgrade` creates: the answer about the whole leaves it out. */
  onlyWhenAsked?: true;
}

/** Returns the verdict on each object, in the order of the input. */
export function verdictsOn(objects: readonly AskedObject[], { around, owned }: NamespaceState): WouldFitItem[] {
  const items = new Map<AskedObject, WouldFitItem>();
  /** Keys that earlier objects give back, so that a quota's refusal no longer holds. */
  const freed = new Set<string>();
  const judgeIn = (object: AskedObject, room: Surroundings): Surroundings => {
    const { item, outcome } = verdictOn(object, room, owned, freed);
    items.set(object, item);
    if (!outcome) return room;
    for (const list of outcome.takes.values()) {
      for (const [key, amount] of list) if (amount.sign() < 0) freed.add(key);
    }
    const rest = following(object.hook ? lasting(object.hook, object.kind, outcome) : outcome, room);
    if (object.target === undefined || item.fits !== true) return rest;
    // The autoscaler changes its target at once.
    const scaled = verdictOn(object.target, rest, owned, freed);
    if (scaled.item.fits !== true) {
      const { fits, shortBy, message } = scaled.item;
      items.set(object, { ...item, fits, shortBy, message: `${objectTitle(object)} scales its target: ${message}` });
    }
    return scaled.outcome ? following(scaled.outcome, rest) : rest;
  };
  const hooks = (phase: HelmHook["phase"]) =>
    objects.flatMap((object) => object.hook?.phase === phase ? [{ object, hook: object.hook, name: object.name }] : [])
      .sort(inHelmOrder).map(({ object }) => object);
  const inTurn = (list: readonly AskedObject[], room: Surroundings) =>
    list.reduce((room, object) => judgeIn(object, room), room);

  const start: Surroundings = {
    ...around,
    autoscalers: autoscalersWith(objects, around.autoscalers),
    ...defaultClassFrom(objects, around),
  };
  const main = inTurn(objects.filter(({ hook }) => hook === undefined), inTurn(hooks("before"), start));
  const end = inTurn(hooks("after"), main);
  // It may run at any time, so it only has to fit into the grants; other use may be gone by then.
  const empty = { ...start, quotas: start.quotas.map((quota) => ({ ...quota, used: new Map() })) };
  for (const object of hooks("asked")) {
    const { item } = verdictOn(object, empty, owned, { has: () => true });
    items.set(object, item);
    if (item.fits !== true) continue;
    const beside = verdictOn(object, end, owned, freed).item;
    if (beside.fits === false) item.warnings.push(`Beside the rest it does not fit: ${beside.message}`);
  }
  return objects.map((object) => items.get(object)!);
}

/** Returns the autoscalers of the input, and those live ones that the input doesn't replace. */
function autoscalersWith(objects: readonly AskedObject[], live: readonly Autoscaler[]): Autoscaler[] {
  const own = objects.filter(({ kind, answer }) => kind === "HorizontalPodAutoscaler" && answer === undefined)
    .map(({ trial, manifest }) => autoscalerOf(trial.after ?? manifest))
    .filter((each) => each !== undefined);
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...live.filter(({ name }) => !names.has(name))];
}

const storageClassOf = (claim: unknown): string | undefined =>
  (claim as { spec?: { storageClassName?: string | null } } | undefined)?.spec?.storageClassName ?? undefined;

/** Returns the default StorageClass as the API server has filled it in, if the user may not read the classes. */
function defaultClassFrom(
  objects: readonly AskedObject[],
  { defaultStorageClass }: Surroundings,
): Pick<Surroundings, "defaultStorageClass"> {
  if (defaultStorageClass !== undefined) return {};
  for (const { kind, trial, manifest, claims } of objects) {
    const own = kind === "PersistentVolumeClaim" && storageClassOf(manifest) === undefined && trial.live === undefined
      ? [{ admitted: trial.refusal === undefined, refusal: trial.refusal, storageClass: storageClassOf(trial.after) }]
      : [];
    for (const { admitted, refusal, storageClass } of [...own, ...claims.filter(({ byDefault }) => byDefault)]) {
      const found = admitted ? storageClass ?? null : storageClassIn(refusal?.requested);
      if (found !== undefined) return { defaultStorageClass: found };
    }
  }
  return {};
}

/** Judges one object with the room that there is. */
function verdictOn(
  object: AskedObject,
  around: Surroundings,
  owned: OwnedObjects | undefined,
  freed: Pick<ReadonlySet<string>, "has">,
): { item: WouldFitItem; outcome?: Outcome } {
  const { kind, name, answer, trial, hook } = object;
  const fields = fieldsToSet(object);
  // The fields to set say what Pod Security's own warning says, with values.
  const isSaid = (text: string) => isRoomWarning(text) || (fields.length > 0 && isPodSecurityWarning(text));
  const common = {
    kind,
    name,
    shortBy: {},
    warnings: [
      ...new Set([...trial.warnings.filter((text) => !isSaid(text)), ...fields].map(inLine)),
    ],
    ...(hook ? { runs: hook.runs } : {}),
    ...(hook?.phase === "asked" ? { onlyWhenAsked: true as const } : {}),
  };
  if (object.overwritten) {
    const refused = trial.refusal?.byWebhook ? refusalSentence(inLine(trial.refusal.message)) : undefined;
    const message = refused === undefined
      ? `${objectTitle(object)} is judged as the later object of this name in the input leaves it.`
      : `${objectTitle(object)} would be refused: ${refused}`;
    return { item: { ...common, fits: refused === undefined, message } };
  }
  if (answer?.fits === false) return { item: { ...common, fits: false, message: answer.message } };
  const { change, notes, doubt } = changeOf(object, around, owned);
  let outcome: Outcome;
  try {
    outcome = judge(change, around);
    // Claims that exist are used again, whatever the API server says about new ones.
    const obstacle = claimObstacle(object, outcome);
    if (obstacle !== undefined && change.obstacle === undefined) outcome = judge({ ...change, obstacle }, around);
  } catch (error) {
    if (!(error instanceof UnreadableWorkload)) throw error;
    const message = answer?.message ?? `${objectTitle(object)}: ${error.message}`;
    return { item: { ...common, fits: answer ? null : false, message } };
  }
  const item: WouldFitItem = {
    ...common,
    fits: outcome.fits,
    shortBy: shortages(outcome),
    message: outcome.message,
    warnings: [
      ...new Set([...common.warnings, ...outcome.warnings, ...outcome.notes, ...(isMore(outcome) ? notes : [])]),
    ],
  };
  if (outcome.fits === false) {
    if (answer) item.warnings.push(`This is Keystone's own calculation. ${answer.message}`);
    return { item, outcome };
  }
  const reason = outcome.fits === null
    ? outcome.notJudged
    : outcome.pods?.created === 0
    ? undefined
    : doubt ?? defaultDoubt(object, change, around);
  const unsure = answer?.message ?? (reason === undefined ? undefined : `${objectTitle(object)}: ${reason}`);
  if (unsure !== undefined) return { item: { ...item, fits: null, message: unsure }, outcome };
  const contrary = contradiction(object, change, outcome, freed);
  if (contrary !== undefined) return { item: { ...item, fits: false, message: contrary }, outcome };
  const later = refusedLater(object, outcome);
  if (later !== undefined) item.warnings.push(later);
  return { item, outcome };
}

/** Reports whether the sizes of pods mattered. */
const isMore = ({ fits, takes }: Outcome): boolean =>
  fits !== true || [...takes.values()].some((list) => [...list.values()].some((amount) => amount.sign() > 0));

/** Returns the missing amounts by key. */
function shortages({ shortfalls }: Outcome): Record<string, string> {
  const most = new Map<string, Quantity>();
  for (const { key, short } of shortfalls) {
    const other = most.get(key);
    if (other === undefined || short.compare(other) > 0) most.set(key, short);
  }
  return Object.fromEntries([...most].map(([key, short]) => [key, short.toString()]));
}

interface ChangeInWords {
  change: Change;
  notes: string[];
  /** Reason for which a yes would be a guess. */
  doubt?: string;
}

function changeOf(object: AskedObject, around: Surroundings, owned: OwnedObjects | undefined): ChangeInWords {
  const { trial, manifest } = object;
  const { live } = trial;
  const present = live && owned && presentOf({ ...live, kind: object.kind }, owned);
  const obstacle = obstacleOf(object);
  const { pod, notes, doubt } = podOf(object, around, present);
  return {
    change: {
      after: withGivenName(trial.after ?? merged(manifest, live), manifest),
      asked: trial.asked,
      ...(live ? { before: { ...live, apiVersion: manifest.apiVersion, kind: object.kind } } : {}),
      ...(pod ? { pod } : {}),
      ...(object.resource === undefined ? {} : { resource: object.resource }),
      ...(obstacle === undefined ? {} : { obstacle }),
      ...(present ? { present } : {}),
    },
    notes,
    ...(doubt === undefined ? {} : { doubt }),
  };
}

/** Returns why a yes would be a guess: another pod may get larger defaults than the one that was tried. */
function defaultDoubt(
  { kind, manifest, trial }: AskedObject,
  change: Change,
  around: Surroundings,
): string | undefined {
  const template = (kind === "Pod" ? manifest : templateOf(trial.after ?? manifest)) as { spec?: PodSpec } | undefined;
  const key = competingDefault(template?.spec, around.limits);
  if (key === undefined) return undefined;
  const { spec } = withDefaults(template!.spec!, largestDefaultsFirst(around.limits));
  const { overhead } = change.pod ?? {};
  const pod = { ...spec, ...(overhead ? { overhead } : {}) };
  if (judge({ ...change, pod }, around).fits === true) return undefined;
  return `Several LimitRanges give different defaults for ${key}, and Kubernetes doesn't define which one a container ` +
    `gets. Set resources.${key} of each container.`;
}

/** Returns the object with the name in the manifest, which may leave it to the API server. */
function withGivenName(object: unknown, { metadata }: AskedObject["manifest"]): unknown {
  if (metadata?.name !== undefined || metadata?.generateName === undefined) return object;
  const { name: _, ...others } = (object as { metadata: Record<string, unknown> }).metadata;
  return { ...object as object, metadata: others };
}

/** Returns the fields that Pod Security requires and the object lacks, if it is refused for them. */
function fieldsToSet({ manifest, trial, pod }: AskedObject): string[] {
  const said = [trial.refusal, pod?.refusal].map((refusal) => refusal?.message ?? "");
  if (!said.some((message) => /violates PodSecurity "restricted/.test(message))) return [];
  const sentence = restrictedSentence(manifest);
  return sentence === undefined ? [] : [sentence];
}

/** Returns the API server's reason for refusing every pod of a workload. */
const obstacleOf = ({ pod }: AskedObject): string | undefined =>
  pod?.refusal?.kind === "final" ? refusalSentence(inLine(pod.refusal.message)) : undefined;

/** Returns the claims that a change creates: those that exist already are kept. */
const newClaims = ({ kind, claims }: AskedObject, { claims: made }: Outcome): readonly ClaimTrial[] =>
  kind === "StatefulSet" && made.size === 0 ? [] : claims;

/** Returns the API server's reason for refusing a claim without which no pod starts. */
function claimObstacle(object: AskedObject, outcome: Outcome): string | undefined {
  const claim = newClaims(object, outcome).find(({ refusal }) => refusal?.kind === "final");
  return claim && `its claim ${claim.name} would be refused: ${refusalSentence(inLine(claim.refusal!.message))}`;
}

/** Returns a pod of the workload: as the API server admits it, else a live one, else the model's with what is known. */
function podOf(
  object: AskedObject,
  around: Surroundings,
  present: Change["present"],
): { pod?: PodSpec; notes: string[]; doubt?: string } {
  const { trial, pod, kind, claims } = object;
  const own = kind === "Pod" && trial.refusal === undefined ? trial.after : undefined;
  const spec = pod?.spec ?? (own as { spec?: PodSpec } | undefined)?.spec;
  const unasked = claims.find(({ refusal }) => refusal?.kind === "unasked" || refusal?.kind === "rights")?.refusal;
  const doubt = unasked && `The API server could not be asked about its claims: ${unasked.message}`;
  if (spec !== undefined) return { pod: spec, notes: [], ...(doubt === undefined ? {} : { doubt }) };
  const refusal = pod?.refusal ?? (kind === "Pod" ? trial.refusal : undefined);
  if (refusal === undefined || refusal.kind === "final") return { notes: [] };
  if (refusal.kind !== "room") {
    return { notes: [], doubt: `The API server could not be asked about its pods: ${inLine(refusal.message)}` };
  }
  const alike = present && trial.live &&
    podOfTemplate(
      templateOf({ ...trial.live, kind, apiVersion: object.manifest.apiVersion }),
      templateOf(trial.after),
      present,
    );
  if (alike) {
    return {
      pod: alike.spec as unknown as PodSpec,
      notes: [
        `There is no room for another pod, so the API server was not able to size one: sized as pod ${
          alike.metadata!.name
        }.`,
      ],
    };
  }
  const template = (kind === "Pod" ? trial.after : templateOf(trial.after)) as { spec?: PodSpec } | undefined;
  const sized = sizedBy(template?.spec, refusal.requested ?? {}, around);
  return {
    ...(sized ? { pod: sized } : {}),
    notes: [
      "There is no room for such a pod, so the API server was not able to size one: sized by Keystone's own calculation.",
    ],
    ...(template?.spec?.runtimeClassName && !around.overheads
      ? { doubt: "The overhead of its RuntimeClass can't be read, and there is no room for a pod that would show it." }
      : {}),
  };
}

/**
 * Returns the pod with its defaults, and with an overhead that makes up for what the quota was asked for in addition:
 * the overhead of a RuntimeClass that the user may not read, or what a webhook adds. Undefined if nothing was.
 */
function sizedBy(
  template: PodSpec | undefined,
  requested: Readonly<Record<string, string>>,
  { limits, overheads }: Surroundings,
): PodSpec | undefined {
  if (!template?.containers) return undefined;
  const known = template.overhead ?? overheads?.[template.runtimeClassName ?? ""];
  const { spec } = withDefaults({ ...template, ...(known ? { overhead: { ...known } as never } : {}) }, limits);
  const usage = podUsage(spec);
  const overhead: Record<string, string> = {};
  for (const [key, text] of Object.entries(requested)) {
    const resource = key.match(/^(?:requests|limits)\.(.+)$/)?.[1];
    const more = resource && usage.has(key) ? parseQuantity(text).subtract(usage.get(key)!) : undefined;
    if (more === undefined || more.sign() <= 0) continue;
    const added = known?.[resource!] === undefined ? more : more.add(parseQuantity(known[resource!]!));
    overhead[resource!] = added.toString();
  }
  return Object.keys(overhead).length === 0 ? undefined : { ...spec, overhead: { ...known, ...overhead } as never };
}

/**
 * Returns the API server's words if it refuses what the arithmetic allows: a new object, or one beyond all grants. An
 * owner that gives something back, and an earlier object that does, explain the difference.
 */
function contradiction(
  object: AskedObject,
  { before }: Change,
  outcome: Outcome,
  freed: Pick<ReadonlySet<string>, "has">,
): string | undefined {
  const { trial, pod } = object;
  const stands = (refusal: typeof trial.refusal, isOwn: boolean): boolean =>
    refusal?.kind === "room" && (refusal.byWebhook === true || (isOwn || before === undefined) &&
        !Object.keys(refusal.requested ?? {}).some((key) => freed.has(key)));
  if (stands(trial.refusal, true)) {
    return `${objectTitle(object)} would be refused: ${refusalSentence(inLine(trial.refusal!.message))}`;
  }
  if (outcome.pods?.created === 0) return undefined;
  const refused = [pod?.refusal, ...newClaims(object, outcome).map(({ refusal }) => refusal)].find((refusal) =>
    stands(refusal, false)
  );
  return refused && `${objectTitle(object)}: no pod of it would start now: ${refusalSentence(inLine(refused.message))}`;
}

/** Returns a warning about pods that are refused once the controller creates one, which the change itself doesn't need. */
function refusedLater(object: AskedObject, { pods }: Outcome): string | undefined {
  const { refusal } = object.pod ?? {};
  const stays = refusal?.kind === "final" || refusal?.byWebhook === true;
  if (!stays || pods === undefined || pods.wanted === 0 || pods.created > 0) return undefined;
  return `${objectTitle(object)} creates no pod now. A new one would be refused: ${
    refusalSentence(inLine(refusal.message))
  }`;
}

/** Returns the part of an outcome that is left when a hook has ended. */
function lasting({ goes }: HelmHook, kind: string, outcome: Outcome): Outcome {
  const takes = new Map([...outcome.takes].map(([quota, list]) => [
    quota,
    new Map(
      kind !== "Job" && kind !== "Pod" ? [...list] : goes ? [] : [...list].filter(([key]) => key.startsWith("count/")),
    ),
  ]));
  return { ...outcome, takes, claims: goes ? new Map() : outcome.claims };
}
