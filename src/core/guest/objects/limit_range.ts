/** The LimitRange: defaults for containers without requests or limits, which the quota would reject. */
import { type LimitRange, limitRanges } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { LimitRangeFacts } from "../../facts.ts";
import { interned } from "../../interned.ts";
import { guestNamespace, ownerLabels } from "../../names.ts";
import { sameJson } from "../../same_json.ts";
import { containerLimits } from "../../resources/limits.ts";
import { guestObject } from "./row.ts";

export const limitRangeName = "keystone";

export const limitRange = guestObject({
  part: "the limits",
  resource: limitRanges,
  name: limitRangeName,
  cache: "limitRanges",
  stage: "defaults",
  project: ({ spec }) => ({ limits: interned(spec?.limits ?? []) }),
  build: ({ grantee, access, whole }): LimitRange | undefined =>
    access
      ? {
        apiVersion: "v1",
        kind: "LimitRange",
        metadata: { name: limitRangeName, namespace: guestNamespace(grantee), labels: ownerLabels(grantee) },
        spec: { limits: [containerLimits(whole)] },
      }
      : undefined,
  same: ({ spec }, present: LimitRangeFacts) => sameJson(present.limits, spec!.limits),
  content: ({ limits }) => ({ limits }),
});
