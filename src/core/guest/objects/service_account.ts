/** The default service account of pods, without a mounted token, because guests' pods don't need the API. */
import { type ServiceAccount, serviceAccounts } from "../../../../lib/kubernetes_apis/core@v1.ts";
import type { ServiceAccountFacts } from "../../facts.ts";
import { guestNamespace, ownerLabels } from "../../names.ts";
import { guestObject } from "./row.ts";

export const serviceAccount = guestObject({
  part: "the default account",
  resource: serviceAccounts,
  name: "default",
  cache: "serviceAccounts",
  stage: "defaults",
  project: ({ automountServiceAccountToken }) => ({ automount: automountServiceAccountToken }),
  build: ({ grantee, access }): ServiceAccount | undefined =>
    access
      ? {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "default", namespace: guestNamespace(grantee), labels: ownerLabels(grantee) },
        automountServiceAccountToken: false,
      }
      : undefined,
  same: (_, { automount }: ServiceAccountFacts) => automount === false,
  content: ({ automount }) => ({ automountServiceAccountToken: automount }),
});
