/** The answer to one admission review: refused or not, and what to say. */
import type { LimitRangeItem } from "../../../lib/kubernetes_apis/core@v1.ts";
import { grantSpec, realmSpec } from "../../api/mod.ts";
import type { GrantFacts, QuotaFacts } from "../facts.ts";
import { allowanceOf, giversOf } from "./allowance.ts";
import { demandOf } from "./demand.ts";
import { refusalText, warningsOf } from "./sentences.ts";
import { grantWarnings, realmWarnings, type TermsWorld } from "./terms.ts";
import { verdictOf } from "./verdict.ts";

/** What the API server asks, as far as an answer needs it (admission.k8s.io/v1). */
export interface AdmissionQuestion {
  operation: string;
  namespace: string;
  subResource: string;
  object: unknown;
  oldObject: unknown;
}

export interface Answer {
  allowed: boolean;
  /** Why not, a sentence; only with a refusal. */
  message?: string;
  warnings: string[];
}

/** What stands in one guest namespace. */
export interface GuestView {
  quota: QuotaFacts;
  /** Items of its LimitRanges. */
  limits: readonly LimitRangeItem[];
  /** All grants to its realm. */
  grants: readonly GrantFacts[];
}

export interface AdmissionWorld extends TermsWorld {
  /** Undefined where nothing is known of a namespace. */
  guest: (namespace: string) => GuestView | undefined;
  nodes: number;
}

const fine: Answer = { allowed: true, warnings: [] };

/** Answers; what isn't Keystone's business, or isn't known well enough, is let through: the quota holds in any case. */
export function answerTo(question: AdmissionQuestion, world: AdmissionWorld): Answer {
  const { operation, subResource } = question;
  if ((operation !== "CREATE" && operation !== "UPDATE") || subResource !== "") return fine;
  const { apiVersion, kind } = fieldsOf(question.object);
  if (apiVersion === "keystone.io/v1alpha1") return termsAnswer(String(kind), question, world);
  return workloadAnswer(question, world);
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => typeof value === "object" && value !== null ? value as Fields : {};

function workloadAnswer({ operation, namespace, object, oldObject }: AdmissionQuestion, world: AdmissionWorld): Answer {
  const guest = world.guest(namespace);
  // What a controller makes was judged with its owner, and to stop it would keep what does fit from coming.
  if (!guest || (isOwned(object) && fieldsOf(object).kind !== "Pod")) return fine;
  const around = { limits: guest.limits, nodes: world.nodes };
  const demand = demandOf(object, around);
  const before = operation === "UPDATE" ? demandOf(oldObject, around) : undefined;
  const allowance = allowanceOf(guest.quota, giversOf(guest.grants));
  const verdict = verdictOf(demand, allowance, before);
  const message = refusalText(verdict, allowance);
  const warnings = warningsOf(verdict, allowance);
  return message === undefined ? { allowed: true, warnings } : { allowed: false, message, warnings };
}

function isOwned(object: unknown): boolean {
  const { ownerReferences } = fieldsOf(fieldsOf(object).metadata);
  return Array.isArray(ownerReferences) && ownerReferences.some((owner) => fieldsOf(owner).controller === true);
}

/** Terms are never refused here: what can't be is refused by the API server itself, all else is a condition. */
function termsAnswer(kind: string, { object, oldObject }: AdmissionQuestion, world: AdmissionWorld): Answer {
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
