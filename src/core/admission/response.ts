/** The response to an admission review: allowed or not, with message and warnings. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { grantSpec, realmSpec } from "../../api/mod.ts";
import type { GrantFacts, QuotaFacts } from "../facts.ts";
import { budgetOf, giversOf } from "./budget.ts";
import { requirementsOf } from "./requirements.ts";
import { refusalText, warningsOf } from "./sentences.ts";
import { grantWarnings, realmWarnings, type TermsWorld } from "./terms.ts";
import { fitOf } from "./fit.ts";

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
  warnings: string[];
}

/** Quota, limits and grants of one guest namespace. */
export interface GuestBudgets {
  quota: QuotaFacts;
  /** Items of its LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** All grants to its realm. */
  grants: readonly GrantFacts[];
}

export interface AdmissionWorld extends TermsWorld {
  /** Returns undefined for a namespace that is not known. */
  guest: (namespace: string) => GuestBudgets | undefined;
  nodes: number;
}

const fine: AdmissionResponse = { allowed: true, warnings: [] };

/** Responds to a request. It allows what it can't check or need not check: the quota is in force in any case. */
export function respondTo(question: AdmissionQuestion, world: AdmissionWorld): AdmissionResponse {
  const { operation, subResource } = question;
  if ((operation !== "CREATE" && operation !== "UPDATE") || subResource !== "") return fine;
  const { apiVersion, kind } = fieldsOf(question.object);
  if (apiVersion === "keystone.io/v1alpha1") return termsResponse(String(kind), question, world);
  return workloadResponse(question, world);
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => typeof value === "object" && value !== null ? value as Fields : {};

function workloadResponse(
  { operation, namespace, object, oldObject }: AdmissionQuestion,
  world: AdmissionWorld,
): AdmissionResponse {
  const guest = world.guest(namespace);
  // A controller's objects were checked with their owner. To refuse them would also block the part that fits.
  if (!guest || (isOwned(object) && fieldsOf(object).kind !== "Pod")) return fine;
  const around = { limits: guest.limits, nodes: world.nodes };
  const requirements = requirementsOf(object, around);
  const before = operation === "UPDATE" ? requirementsOf(oldObject, around) : undefined;
  const budget = budgetOf(guest.quota, giversOf(guest.grants));
  const fit = fitOf(requirements, budget, before);
  const message = refusalText(fit, budget);
  const warnings = warningsOf(fit, budget);
  return message === undefined ? { allowed: true, warnings } : { allowed: false, message, warnings };
}

function isOwned(object: unknown): boolean {
  const { ownerReferences } = fieldsOf(fieldsOf(object).metadata);
  return Array.isArray(ownerReferences) && ownerReferences.some((owner) => fieldsOf(owner).controller === true);
}

/** Never refuses terms: the API server refuses invalid ones itself, and the rest is reported by conditions. */
function termsResponse(
  kind: string,
  { object, oldObject }: AdmissionQuestion,
  world: AdmissionWorld,
): AdmissionResponse {
  const { metadata, spec } = fieldsOf(object);
  const name = String(fieldsOf(metadata).name ?? "");
  if (kind === "Grant") {
    return { allowed: true, warnings: grantWarnings(name, grantSpec.parse(spec), world) };
  }
  if (kind === "Realm") {
    const before = realmSpec.safeParse(fieldsOf(oldObject).spec);
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
