/** The objects of a guest namespace, one literal each. */
import type {
  ConfigMap,
  LimitRange,
  LimitRangeItem,
  Namespace,
  ResourceQuota,
  ServiceAccount,
} from "../../../lib/kubernetes_apis/core@v1.ts";
import type {
  NetworkPolicy,
  NetworkPolicyEgressRule,
  NetworkPolicyPeer,
} from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { RoleBinding, Subject } from "../../../lib/kubernetes_apis/rbac.authorization.k8s.io@v1.ts";
import {
  accountAnnotation,
  grantLabel,
  guestNamespace,
  guestRole,
  lockedLabel,
  ownerLabels,
  warnAnnotation,
  warnLabel,
} from "../names.ts";

/** Version of the Pod Security Standards: what the server has (KEP-2579). */
const podSecurity = (level: "baseline" | "restricted") => ({
  "pod-security.kubernetes.io/enforce": level,
  "pod-security.kubernetes.io/warn": level,
  "pod-security.kubernetes.io/audit": level,
});

/**
 * The namespace, with the Pod Security level that the realm's trust allows.
 *
 * @param annotations those that Keystone keeps its records in
 * @param locked whether nothing is granted in it any more
 */
export const namespaceOf = (
  realm: string,
  level: "baseline" | "restricted",
  annotations: Record<string, string>,
  locked: boolean,
): Namespace => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: guestNamespace(realm),
    labels: {
      ...ownerLabels(realm),
      ...podSecurity(level),
      ...(locked ? { [lockedLabel]: "true" } : {}),
      // Selects the policies that warn.
      ...(annotations[warnAnnotation] ? { [warnLabel]: "true" } : {}),
    },
    annotations,
  },
});

export const quotaName = "keystone";

/**
 * The one quota. Several would be intersected, and an ended grant would take from the others (ADR 0003).
 *
 * @param annotations records for the operator and for the guards
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

export const limitRangeName = "keystone";

/** Defaults for containers that say nothing of their needs, which the quota would refuse. */
export const limitRangeOf = (realm: string, limits: LimitRangeItem): LimitRange => ({
  apiVersion: "v1",
  kind: "LimitRange",
  metadata: { name: limitRangeName, namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: { limits: [limits] },
});

/** The account that pods run as by default: without a token, since guests' pods have no business with the API. */
export const serviceAccountOf = (realm: string): ServiceAccount => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name: "default", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  automountServiceAccountToken: false,
});

/**
 * Lets them work in the namespace.
 *
 * @param record for whom an account stands that is made now
 */
export const bindingOf = (realm: string, subjects: Subject[], record: string): RoleBinding => ({
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "RoleBinding",
  metadata: {
    name: guestRole,
    namespace: guestNamespace(realm),
    labels: ownerLabels(realm),
    annotations: { [accountAnnotation]: record },
  },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: guestRole },
  subjects,
});

export const guideName = "keystone";
export const guideKey = "grants.yaml";

/** What guests can read of their grants. */
export const guideOf = (realm: string, text: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: guideName, namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  data: { [guideKey]: text },
});

/**
 * Denies what no other policy allows, in both directions. Traffic on loopback, the specification's `localhost`, is
 * never filtered by NetworkPolicy.
 */
export const defaultDenyOf = (realm: string): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "default-deny", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
});

/** Lets the pods of the namespace reach each other: what the specification calls localhost, for more than one pod. */
export const guestInternalOf = (realm: string): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "guest-internal", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ podSelector: {} }] }],
    egress: [{ to: [{ podSelector: {} }] }],
  },
});

/**
 * Lets pods ask the cluster's DNS, by the labels that its pods have everywhere.
 *
 * @param nodeLocal CIDRs of NodeLocal DNSCache, to which pods send instead
 */
export const dnsOf = (realm: string, nodeLocal: readonly string[]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "dns", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [{
      to: [
        {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
          podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
        },
        ...nodeLocal.map((cidr) => ({ ipBlock: { cidr } })),
      ],
      ports: [{ protocol: "UDP", port: 53 }, { protocol: "TCP", port: 53 }],
    }],
  },
});

/**
 * Opens the way to and from the realm's own node.
 *
 * @param peers the node's addresses and the proxies to it, at least one: an empty list would allow everything
 */
export const realmPolicyOf = (realm: string, peers: [NetworkPolicyPeer, ...NetworkPolicyPeer[]]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "realm", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{ from: peers }], egress: [{ to: peers }] },
});

const grantPolicyPrefix = "grant-";

export const grantPolicyName = (grant: string): string => grantPolicyPrefix + grant;

/** The grant whose policy has this name; undefined for other policies. */
export const grantOfPolicy = (policy: string): string | undefined =>
  policy.startsWith(grantPolicyPrefix) ? policy.slice(grantPolicyPrefix.length) : undefined;

/**
 * Opens the destinations of one grant.
 *
 * @param egress at least one rule: none would be stored as a policy that denies, which the default does already
 */
export const grantPolicyOf = (
  realm: string,
  grant: string,
  egress: NetworkPolicyEgressRule[],
): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: {
    name: grantPolicyName(grant),
    namespace: guestNamespace(realm),
    labels: { ...ownerLabels(realm), [grantLabel]: grant },
  },
  spec: { podSelector: {}, policyTypes: ["Egress"], egress },
});
