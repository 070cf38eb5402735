/** The response to an admission review: allowed or not, with message and warnings. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { grantSpec, realmSpec } from "../../api/mod.ts";
import type { GrantFacts } from "../facts.ts";
import { rulesOf } from "../grant/lifecycle.ts";
import { realmOfNamespace } from "../names.ts";
import { giversOf } from "./givers.ts";
import type { NodeState } from "./change.ts";
import { partsOf } from "./fields.ts";
import { judge } from "./judge.ts";
import { podSpecIn, restrictedSentence } from "./restricted_fields.ts";
import { quotaRoomOf } from "./surroundings.ts";
import { grantWarnings, realmWarnings, type TermsWorld } from "./terms.ts";

/** The needed part of an admission request (admission.k8s.io/v1). */
export interface AdmissionQuestion {
  operation: string;
  namespace: string;
  subResource: string;
  object: unknown;
  oldObject: unknown;
}

export interface AdmissionResponse {
  allowed: boolean;
  /** Reason of a refusal. */
  message?: string;
  warnings: readonly string[];
}

/** Quotas, limits and grants of one guest namespace, and what is known of the cluster. */
export interface GuestFacts {
  /** Every ResourceQuota, as the API returns it. */
  quotas: readonly unknown[];
  /** Items of its LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** All grants to its realm. */
  grants: readonly GrantFacts[];
  nodes?: readonly NodeState[];
  defaultStorageClass?: string | null;
}

export interface AdmissionWorld extends TermsWorld {
  /** Returns undefined for a namespace that is not known. */
  guest: (namespace: string) => GuestFacts | undefined;
}

const fine: AdmissionResponse = { allowed: true, warnings: [] };

/** Responds to a request. It allows what it can't check or need not check: the quota is in force in any case. */
export function respondTo(question: AdmissionQuestion, world: AdmissionWorld): AdmissionResponse {
  const { operation, subResource } = question;
  if ((operation !== "CREATE" && operation !== "UPDATE") || subResource !== "") return fine;
  const { apiVersion, kind } = partsOf(question.object);
  if (apiVersion === "keystone.io/v1alpha1") return termsResponse(String(kind), question, world);
  return workloadResponse(question, world);
}

function workloadResponse(
  { operation, namespace, object, oldObject }: AdmissionQuestion,
  world: AdmissionWorld,
): AdmissionResponse {
  const guest = world.guest(namespace);
  // A controller's objects were checked with their owner. To refuse them would also block the part that fits.
  if (!guest || (isOwned(object) && partsOf(object).kind !== "Pod")) return fine;
  const { quotas, grants, ...known } = guest;
  const givers = giversOf(grants);
  const { fits, never, message, warnings } = judge(
    { after: object, asked: true, ...(operation === "UPDATE" ? { before: oldObject } : {}) },
    { ...known, namespace, quotas: quotas.map((quota) => quotaRoomOf(quota, givers)), givers, autoscalers: [] },
  );
  if (never) return { allowed: false, message, warnings };
  // An open question is no warning.
  const aboutRoom = fits === false ? [message, ...warnings] : warnings;
  return { allowed: true, warnings: [...securityWarnings(namespace, object, oldObject, world), ...aboutRoom] };
}

/**
 * Returns the fields that a workload's pods lack for Pod Security, which stores the workload and refuses its pods. An
 * update of anything but the pods is not warned of again.
 */
function securityWarnings(namespace: string, object: unknown, oldObject: unknown, world: AdmissionWorld): string[] {
  const realm = world.realmNamed(realmOfNamespace(namespace) ?? "");
  if (!realm || rulesOf(world.settings, realm).podSecurity !== "restricted") return [];
  const spec = podSpecIn(object);
  if (spec.containers === undefined) return [];
  const sentence = restrictedSentence(object);
  // Most pods lack nothing, so that their specs need no comparison.
  return sentence === undefined || JSON.stringify(spec) === JSON.stringify(podSpecIn(oldObject)) ? [] : [sentence];
}

function isOwned(object: unknown): boolean {
  const { ownerReferences } = partsOf(partsOf(object).metadata);
  return Array.isArray(ownerReferences) && ownerReferences.some((owner) => partsOf(owner).controller === true);
}

/** Never refuses terms: the API server refuses invalid ones itself, and the rest is reported by conditions. */
function termsResponse(
  kind: string,
  { object, oldObject }: AdmissionQuestion,
  world: AdmissionWorld,
): AdmissionResponse {
  const { metadata, spec } = partsOf(object);
  const name = String(partsOf(metadata).name ?? "");
  if (kind === "Grant") {
    const before = grantSpec.safeParse(partsOf(oldObject).spec);
    const stored = before.success ? before.data : undefined;
    return { allowed: true, warnings: grantWarnings(name, grantSpec.parse(spec), world, stored) };
  }
  if (kind === "Realm") {
    const before = realmSpec.safeParse(partsOf(oldObject).spec);
    const warnings = realmWarnings(
      name,
      realmSpec.parse(spec),
      before.success ? before.data : undefined,
      world,
    );
    return { allowed: true, warnings };
  }
  return fine;
}
