/** The NetworkPolicy of one grant, which opens its destinations. */
import type { NetworkPolicy, NetworkPolicyEgressRule } from "../../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { faultText } from "../../faults.ts";
import { grantLabel, guestNamespace, ownerLabels } from "../../names.ts";
import { resolveDestinations } from "../../network/destinations.ts";
import { specialRangesOf } from "../../network/special_ranges.ts";
import { realmPeersOf } from "../../network/realm_peers.ts";
import { rulesHere } from "../namespace/recorded_trust.ts";
import type { GrantOpening, Guest } from "./guest.ts";

const grantPolicyPrefix = "grant-";

export const grantPolicyName = (grant: string): string => grantPolicyPrefix + grant;

/** Returns the grant whose policy has this name; undefined for other policies. */
export const grantOfPolicy = (policy: string): string | undefined =>
  policy.startsWith(grantPolicyPrefix) ? policy.slice(grantPolicyPrefix.length) : undefined;

/**
 * Builds the policy that opens the destinations of one grant.
 *
 * @param egress at least one rule: a policy without any would only deny, like the default deny
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

type Destinations = Omit<GrantOpening, "grant">;
type PolicySpecial = Pick<Guest, "realm" | "namespace" | "settings" | "cluster" | "realmNamed" | "addressesOfName">;

/**
 * Resolves a grant's destinations and builds the rules that open them. A destination that can't be planned opens
 * nothing.
 */
export function destinationsOf(
  world: PolicySpecial,
  opening: Destinations,
): ReturnType<typeof resolveDestinations> & { failed: readonly { destination: string; error: unknown }[] } {
  try {
    return { ...resolved(world, opening), failed: [] };
  } catch {
    const each = opening.destinations.map((destination) => {
      try {
        return { destination, resolved: resolved(world, { ...opening, destinations: [destination] }).resolved };
      } catch (error) {
        const text = faultText({ part: `destination ${destination}`, error });
        return { destination, resolved: [{ destination, error: text }], failure: { destination, error } };
      }
    });
    const fine = each.filter(({ failure }) => failure === undefined).map(({ destination }) => destination);
    return {
      resolved: each.flatMap(({ resolved }) => resolved),
      egress: resolved(world, { ...opening, destinations: fine }).egress,
      failed: each.flatMap(({ failure }) => failure ?? []),
    };
  }
}

function resolved(world: PolicySpecial, { destinations, except, within }: Destinations) {
  const { settings, cluster } = world;
  return resolveDestinations(destinations, {
    specialRanges: specialRangesOf(cluster.ranges, settings.clusterRanges),
    except,
    within,
    mayNameProtected: rulesHere(world).egress === "any",
    ...(cluster.rangesUnknown === undefined ? {} : { rangesUnknown: cluster.rangesUnknown }),
    addressesOfName: (name) => world.addressesOfName(name) ?? { error: `${name} is being resolved.` },
    realmPeersOf: (name) => realmPeersOf(name, world.realmNamed(name), { settings, cluster }),
  });
}
