import type { Command } from "commander";
import {
  isApiError,
  type KubernetesObject,
  type Resource,
  ResourceApi,
  type RestClient,
} from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, nodes } from "../../lib/kubernetes_apis/core@v1.ts";
import { storageClasses } from "../../lib/kubernetes_apis/storage.k8s.io@v1.ts";
import { afterUse, type Budget, type BudgetGrant, budgetOf, giversOf } from "../core/admission/budget.ts";
import { type AdmissionDefaults, requirementsOf } from "../core/admission/requirements.ts";
import { lackText, refusalText, warningsOf } from "../core/admission/sentences.ts";
import { type Fit, fitOf, fits, taken } from "../core/admission/fit.ts";
import { isCounted, UnreadableWorkload } from "../core/admission/workload.ts";
import { listFrom } from "../core/resources/quota_lists.ts";
import { quotaName } from "../core/guest/objects/quota.ts";
import { realmOfNamespace } from "../core/names.ts";
import { keyIn } from "../controllers/stores.ts";
import { no } from "./exit.ts";
import { type Manifest, manifestsIn, withFilenames } from "./manifests.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { isForbidden, lendingsOfGuest } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, verb } from "./session.ts";

/** Returns the note on an object of a kind that no quota key counts. */
const ignored = (kind: unknown): string => `no grant limits the kind ${kind}`;

export const wouldFitCommand = (run: CommandAction): Command =>
  withFilenames(
    verb("would-fit", "Check whether workloads would fit into the realm's grants, before you apply them.", [
      "keystone would-fit -f web.yaml --realm bob-home",
      "helm template web ./chart | keystone would-fit -f - -n guest-bob-home",
      "keystone would-fit -f web.yaml -o json && kubectl apply -f web.yaml",
    ]),
    "workloads",
  )
    .option("-n, --namespace <name>", "guest namespace (default: the file's, else the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .action(run(async (session, options) => {
      const paths = options.filename as string[];
      const path = paths.join(", ");
      const manifests = await manifestsIn(session.io, paths, { recursive: options.recursive === true });
      using rest = await session.connect();
      const written = manifests.find(({ metadata }) => metadata?.namespace !== undefined)?.metadata?.namespace;
      const namespace = guestNamespaceOf(options, rest, written);
      const { budget, defaults } = await budgetIn(rest, namespace);
      const items: (WouldFitAnswer & { fit?: Fit })[] = [];
      let room = budget;
      for (const manifest of manifests) {
        const place = manifest.metadata?.namespace;
        if (place !== undefined && place !== namespace) {
          items.push(elsewhere(manifest, place));
          continue;
        }
        const item = judged(manifest, await present(rest, namespace, manifest), room, defaults, path);
        items.push(item);
        if (item.fit) room = afterUse(room, taken(item.fit));
      }
      const answer = {
        fits: items.every((item) => item.fits),
        grants: budget.givers.map(({ name }) => name),
        shortBy: Object.assign({}, ...items.map(({ shortBy }) => shortBy)) as Record<string, string>,
        message: items.map(({ message }) => message).join("\n"),
        items: items.map(({ fit: _, ...item }) => item),
      };
      if (!session.data(answer)) {
        const { green, red } = session.colours;
        for (const item of items) {
          session.say(`${item.fits ? green("fits") : red("does not fit")}  ${item.message}`);
          for (const warning of item.warnings) session.say(`      ${warning}`);
        }
      }
      if (!answer.fits) throw no();
    }));

interface WouldFitAnswer {
  kind: string;
  name: string;
  fits: boolean;
  shortBy: Record<string, string>;
  message: string;
  warnings: string[];
}

const nameOf = ({ metadata }: Manifest): string => String(metadata?.name ?? "");

const elsewhere = (manifest: Manifest, place: string): WouldFitAnswer => ({
  kind: String(manifest.kind),
  name: nameOf(manifest),
  fits: true,
  shortBy: {},
  message: `${manifest.kind} ${nameOf(manifest)} is in namespace ${place} and was not checked.`,
  warnings: [],
});

/** Returns the object as it is in the cluster, if it exists: then only its growth counts. */
async function present(rest: RestClient, namespace: string, manifest: Manifest): Promise<unknown> {
  const { apiVersion, kind, metadata } = manifest;
  if (!isCounted(manifest) || typeof metadata?.name !== "string") return undefined;
  const [group, version] = String(apiVersion).includes("/") ? String(apiVersion).split("/") : ["", String(apiVersion)];
  const resource: Resource = {
    group: group!,
    version: version!,
    kind: String(kind),
    plural: `${String(kind).toLowerCase()}s`,
    namespaced: true,
  };
  try {
    return { ...await new ResourceApi(rest, resource, namespace).get(metadata.name), apiVersion, kind };
  } catch (error) {
    if (isForbidden(error) || isApiError(error, 404) || error instanceof TypeError) return undefined;
    throw error;
  }
}

