/** The API server's answers about every object of an input. */
import { Semaphore } from "es-toolkit/promise";
import type { Resource } from "../../../lib/kubernetes/mod.ts";
import { chartValuesText } from "../../core/admission/chart_values.ts";
import type { Manifest } from "../manifests.ts";
import { isForbidden } from "../grant_summary.ts";
import { inLine } from "../session.ts";
import { type Asker, ruleAllows } from "./asked_as.ts";
import { type HelmHook, hookOf, isHook } from "./helm_hooks.ts";
import type { ServerKinds } from "./server_kinds.ts";
import { refusalSentence } from "./server_refusals.ts";
import { type ClaimTrial, type ObjectTrial, type PodTrial, ServerTrials } from "./server_trial.ts";
import type { ComingAccounts } from "./trial_objects.ts";

/** One object with the API server's answers. */
export interface AskedObject {
  manifest: Manifest;
  kind: string;
  name: string;
  /** Name by which a quota counts it, such as `deployments.apps`. */
  resource?: string;
  hook?: HelmHook;
  trial: ObjectTrial;
  pod?: PodTrial;
  claims: readonly ClaimTrial[];
  /** Answer that needs no arithmetic; null: the API server could not be asked. */
  answer?: { fits: false | null; message: string };
  /** Of an autoscaler: the live workload that it scales, unless the input has it. */
  target?: AskedObject;
  /** True if a later object of the input is the same one, and so overwrites it. */
  overwritten?: boolean;
}

const nameOf = ({ metadata }: Manifest): string => {
  const { name, generateName } = (metadata ?? {}) as { name?: unknown; generateName?: unknown };
  return String(name ?? (generateName === undefined ? "" : `${generateName}…`));
};

/** Returns kind and name, as sentences begin. */
export const objectTitle = ({ kind, name }: { kind: string; name: string }): string =>
  name ? `${kind} ${name}` : `This ${kind}`;

const untried: ObjectTrial = { asked: false, warnings: [] };

/** Number of objects at a time: enough to hide the round trips, few enough not to be throttled. */
const concurrency = 8;

/** Asks the API server about every object; calls `answered` after each. */
export async function askAbout(
  manifests: readonly Manifest[],
  namespace: string,
  asker: Asker,
  kinds: ServerKinds,
  answered = () => {},
): Promise<AskedObject[]> {
  const trials = new ServerTrials(asker.rest, namespace);
  const last = new Map(manifests.map((manifest, index) => [identityOf(manifest, index), index]));
  const resources = await Promise.all(manifests.map(({ apiVersion, kind }) => kinds.resourceOf(apiVersion, kind)));
  trials.expect(resources);
  const ask = async (manifest: Manifest, index: number): Promise<AskedObject> => {
    const { kind } = manifest;
    const named = { manifest, kind, name: nameOf(manifest), claims: [] };
    const resource = resources[index];
    if (resource === undefined) {
      return { ...named, trial: untried, answer: { fits: false, message: unknownKind(named) } };
    }
    const { group, plural } = resource;
    const common = { ...named, resource: group === "" ? plural : `${plural}.${group}` };
    const answer = rightsAnswer(common, resource, asker);
    if (answer?.fits === false) return { ...common, trial: untried, answer };
    const accounts = accountsBefore(manifests, index);
    const trial = await trials.object(resource, manifest, {
      accounts: accounts.certain,
      ...(isHook(manifest) ? { earlier: hookOf(manifest, false)!.replaces ? "deleted" : "in the way" } : {}),
    });
    const refused = answer ?? refusedAnswer(common, trial, asker);
    if (refused) return { ...common, trial, answer: refused };
    if (last.get(identityOf(manifest, index)) !== index) return { ...common, trial, overwritten: true };
    const [pod, claims, target] = await Promise.all([
      trials.pod(trial.after, accounts.later),
      trials.claims(trial.after),
      kind === "HorizontalPodAutoscaler" ? scaledBy(trial.after ?? manifest, last, trials, kinds) : undefined,
    ]);
    return { ...common, trial, claims, ...(pod ? { pod } : {}), ...(target ? { target } : {}) };
  };
  const places = new Semaphore(concurrency);
  const entries = await Promise.all(manifests.map(async (manifest, index) => {
    await places.acquire();
    try {
      return await ask(manifest, index);
    } finally {
      places.release();
      answered();
    }
  }));
  const upgrade = entries.some(({ manifest, trial }) => !isHook(manifest) && trial.live !== undefined);
  for (const entry of entries) {
    const hook = hookOf(entry.manifest, upgrade);
    if (hook) entry.hook = hook;
  }
  return entries;
}

