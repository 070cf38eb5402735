/** The objects of a guest namespace, one literal each. */
import type { Namespace, ResourceQuota } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { NetworkPolicy, NetworkPolicyEgressRule } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { TrustLevel } from "../../api/mod.ts";
import { grantLabel, guestNamespace, ownerLabels } from "../names.ts";

/** Version of the Pod Security Standards: what the server has (KEP-2579). */
const podSecurity = (level: "baseline" | "restricted") => ({
  "pod-security.kubernetes.io/enforce": level,
  "pod-security.kubernetes.io/warn": level,
  "pod-security.kubernetes.io/audit": level,
});

/** The namespace, with the Pod Security level that the realm's trust allows. */
export const namespaceOf = (realm: string, trust: TrustLevel): Namespace => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: {
    name: guestNamespace(realm),
    labels: { ...ownerLabels(realm), ...podSecurity(trust === "internal" ? "baseline" : "restricted") },
  },
});

export const quotaName = "keystone";

/** The one quota. Several would be intersected, and an ended grant would take from the others (ADR 0003). */
export const quotaOf = (realm: string, hard: Record<string, string>): ResourceQuota => ({
  apiVersion: "v1",
  kind: "ResourceQuota",
  metadata: { name: quotaName, namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec: { hard },
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

/**
 * Opens the way to and from the realm's own node.
 *
 * @param blocks the node's addresses as CIDRs, at least one: an empty list of peers would allow everything
 */
export const realmPolicyOf = (realm: string, blocks: readonly [string, ...string[]]): NetworkPolicy => {
  const peers = blocks.map((cidr) => ({ ipBlock: { cidr } }));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "realm", namespace: guestNamespace(realm), labels: ownerLabels(realm) },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{ from: peers }], egress: [{ to: peers }] },
  };
};

export const grantPolicyName = (grant: string): string => `grant-${grant}`;

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
