/** The NetworkPolicies: a default deny, and policies that open something, some of them named after grants. */
import {
  networkPolicies,
  type NetworkPolicy,
  type NetworkPolicyPeer,
} from "../../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { cidr, parseRange } from "../../address.ts";
import type { PolicyFacts } from "../../facts.ts";
import type { Faults } from "../../faults.ts";
import { interned } from "../../interned.ts";
import { guestNamespace, ownerLabels } from "../../names.ts";
import { realmPeersOf } from "../../network/realm_peers.ts";
import { sameJson } from "../../same_json.ts";
import { rulesHere } from "../namespace/recorded_trust.ts";
import { destinationsOf, grantPolicyOf } from "./grant_policy.ts";
import type { GrantOpening, Guest } from "./guest.ts";
import { isOurs } from "./ours.ts";
import { applied, commonFacts, deleted, type GuestObjects, isLabelled, type RowChange } from "./row.ts";

export const defaultDenyName = "default-deny";

const policyOf = (realm: string, name: string, spec: NonNullable<NetworkPolicy["spec"]>): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: guestNamespace(realm), labels: ownerLabels(realm) },
  spec,
});

/**
 * Builds the default deny, in both directions. NetworkPolicy never filters loopback traffic, the specification's
 * `localhost`.
 */
export const defaultDenyOf = (realm: string): NetworkPolicy =>
  policyOf(realm, defaultDenyName, { podSelector: {}, policyTypes: ["Ingress", "Egress"] });

/** Builds the policy between the namespace's own pods: the specification's localhost, for more than one pod. */
const guestInternalOf = (realm: string): NetworkPolicy =>
  policyOf(realm, "guest-internal", {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [{ podSelector: {} }] }],
    egress: [{ to: [{ podSelector: {} }] }],
  });

/**
 * Builds the policy for the cluster's DNS, selected by the labels that its pods have in all distributions.
 *
 * @param nodeLocal CIDRs of NodeLocal DNSCache, which pods query instead of the DNS pods
 */
const dnsOf = (realm: string, nodeLocal: readonly string[]): NetworkPolicy =>
  policyOf(realm, "dns", {
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
  });

/**
 * Builds the policy to and from the realm's own node.
 *
 * @param peers the node's addresses and its proxies, at least one: an empty list would allow everything
 */
const realmPolicyOf = (realm: string, peers: [NetworkPolicyPeer, ...NetworkPolicyPeer[]]): NetworkPolicy =>
  policyOf(realm, "realm", {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: peers }],
    egress: [{ to: peers }],
  });

/**
 * Builds the default deny and the policies that open something, each planned separately. A policy that can't be planned
 * isn't wanted, so it is deleted. Without access none opens; present ones are only narrowed or deleted.
 */
function wanted(guest: Guest, faults: Faults): NetworkPolicy[] {
  const { grantee, active, access, entitlements } = guest;
  if (!active) return [defaultDenyOf(grantee)];
  return [
    defaultDenyOf(grantee),
    guestInternalOf(grantee),
    ...faults.attempt("the policy for DNS", () => dnsPolicies(guest), []),
    ...access ? faults.attempt(`the policy for the node of ${grantee}`, () => realmPolicies(guest), []) : [],
    ...entitlements.flatMap((opening) => {
      const { name } = opening.grant;
      const about = { part: `the destinations of grant ${name}`, grant: name };
      return faults.attempt(about, () => grantPolicies(guest, opening, faults), []);
    }),
  ];
}

function dnsPolicies(guest: Guest): NetworkPolicy[] {
  const { grantee, settings } = guest;
  if (!rulesHere(guest).dns) return [];
  return [dnsOf(grantee, settings.dns.nodeLocal.map(parseRange).filter((range) => range !== undefined).map(cidr))];
}

function realmPolicies({ grantee, realm, settings, cluster }: Guest): NetworkPolicy[] {
  const { ranges, proxies } = realmPeersOf(grantee, realm, { settings, cluster });
  const [first, ...rest] = [...ranges.map((range) => ({ ipBlock: { cidr: cidr(range) } })), ...proxies];
  return first === undefined ? [] : [realmPolicyOf(grantee, [first, ...rest])];
}

function grantPolicies(guest: Guest, opening: GrantOpening, faults: Faults): NetworkPolicy[] {
  const { grant } = opening;
  const { egress, failed } = destinationsOf(guest, opening);
  for (const { destination, error } of failed) {
    faults.add({ part: `destination ${destination}`, grant: grant.name, isShown: true, error });
  }
  return egress.length > 0 ? [grantPolicyOf(guest.grantee, grant.name, egress)] : [];
}

function changes(
  wanted: readonly NetworkPolicy[],
  present: readonly PolicyFacts[],
  { access, leaving }: Pick<Guest, "access" | "leaving">,
): RowChange[] {
  const byName = new Map(present.map((policy) => [policy.name, policy]));
  const names = new Set(wanted.map(({ metadata }) => metadata!.name!));
  const gone = present.filter(({ name }) => !names.has(name)).map((policy): RowChange => ({
    stage: "policies go",
    effect: deleted(networkPolicies, policy),
  }));
  const written = wanted.flatMap((policy): RowChange[] => {
    const { name } = policy.metadata!;
    const observed = byName.get(name!);
    const isDeny = name === defaultDenyName;
    if (!observed) {
      // In a namespace in deletion no policy can be created, but present ones are still corrected.
      if (leaving || (!isDeny && !access)) return [];
      return [{ stage: isDeny ? "default deny" : "policies open", effect: applied(policy) }];
    }
    if (isLabelled(policy, observed) && sameJson(observed.spec, policy.spec)) return [];
    return [{ stage: isDeny ? "default deny" : "policies narrow", effect: applied(corrected(policy, observed)) }];
  });
  return [...gone, ...written];
}

/** Sets rule lists to empty explicitly, because an apply that omits them would leave rules added by somebody else. */
const corrected = (policy: NetworkPolicy, { spec }: PolicyFacts): NetworkPolicy => ({
  ...policy,
  spec: {
    ...policy.spec!,
    ...(spec.ingress && !policy.spec!.ingress ? { ingress: [] } : {}),
    ...(spec.egress && !policy.spec!.egress ? { egress: [] } : {}),
  },
});

/** Reports whether the default deny is in force. */
export function isClosedByDefault(grantee: string, policies: readonly PolicyFacts[]): boolean {
  const present = policies.filter(({ name }) => name === defaultDenyName);
  return present.length > 0 &&
    changes([defaultDenyOf(grantee)], present, { access: false, leaving: true }).length === 0;
}

export const policies: GuestObjects<NetworkPolicy, PolicyFacts> = {
  part: "the NetworkPolicies",
  resource: networkPolicies,
  project: (policy) => ({
    ...commonFacts(policy) as PolicyFacts,
    spec: interned(policy.spec ?? { podSelector: {} }),
    ours: isOurs(policy),
  }),
  wanted,
  changes,
  content: ({ spec }) => spec,
};
