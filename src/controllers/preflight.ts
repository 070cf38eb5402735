/** Checks the prerequisites of the operator. */
import { type Clock, sleep } from "../../lib/clock/mod.ts";
import { isApiError, ResourceApi, type RestClient } from "../../lib/kubernetes/mod.ts";
import { ApiextensionsV1Api } from "../../lib/kubernetes_apis/apiextensions.k8s.io@v1.ts";
import { CoreV1Api } from "../../lib/kubernetes_apis/core@v1.ts";
import { apiVersionName, definitions, group, revisionAnnotation, schemaRevision } from "../api/mod.ts";
import { operatorName, systemNamespace } from "../core/names.ts";
import { withRemedy } from "./remedy.ts";

export interface PreflightOptions {
  rest: RestClient;
  clock: Clock;
  /** Called once for each new problem, with a sentence that has the command to solve it. */
  onWait: (message: string) => void;
  signal: AbortSignal;
}

const retryMs = 1000;
/** Timeout of a check: an API server that hangs is reported, too. */
const timeoutMs = 4000;

/**
 * Waits until the API server responds, has the custom resources (at least in this operator's revision), and the namespace
 * exists.
 */
export async function preflight({ rest: whole, clock, onWait, signal }: PreflightOptions): Promise<void> {
  const rest: RestClient = {
    ...whole,
    performRequest: (options) => whole.performRequest({ timeoutMs, ...options }),
    performStream: (options) => whole.performStream(options),
  };
  let said: string | undefined;
  while (!signal.aborted) {
    const problem = await problemWith(rest, signal);
    if (problem === undefined) return;
    if (problem !== said) onWait(said = problem);
    await sleep(clock, retryMs, signal);
  }
}

async function problemWith(rest: RestClient, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await versionProblem(rest, signal) ?? await definitionsProblem(rest, signal) ??
      await namespaceProblem(rest, signal);
  } catch (error) {
    return signal.aborted ? undefined : withRemedy(error);
  }
}

/**
 * Oldest supported minor version of Kubernetes 1: the first with ValidatingAdmissionPolicies by default, the guards
 * that hold while no operator runs. All other APIs in use are older or optional (ServiceCIDRs, 1.33).
 */
export const oldestMinor = 30;

async function versionProblem(rest: RestClient, signal: AbortSignal): Promise<string | undefined> {
  const answer = await rest.performRequest({ method: "GET", path: "/version", abortSignal: signal }).catch((error) => {
    // Without permission the version is unknown; the custom resources soon show if everything works.
    if (isApiError(error, 401) || isApiError(error, 403)) return undefined;
    throw error;
  });
  return tooOld(answer as { major?: string; minor?: string; gitVersion?: string } | undefined);
}

/** Returns a sentence if this version of Kubernetes is too old; undefined if it is supported or unknown. */
export function tooOld(
  { major = "", minor = "", gitVersion }: { major?: string; minor?: string; gitVersion?: string } = {},
): string | undefined {
  // Some distributions write 30+.
  const [first, second] = [major, minor].map((text) => parseInt(text, 10));
  if (first !== 1 || Number.isNaN(second) || second! >= oldestMinor) return undefined;
  return `The API server is Kubernetes ${
    gitVersion ?? `${major}.${minor}`
  }; Keystone needs 1.${oldestMinor} or newer, ` +
    `whose ValidatingAdmissionPolicies restrict guests while no operator runs. Upgrade the cluster; trying again.`;
}

async function definitionsProblem(rest: RestClient, signal: AbortSignal): Promise<string | undefined> {
  const api = new ApiextensionsV1Api(rest).customResourceDefinitions;
  for (const { plural, kind } of definitions) {
    try {
      const { metadata, status } = await api.get(`${plural}.${group}`, { signal });
      const revision = Number(metadata?.annotations?.[revisionAnnotation] ?? 0);
      if (revision < schemaRevision) {
        return `The custom resource definition of ${kind} is older (revision ${revision}) than this operator ` +
          `(${schemaRevision}). Update it: kubectl apply -f crds/; trying again.`;
      }
      const established = status?.conditions?.some(({ type, status }) => type === "Established" && status === "True");
      if (!established) return waiting(kind);
      // A newly installed kind responds with 429 for a moment. This also shows if the operator may read it at all.
      await new ResourceApi(rest, { group, version: apiVersionName, kind, plural, namespaced: false }).list({
        limit: 1,
        signal,
      });
    } catch (error) {
      if (isApiError(error, 429)) return waiting(kind);
      if (!isApiError(error, 404)) throw error;
      return `The custom resource definition of ${kind} is missing. Install it: kubectl apply -f crds/; trying again.`;
    }
  }
  return undefined;
}

const waiting = (kind: string): string => `Waiting until the API server serves the kind ${kind}.`;

async function namespaceProblem(rest: RestClient, signal: AbortSignal): Promise<string | undefined> {
  const api = new CoreV1Api(rest).namespaces;
  try {
    await api.get(systemNamespace, { signal });
  } catch (error) {
    if (!isApiError(error, 404)) throw error;
    try {
      await api.create({ metadata: { name: systemNamespace } }, { fieldManager: operatorName, signal });
    } catch (error) {
      // 422: refused by the operator's own guard (guards.yaml).
      if (!isApiError(error, 403) && !isApiError(error, 422)) throw error;
      return `Namespace ${systemNamespace}, for the operator's Lease, is missing and may not be created by this user. ` +
        `Create it: kubectl create namespace ${systemNamespace}; trying again.`;
    }
  }
  return undefined;
}
