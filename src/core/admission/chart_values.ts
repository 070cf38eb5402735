/**
 * Kinds that charts bring along and that guests may not write: the reason, and the usual values that leave them out.
 * docs/guests.md has the table; `keystone would-fit` adds the sentence to a refusal.
 */

/** A kind, or several that the same values leave out. */
export interface RefusedKinds {
  /** Empty: the core group. */
  group: string;
  kinds: readonly string[];
  /** Reason, a clause that follows "because". */
  why: string;
  /** Usual values of charts, as for `helm install --set`; empty if there is none. */
  values: readonly string[];
  /** Alternative for guests, a sentence. */
  instead?: string;
}

const ofCluster = "it belongs to the whole cluster";

export const refusedKinds: readonly RefusedKinds[] = [
  {
    group: "networking.k8s.io",
    kinds: ["Ingress"],
    why: "it would publish pods outside the cluster, which no grant includes",
    values: ["ingress.enabled=false"],
    instead: "Use kubectl port-forward, or ask your lender to route to your Service.",
  },
  {
    group: "networking.k8s.io",
    kinds: ["NetworkPolicy"],
    why: "a policy of the guest could open what the grants leave closed",
    values: ["networkPolicy.enabled=false"],
    instead: "Keystone's policies already admit only your own pods and what your grants open.",
  },
  {
    group: "rbac.authorization.k8s.io",
    kinds: ["Role", "RoleBinding"],
    why: "a binding would outlive the grant",
    values: ["rbac.create=false"],
  },
  {
    group: "rbac.authorization.k8s.io",
    kinds: ["ClusterRole", "ClusterRoleBinding"],
    why: ofCluster,
    values: ["rbac.create=false"],
  },
  {
    group: "apiextensions.k8s.io",
    kinds: ["CustomResourceDefinition"],
    why: ofCluster,
    values: ["crds.enabled=false", "installCRDs=false"],
    instead: "helm install --skip-crds leaves out those in the folder crds/.",
  },
  {
    group: "admissionregistration.k8s.io",
    kinds: ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
    why: ofCluster,
    values: ["webhook.enabled=false", "admissionWebhooks.enabled=false"],
  },
  {
    group: "scheduling.k8s.io",
    kinds: ["PriorityClass"],
    why: ofCluster,
    values: ["priorityClass.create=false"],
  },
  {
    group: "storage.k8s.io",
    kinds: ["StorageClass"],
    why: ofCluster,
    values: ["storageClass.create=false"],
    instead: "Name a class of the cluster, usually with persistence.storageClass.",
  },
  {
    group: "networking.k8s.io",
    kinds: ["IngressClass"],
    why: ofCluster,
    values: ["ingressClass.enabled=false"],
  },
  {
    group: "",
    kinds: ["Namespace", "PersistentVolume"],
    why: ofCluster,
    values: ["namespace.create=false"],
    instead:
      "Your namespace exists already: leave out --create-namespace. For a volume create a PersistentVolumeClaim.",
  },
  {
    group: "",
    kinds: ["ResourceQuota", "LimitRange"],
    why: "it is what your lender grants",
    values: ["resourceQuota.enabled=false", "limitRange.enabled=false"],
  },
  {
    group: "",
    kinds: ["Endpoints"],
    why: "a Service could lead to any address in your lender's network",
    values: [],
    instead: "Let the pods connect to the address itself; a grant must allow it as a destination.",
  },
  {
    group: "discovery.k8s.io",
    kinds: ["EndpointSlice"],
    why: "a Service could lead to any address in your lender's network",
    values: [],
    instead: "Let the pods connect to the address itself; a grant must allow it as a destination.",
  },
  {
    group: "monitoring.coreos.com",
    kinds: ["ServiceMonitor"],
    why: "it instructs your lender's Prometheus",
    values: ["metrics.serviceMonitor.enabled=false", "serviceMonitor.enabled=false"],
  },
  {
    group: "monitoring.coreos.com",
    kinds: ["PodMonitor"],
    why: "it instructs your lender's Prometheus",
    values: ["metrics.podMonitor.enabled=false", "podMonitor.enabled=false"],
  },
  {
    group: "monitoring.coreos.com",
    kinds: ["PrometheusRule"],
    why: "it instructs your lender's Prometheus",
    values: ["metrics.prometheusRule.enabled=false", "prometheusRule.enabled=false"],
  },
  {
    group: "gateway.networking.k8s.io",
    kinds: ["Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"],
    why: "it would publish pods outside the cluster, which no grant includes",
    values: ["httpRoute.enabled=false", "gateway.enabled=false"],
  },
  {
    group: "route.openshift.io",
    kinds: ["Route"],
    why: "it would publish pods outside the cluster, which no grant includes",
    values: ["route.enabled=false"],
  },
  {
    group: "cert-manager.io",
    kinds: ["Certificate", "Issuer", "ClusterIssuer"],
    why: "it uses your lender's certificate authorities",
    values: ["certificate.enabled=false", "tls.certManager.enabled=false"],
    instead: "Create a Secret of type kubernetes.io/tls with your own certificate.",
  },
  {
    group: "external-secrets.io",
    kinds: ["ExternalSecret", "SecretStore"],
    why: "it uses your lender's secret stores",
    values: ["externalSecrets.enabled=false"],
    instead: "Create a Secret.",
  },
  {
    group: "keda.sh",
    kinds: ["ScaledObject", "ScaledJob", "TriggerAuthentication"],
    why: "it instructs your lender's controllers",
    values: ["keda.enabled=false"],
    instead: "Use a HorizontalPodAutoscaler.",
  },
  {
    group: "autoscaling.k8s.io",
    kinds: ["VerticalPodAutoscaler"],
    why: "it instructs your lender's controllers",
    values: ["vpa.enabled=false", "verticalPodAutoscaler.enabled=false"],
  },
  {
    group: "apiregistration.k8s.io",
    kinds: ["APIService"],
    why: ofCluster,
    values: ["apiService.create=false"],
  },
  {
    group: "policy",
    kinds: ["PodSecurityPolicy"],
    why: "Kubernetes 1.25 has removed it",
    values: ["podSecurityPolicy.enabled=false", "rbac.pspEnabled=false"],
  },
  {
    group: "security.openshift.io",
    kinds: ["SecurityContextConstraints"],
    why: ofCluster,
    values: ["securityContextConstraints.create=false"],
  },
];