/** Returns the live workload that an autoscaler scales; undefined if there is none or the input has it. */
async function scaledBy(
  autoscaler: unknown,
  input: ReadonlyMap<string, number>,
  trials: ServerTrials,
  kinds: ServerKinds,
): Promise<AskedObject | undefined> {
  const { scaleTargetRef = {} } = ((autoscaler as { spec?: unknown }).spec ?? {}) as {
    scaleTargetRef?: { apiVersion?: string; kind?: string; name?: string };
  };
  const { apiVersion = "v1", kind = "", name = "" } = scaleTargetRef;
  const resource = await kinds.resourceOf(apiVersion, kind);
  if (resource === undefined || input.has(identityOf({ apiVersion, kind, metadata: { name } }, 0))) return undefined;
  const live = await trials.liveObject(resource, name).catch((error) => {
    if (isForbidden(error)) return undefined;
    throw error;
  });
  if (live === undefined) return undefined;
  const manifest: Manifest = { ...live, apiVersion, kind, metadata: { name } };
  const pod = await trials.pod({ ...live, apiVersion, kind }, new Map());
  return {
    manifest,
    kind,
    name,
    claims: [],
    trial: { live, after: { ...live, apiVersion, kind }, asked: true, warnings: [] },
    ...(pod ? { pod } : {}),
  };
}

/** Returns a key that two objects share if one of them overwrites the other. */
function identityOf({ apiVersion, kind, metadata }: Manifest, index: number): string {
  const group = String(apiVersion).includes("/") ? String(apiVersion).split("/")[0] : "";
  return metadata?.name === undefined ? `#${index}` : `${group}/${kind}/${metadata.name}`;
}

/**
 * Returns the names of ServiceAccounts of the input: those that are there when the object is created, and those that
 * are there when a controller creates its pods, which it repeats until it can.
 */
function accountsBefore(
  manifests: readonly Manifest[],
  index: number,
): { certain: ComingAccounts; later: ComingAccounts } {
  const phaseOf = (manifest: Manifest) => {
    const install = hookOf(manifest, false);
    return (install?.phase === "asked" ? hookOf(manifest, true) : install)?.phase ?? "main";
  };
  const order = ["before", "main", "after", "asked"];
  const own = order.indexOf(phaseOf(manifests[index]!));
  const accounts = manifests.map((manifest, at) => ({ manifest, at, phase: order.indexOf(phaseOf(manifest)) }))
    .filter(({ manifest }) => manifest.kind === "ServiceAccount" && manifest.apiVersion === "v1");
  const names = (list: typeof accounts) =>
    new Map(list.map(({ manifest }) => [nameOf(manifest), manifest.automountServiceAccountToken !== false]));
  return {
    certain: names(accounts.filter(({ at, phase }) => phase < own || (phase === own && at < index))),
    later: names(accounts.filter(({ phase }) => phase <= own)),
  };
}

function unknownKind(object: Titled): string {
  const { apiVersion, kind } = object.manifest;
  return sentences(
    `${objectTitle(object)}: no matches for kind "${kind}" in version "${apiVersion}" in this cluster.`,
    chartValuesText(apiVersion, kind) ||
      "Use a version that `kubectl api-versions` lists, or leave the object out.",
  );
}

type Titled = Pick<AskedObject, "manifest" | "kind" | "name">;

const sentences = (...parts: string[]): string => parts.filter((part) => part !== "").join(" ");

/** Returns the answer by the rules of the guests' role, if the API server isn't asked as a guest. */
function rightsAnswer(
  object: Titled,
  { group, plural, namespaced }: Resource,
  { isGuest, guestRules }: Asker,
): AskedObject["answer"] {
  if (isGuest) return undefined;
  if (guestRules === undefined) {
    return {
      fits: null,
      message: `${objectTitle(object)}: the rights of guests (ClusterRole keystone-guest) can't be read.`,
    };
  }
  const verbs = ["get", "create", "patch"];
  const allowed = namespaced &&
    verbs.every((verb) => ruleAllows(guestRules, { verb, group, resource: plural, name: object.name }));
  return allowed ? undefined : { fits: false, message: notForGuests(object) };
}

const notForGuests = (object: Titled, said = ""): string =>
  sentences(
    `${objectTitle(object)} may not be made by guests${said ? `: ${said.replace(/[.\s]*$/, "")}` : ""}.`,
    chartValuesText(object.manifest.apiVersion, object.kind) || "Leave it out, or ask your lender to make it.",
  );

/** Returns the answer that a refusal is; undefined if the arithmetic decides. */
function refusedAnswer(
  object: Titled,
  { refusal }: ObjectTrial,
  { isGuest, name }: Asker,
): AskedObject["answer"] {
  if (refusal === undefined || refusal.kind === "room") return undefined;
  const said = inLine(refusal.message);
  if (refusal.kind === "final") {
    return { fits: false, message: `${objectTitle(object)} would be refused: ${refusalSentence(said)}` };
  }
  if (refusal.kind === "rights" && isGuest) {
    return { fits: false, message: notForGuests(object, said) };
  }
  return {
    fits: null,
    message: `${objectTitle(object)}: the API server could not be asked as ${name}: ${refusalSentence(said)}`,
  };
}
