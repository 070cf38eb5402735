/** The webhook configuration: the webhook's address, and the requests that the API server sends to it. */
import type { ValidatingWebhookConfiguration } from "../../../lib/kubernetes_apis/admissionregistration.k8s.io@v1.ts";
import { managedBy, managedByLabel, operatorName, realmLabel, systemNamespace } from "../names.ts";

/** Address of the webhook for the API server: the Service in the cluster, or a URL. */
export type WebhookPlace = { service: true } | { url: string };

/** Name of the Secret and the Service of the webhook, in the operator's namespace. */
export const webhookName = "keystone-webhook";
/** Name of the ValidatingWebhookConfiguration. */
export const webhookConfigurationName = "keystone";
export const webhookPath = "/admit";

/** Leaves out changes of only labels, annotations or status, and the operator's own writes. */
const conditions = [
  { name: "spec-changed", expression: "oldObject == null || object.spec != oldObject.spec" },
  {
    name: "not-by-the-operator",
    expression: `request.userInfo.username != 'system:serviceaccount:${systemNamespace}:${operatorName}'`,
  },
];

const rule = (apiGroup: string, apiVersion: string, resources: string[], scope: "Namespaced" | "Cluster") => ({
  apiGroups: [apiGroup],
  apiVersions: [apiVersion],
  operations: ["CREATE" as const, "UPDATE" as const],
  resources,
  scope,
});

/**
 * Returns the whole configuration with the API server's defaults, so that it compares equal to the stored one. It covers
 * workloads in guest namespaces and Keystone's own kinds. No other request waits for the webhook, and none fails without it,
 * because quota and policies are in force in any case.
 *
 * @param authorities certificate authorities of the webhook, as PEM
 */
export function webhookConfigurationOf(place: WebhookPlace, authorities: string): ValidatingWebhookConfiguration {
  const common = {
    admissionReviewVersions: ["v1"],
    clientConfig: {
      caBundle: new TextEncoder().encode(authorities).toBase64(),
      ..."service" in place
        ? { service: { namespace: systemNamespace, name: webhookName, path: webhookPath, port: 443 } }
        : { url: new URL(webhookPath, place.url).href },
    },
    failurePolicy: "Ignore",
    matchPolicy: "Equivalent",
    sideEffects: "None",
    timeoutSeconds: 3,
    objectSelector: {},
    matchConditions: conditions,
  } as const;
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: webhookConfigurationName, labels: { [managedByLabel]: managedBy } },
    webhooks: [
      {
        ...common,
        matchConditions: [...conditions],
        admissionReviewVersions: ["v1"],
        name: "workloads.keystone.io",
        namespaceSelector: { matchExpressions: [{ key: realmLabel, operator: "Exists" }] },
        rules: [
          rule("", "v1", ["pods", "persistentvolumeclaims", "replicationcontrollers", "services"], "Namespaced"),
          rule("apps", "v1", ["daemonsets", "deployments", "replicasets", "statefulsets"], "Namespaced"),
          rule("batch", "v1", ["cronjobs", "jobs"], "Namespaced"),
        ],
      },
      {
        ...common,
        matchConditions: [...conditions],
        admissionReviewVersions: ["v1"],
        name: "terms.keystone.io",
        namespaceSelector: {},
        rules: [rule("keystone.io", "v1alpha1", ["grants", "realms"], "Cluster")],
      },
    ],
  };
}
