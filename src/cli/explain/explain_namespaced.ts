/** Explains an object in a guest namespace. */
import { isApiError, ResourceApi, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Pod } from "../../../lib/kubernetes_apis/core@v1.ts";
import { NetworkingV1Api } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { restrictedYaml } from "../../core/admission/restricted_fields.ts";
import { securityRefusal } from "../../core/report/refusal_reason.ts";
import { type ExplainedKind, explainedKinds, reportOn } from "../../core/report/explain_object.ts";
import { type Explanation, explanationOf } from "../../core/report/finding.ts";
import type { ReportedAutoscaler, ReportedObject } from "../../core/report/reported_objects.ts";
import { selects } from "../../core/reach/reach.ts";
import { no } from "../exit.ts";
import { isForbidden } from "../grant_summary.ts";
import { didYouMean } from "../lists/nearest_name.ts";
import { explainedResource } from "./explained_resources.ts";
import { neededBy, readReportWorld } from "./report_world.ts";

export async function explainNamespaced(
  rest: RestClient,
  namespace: string,
  kind: ExplainedKind,
  name: string,
  now: number,
): Promise<Explanation> {
  const object = await present(rest, namespace, kind, name);
  if (!object) {
    const near = didYouMean(name, await namesIn(rest, namespace, kind));
    throw no(`${kind} ${name} does not exist in ${namespace}.${near}`);
  }
  const [world, policies, target] = await Promise.all([
    readReportWorld(rest, namespace, neededBy[kind], now),
    kind === "Pod" ? policiesOn(rest, namespace, object as Pod) : undefined,
    kind === "HorizontalPodAutoscaler" ? targetOf(rest, namespace, object) : undefined,
  ]);
  const unread = [...world.unread, ...target?.unread ? [target.unread] : []];
  const seen = { ...world, unread, target: target?.target };
  const explanation = explanationOf(kind, name, reportOn(kind, object, seen, policies), namespace);
  const yaml = explanation.message.includes(`${securityRefusal} each pod: level restricted`)
    ? restrictedYaml({ ...object, kind })
    : undefined;
  return yaml === undefined ? explanation : { ...explanation, yaml };
}

/** Returns the object, read by the typed client where there is one; undefined if it doesn't exist. */
async function present(
  rest: RestClient,
  namespace: string,
  kind: ExplainedKind,
  name: string,
): Promise<ReportedObject | undefined> {
  const core = new CoreV1Api(rest).namespace(namespace);
  try {
    switch (kind) {
      case "Pod":
        return await core.pods.get(name);
      case "Service":
        return await core.services.get(name);
      case "PersistentVolumeClaim":
        return await core.persistentVolumeClaims.get(name);
      default:
        return await new ResourceApi(rest, explainedResource(kind), namespace).get(name);
    }
  } catch (error) {
    if (isApiError(error, 404)) return undefined;
    throw error;
  }
}

/** Returns the names of a kind's objects; none if the user may not list them. */
async function namesIn(rest: RestClient, namespace: string, kind: ExplainedKind): Promise<string[]> {
  try {
    return await new ResourceApi(rest, explainedResource(kind), namespace).all({}, ({ metadata }) => metadata!.name!);
  } catch (error) {
    if (isForbidden(error)) return [];
    throw error;
  }
}

async function policiesOn(rest: RestClient, namespace: string, { metadata }: Pod): Promise<string[] | undefined> {
  try {
    const policies = await new NetworkingV1Api(rest).namespace(namespace).networkPolicies.all();
    return policies.filter(({ spec }) => selects(spec?.podSelector, metadata?.labels)).map(({ metadata }) =>
      metadata!.name!
    );
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** Returns the target of an autoscaler, or that the user may not read it. */
async function targetOf(
  rest: RestClient,
  namespace: string,
  { spec }: ReportedAutoscaler,
): Promise<{ target?: ReportedObject; unread?: string }> {
  const { kind, name } = spec?.scaleTargetRef ?? {};
  const known = explainedKinds.find((each) => each === kind);
  if (!known || !name) return {};
  try {
    const target = await present(rest, namespace, known, name);
    return target ? { target } : {};
  } catch (error) {
    if (isForbidden(error)) return { unread: explainedResource(known).plural };
    throw error;
  }
}
