/** The answer to one admission review: refused or not, and what to say. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { grantSpec, realmSpec } from "../../api/mod.ts";
import type { GrantFacts, QuotaFacts } from "../facts.ts";
import { budgetOf, giversOf } from "./budget.ts";
import { requirementsOf } from "./requirements.ts";
import { refusalText, warningsOf } from "./sentences.ts";
import { grantWarnings, realmWarnings, type TermsWorld } from "./terms.ts";
import { fitOf } from "./fit.ts";

/** What the API server asks, as far as an answer needs it (admission.k8s.io/v1). */
export interface AdmissionQuestion {
  operation: string;
  namespace: string;
  subResource: string;
  object: unknown;
  oldObject: unknown;
}

export interface AdmissionResponse {
  allowed: boolean;
  /** Why not, a sentence; only with a refusal. */
  message?: string;
  warnings: string[];
}

/** What stands in one guest namespace. */
export interface GuestBudgets {
  quota: QuotaFacts;
  /** Items of its LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** All grants to its realm. */
  grants: readonly GrantFacts[];
}

export interface AdmissionWorld extends TermsWorld {
  /** Undefined where nothing is known of a namespace. */
  guest: (namespace: string) => GuestBudgets | undefined;
  nodes: number;
}

const fine: AdmissionResponse = { allowed: true, warnings: [] };

/** Answers; what isn't Keystone's business, or isn't known well enough, is let through: the quota holds in any case. */
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
  // What a controller makes was judged with its owner, and to stop it would keep what does fit from coming.
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

/** Terms are never refused here: what can't be is refused by the API server itself, all else is a condition. */
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
