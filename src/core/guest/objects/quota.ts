/**
 * The ResourceQuota. There is only one: several would be intersected, so an ended grant would limit others (ADR 0003).
 */
import { type ResourceQuota, resourceQuotas } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { QuotaFacts } from "../../facts.ts";
import { interned } from "../../interned.ts";
import { freezeAnnotation, guestNamespace, ownerLabels, provisioningClassesAnnotation } from "../../names.ts";
import { shown } from "../../resources/quota_lists.ts";
import type { ResourceList } from "../../resources/resource_list.ts";
import { sameQuantities } from "../../resources/same_quantities.ts";
import type { Guest } from "./guest.ts";
import { applied, deleted, guestObject, isLabelled, type RowChange } from "./row.ts";

export const quotaName = "keystone";

/**
 * Builds the quota.
 *
 * @param annotations records for the operator and the guards
 */
export const quotaOf = (
  realm: string,
  hard: Record<string, string>,
  annotations: Record<string, string> = {},
): ResourceQuota => ({
  apiVersion: "v1",
  kind: "ResourceQuota",
  metadata: {
    name: quotaName,
    namespace: guestNamespace(realm),
    labels: ownerLabels(realm),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  },
  spec: { hard },
});

/** Returns the provisioning classes; the recorded ones while the classes can't be read. */
const classesFor = ({ cluster, quota }: Guest): string | undefined =>
  cluster.provisioningClasses?.join(",") ?? quota?.provisioningClasses;

function build(guest: Guest): ResourceQuota {
  const { grantee, hard, freeze } = guest;
  const classes = classesFor(guest);
  return quotaOf(grantee, shown(hard), {
    ...(freeze === undefined ? {} : { [freezeAnnotation]: freeze }),
    ...(classes === undefined ? {} : { [provisioningClassesAnnotation]: classes }),
  });
}

function isSame(wanted: ResourceQuota, present: QuotaFacts, guest: Guest): boolean {
  return (present.freeze || undefined) === (guest.freeze || undefined) &&
    present.provisioningClasses === classesFor(guest) &&
    sameQuantities(present.specHard, shown(guest.hard)) && isLabelled(wanted, present);
}

/** Plans the changes. A quota with scopes is deleted and created again, in two stages. */
function changes(wanted: ResourceQuota | undefined, present: QuotaFacts | undefined, guest: Guest): RowChange[] {
  if (!wanted || (guest.leaving && !present)) return [];
  const write: RowChange = { stage: "quota", effect: applied(wanted) };
  // A quota with scopes counts only some pods, and scopes are immutable.
  if (present?.scoped && !guest.leaving) {
    return [{ stage: "quota goes", effect: deleted(resourceQuotas, present) }, write];
  }
  return present && isSame(wanted, present, guest) ? [] : [write];
}

const texts = (quantities: Record<string, string | number> | undefined): Record<string, string> =>
  interned(Object.fromEntries(Object.entries(quantities ?? {}).map(([key, value]) => [key, String(value)])));

export const quota = guestObject({
  part: "the quota",
  resource: resourceQuotas,
  name: quotaName,
  cache: "quotas",
  stage: "quota",
  project: ({ metadata, spec, status }) => {
    const { [freezeAnnotation]: freeze, [provisioningClassesAnnotation]: provisioningClasses } =
      metadata!.annotations ?? {};
    return {
      ...(freeze === undefined ? {} : { freeze }),
      ...(provisioningClasses === undefined ? {} : { provisioningClasses }),
      specHard: texts(spec?.hard),
      scoped: (spec?.scopes?.length ?? 0) > 0 || spec?.scopeSelector !== undefined,
      statusHard: texts(status?.hard),
      used: texts(status?.used),
    };
  },
  build,
  same: isSame,
  changes,
  content: ({ specHard }: QuotaFacts) => ({ hard: specHard }),
});

/** Reports whether admission enforces exactly these limits: it reads the quota's status, not its spec. */
export function isInForce(quota: QuotaFacts | undefined, hard: ResourceList): boolean {
  return quota !== undefined && sameQuantities(quota.specHard, shown(hard)) &&
    sameQuantities(quota.statusHard, shown(hard)) &&
    uncounted(quota, hard).every(isOptional);
}

/** Returns the keys without a usage count. */
export const uncounted = (quota: QuotaFacts, hard: ResourceList): string[] =>
  [...hard.keys()].filter((key) => quota.used[key] === undefined);

/** Reports whether a key may have no usage count: its kind may be missing in the cluster, and then no objects exist. */
export const isOptional = (key: string): boolean => key.startsWith("count/") || key.includes(".deviceclass.");