function judged(
  manifest: Manifest,
  before: unknown,
  budget: Budget,
  defaults: AdmissionDefaults,
  path: string,
): WouldFitAnswer & { fit?: Fit } {
  const kind = String(manifest.kind);
  const name = nameOf(manifest);
  if (!isCounted(manifest)) {
    return { kind, name, fits: true, shortBy: {}, message: `${kind} ${name}: ${ignored(kind)}.`, warnings: [] };
  }
  let fit: Fit;
  try {
    fit = fitOf(
      requirementsOf(manifest, defaults),
      budget,
      before === undefined ? undefined : requirementsOf(before, defaults),
    );
  } catch (error) {
    if (error instanceof UnreadableWorkload) throw no(`${path}, ${kind} ${name}: ${error.message}`);
    throw error;
  }
  const short = fit.exceeds.length > 0 ? fit.exceeds : fit.lacks;
  const said = refusalText(fit, budget) ?? lackText(fit, budget);
  const warnings = warningsOf(fit, budget).filter((warning) => warning !== said);
  const obstacle = warnings.find((warning) => warning.startsWith("No pod of"));
  return {
    fit,
    kind,
    name,
    fits: fits(fit),
    shortBy: Object.fromEntries(short.map(({ key, short }) => [key, short.toString()])),
    message: said ?? obstacle ?? `${kind} ${name} fits into ${budget.namespace}.`,
    warnings: warnings.filter((warning) => warning !== obstacle || said !== undefined),
  };
}

interface RuntimeClass extends KubernetesObject {
  overhead?: { podFixed?: Record<string, string> };
}

const runtimeClasses: Resource<RuntimeClass> = {
  group: "node.k8s.io",
  version: "v1",
  kind: "RuntimeClass",
  plural: "runtimeclasses",
  namespaced: false,
};

/** Lists objects, or returns none if the user may not read them, as a guest. */
const readable = <T extends KubernetesObject>(rest: RestClient, resource: Resource<T>): Promise<T[]> =>
  new ResourceApi(rest, resource).all().catch((error) => {
    if (isForbidden(error)) return [];
    throw error;
  });

/** Reads the granted and used amounts of a guest namespace, and the defaults that apply to workloads there. */
export async function budgetIn(
  rest: RestClient,
  namespace: string,
): Promise<{ budget: Budget; defaults: AdmissionDefaults }> {
  const quota = await new CoreV1Api(rest).namespace(namespace).resourceQuotas.get(quotaName).catch((error) => {
    if (!isForbidden(error) && !(error?.code === 404)) throw error;
    throw isForbidden(error) ? error : no(
      `Nothing is granted in ${namespace}: it has no quota. Create a grant: keystone grant create NAME --to ${
        realmOfNamespace(namespace)
      }`,
    );
  });
  const [givers, ranges, allNodes, classes, runtimes] = await Promise.all([
    giversIn(rest, namespace),
    new CoreV1Api(rest).namespace(namespace).limitRanges.all(),
    readable(rest, nodes),
    readable(rest, storageClasses),
    readable(rest, runtimeClasses),
  ]);
  const store = new Observed(rest).stores.quotas;
  store.observe(quota);
  const isDefault = "storageclass.kubernetes.io/is-default-class";
  const defaultStorageClass = classes.find(({ metadata }) => metadata!.annotations?.[isDefault] === "true")?.metadata
    ?.name;
  return {
    budget: budgetOf(store.get(keyIn(namespace, quotaName))!, givers),
    defaults: {
      limits: ranges.flatMap(({ spec }) => spec?.limits ?? []),
      nodes: allNodes.length,
      ...(defaultStorageClass === undefined ? {} : { defaultStorageClass }),
      overheads: Object.fromEntries(
        runtimes.flatMap(({ metadata, overhead }) => overhead?.podFixed ? [[metadata!.name!, overhead.podFixed]] : []),
      ),
    },
  };
}

/** Reads the grants as an administrator, else as a guest. */
async function giversIn(rest: RestClient, namespace: string): Promise<BudgetGrant[]> {
  try {
    const { stores } = await new Observed(rest).terms();
    return giversOf(stores.grants.index("grantee", realmOfNamespace(namespace)!));
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return (await lendingsOfGuest(rest, namespace)).map(({ name, granted, ends, message }) => ({
      name,
      hard: listFrom(granted),
      notice: message.startsWith("On notice"),
      ...(ends === undefined ? {} : { until: Date.parse(ends) }),
    }));
  }
}
