/** Checks the grants, and the guest namespaces that no realm has. */
import type { Namespace } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { Grant, Realm, SuperEntity } from "../../api/client/keystone.io@v1alpha1.ts";
import { conditionOf } from "../../core/conditions.ts";
import { managedBy, managedByLabel, realmLabel } from "../../core/names.ts";
import { countText } from "../../core/plain_text.ts";
import { type DoctorFinding, ok, someOf, warn } from "./doctor_finding.ts";

/** Reports grants that are Pending, or Active and not enforced, each with the reason. */
export function grantFindings(grants: readonly Grant[]): DoctorFinding[] {
  const name = "grants";
  const odd = grants.filter(({ status }) => {
    const phase = status?.phase ?? "Pending";
    return phase === "Pending" || (phase === "Active" && conditionOf(status, "Ready")?.status === "False");
  });
  if (odd.length === 0) return [ok(name, `${countText(grants.length, "grant")}, none Pending or failing.`)];
  const most = 5;
  const found = odd.slice(0, most).map(({ metadata, status }) => {
    const phase = status?.phase ?? "Pending";
    const reason = conditionOf(status, "Ready")?.message ?? status?.message ?? "no operator has acted on it";
    return warn(
      name,
      `Grant ${metadata!.name} is ${phase}${phase === "Active" ? " and not Ready" : ""}: ${reason}`,
      `keystone explain grant ${metadata!.name}`,
    );
  });
  if (odd.length <= most) return found;
  const rest = odd.slice(most).map(({ metadata }) => metadata!.name!);
  return [
    ...found,
    warn(
      name,
      `${rest.length} more ${rest.length === 1 ? "grant is" : "grants are"} Pending or not Ready: ${someOf(rest)}.`,
      "keystone grant list",
    ),
  ];
}

/** Reports guest namespaces whose realm and grants are gone: nothing deletes their objects. */
export function namespaceFindings(
  namespaces: readonly Namespace[],
  { grants, realms, superEntities }: {
    grants: readonly Grant[];
    realms: readonly Realm[];
    superEntities: readonly SuperEntity[];
  },
): DoctorFinding[] {
  const name = "namespaces";
  const present = new Set([
    ...[...realms, ...superEntities].map(({ metadata }) => metadata!.name!),
    ...grants.map(({ spec }) => spec.granteeRealm),
  ]);
  return namespaces.flatMap(({ metadata }) => {
    const realm = metadata!.labels?.[realmLabel];
    const isOurs = metadata!.labels?.[managedByLabel] === managedBy;
    if (realm === undefined || !isOurs || metadata!.deletionTimestamp || present.has(realm)) return [];
    return [warn(
      name,
      `Namespace ${
        metadata!.name
      } belongs to realm ${realm}, which does not exist: no one has access, and its objects stay.`,
      `kubectl delete namespace ${metadata!.name}`,
    )];
  });
}
