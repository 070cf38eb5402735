/** Checks that each ValidatingAdmissionPolicy and its bindings are as shipped. */
import { isApiError, type RestClient } from "../../../lib/kubernetes/mod.ts";
import { CoreV1Api } from "../../../lib/kubernetes_apis/core@v1.ts";
import { guardsRevision } from "../../api/mod.ts";
import { guardsAnnotation, managedBy, managedByLabel } from "../../core/names.ts";
import { type DoctorFinding, fail, ok, someOf, warn } from "./doctor_finding.ts";
import { installedName, type InstalledObject } from "./installed_objects.ts";
import { type InstallCommands, restoreCommand } from "./restore_command.ts";
import { inWords } from "./object_difference.ts";
import type { ShippedObject } from "./shipped_manifests.ts";

const name = "guards";

/** Reports whether the object is a policy or a binding of one. */
export const isGuard = ({ kind }: ShippedObject): boolean => kind.startsWith("ValidatingAdmissionPolicy");

/** Returns the names of the policies that refuse requests; the others warn or only write into the audit log. */
function refusing(guards: readonly InstalledObject[]): ReadonlySet<string> {
  const specs = guards.map(({ shipped }) => shipped.spec as { validationActions?: string[]; policyName?: string });
  return new Set(
    specs.flatMap(({ validationActions, policyName }) => validationActions?.includes("Deny") ? [policyName!] : []),
  );
}

const policyOf = ({ kind, metadata, spec }: ShippedObject): string =>
  kind === "ValidatingAdmissionPolicy" ? metadata.name : (spec as { policyName: string }).policyName;

/** Compares the policies and bindings with the shipped ones. */
export function guardFindings(installed: readonly InstalledObject[], { base }: InstallCommands): DoctorFinding[] {
  const guards = installed.filter(({ shipped }) => isGuard(shipped));
  const denying = refusing(guards);
  const refuses = ({ shipped }: InstalledObject) => denying.has(policyOf(shipped));
  const found: DoctorFinding[] = [];
  for (const [isDenying, report] of [[true, fail], [false, warn]] as const) {
    const missing = guards.filter((guard) => guard.live === undefined && refuses(guard) === isDenying);
    if (missing.length === 0) continue;
    const names = someOf(missing.map(({ shipped }) => installedName(shipped)), 12);
    const consequence = isDenying ? "what they refuse is allowed" : "nobody is warned";
    const are = missing.length > 1 ? "are" : "is";
    found.push(report(name, `${names} ${are} missing: ${consequence}.`, base));
  }
  for (const guard of guards.filter(({ differences }) => differences.length > 0)) {
    const words = someOf(guard.differences.map(inWords), 3);
    const report = refuses(guard) ? fail : warn;
    found.push(report(name, `${installedName(guard.shipped)} was changed: ${words}.`, restoreCommand(guard, base)));
  }
  return found;
}

/** Checks that an operator of this version manages each guest namespace; before, its new guards refuse nothing there. */
export async function guardRevisionFindings(rest: RestClient): Promise<DoctorFinding[]> {
  const items = await new CoreV1Api(rest).namespaces.all({ labelSelector: `${managedByLabel}=${managedBy}` });
  const held = items.flatMap(({ metadata }) =>
    Number(metadata!.annotations?.[guardsAnnotation] ?? 0) < guardsRevision ? metadata!.name! : []
  );
  if (held.length === 0) return [];
  return [warn(
    name,
    `In ${someOf(held)} only the guards of the previous version are in force: no operator of this version manages ` +
      "the namespace.",
    "Finish the upgrade: kubectl -n keystone-system get pods",
  )];
}

/** Checks that the objects with the parameters of policies exist in each guest namespace. */
export async function parameterFindings(rest: RestClient): Promise<DoctorFinding[]> {
  const namespaces = await new CoreV1Api(rest).namespaces.all({ labelSelector: `${managedByLabel}=${managedBy}` });
  const without: string[] = [];
  await Promise.all(namespaces.map(async ({ metadata }) => {
    if (metadata!.deletionTimestamp) return;
    try {
      await new CoreV1Api(rest).namespace(metadata!.name!).resourceQuotas.get("keystone");
    } catch (error) {
      if (!isApiError(error, 404)) throw error;
      without.push(metadata!.name!);
    }
  }));
  if (without.length === 0) return [];
  return [fail(
    name,
    `ResourceQuota keystone is missing in ${
      someOf(without.sort())
    }: nothing limits the guests there, and guards that ` +
      "compare with it allow everything.",
    "Start the operator, which writes it again: kubectl -n keystone-system get pods",
  )];
}

export const guardsHold = (): DoctorFinding =>
  ok(name, "All guards are as shipped and in force, also while no operator runs.");