/** Returns the entry of a kind; undefined for a kind that guests may write, or that the table doesn't know. */
export function refusedKindOf(apiVersion: string, kind: string): RefusedKinds | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return refusedKinds.find((entry) => entry.group === group && entry.kinds.includes(kind));
}

/**
 * Returns sentences for a guest whose object of this kind is refused: the reason, and the chart's values that leave it
 * out. Empty for a kind that the table doesn't know.
 */
export function chartValuesText(apiVersion: string, kind: string): string {
  const entry = refusedKindOf(apiVersion, kind);
  if (!entry) return "";
  const { why, values, instead } = entry;
  const options = values.map((value) => `--set ${value}`).join(" or ");
  return [
    `Guests may not write this kind, because ${why}.`,
    ...(values.length > 0 ? [`In a chart it is usually left out with ${options}.`] : []),
    ...(instead ? [instead] : []),
  ].join(" ");
}

/** Returns the rows of the page for guests. */
export function refusedKindsTable(): string {
  const rows = refusedKinds.map(({ kinds, why, values, instead }) => [
    kinds.join(", "),
    `${why}${instead ? `. ${instead}` : ""}`,
    values.map((value) => `\`${value}\``).join(", "),
  ]);
  return [["kind", "refused, because", "usual values of charts"], ["---", "---", "---"], ...rows]
    .map((row) => `| ${row.join(" | ")} |\n`).join("");
}
