/** The way to a realm's node: its verified tailnet addresses and the proxies to it, or why it is closed. */
import type { NetworkPolicyPeer } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { Settings } from "../../api/mod.ts";
import type { ClusterFacts, RealmFacts } from "../facts.ts";
import { own } from "../own.ts";
import { isVerified } from "../realm/identity.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "../address.ts";
import { isPresent } from "../realm/present.ts";
import { metadataServices, tailnetRanges, tailnetResolvers } from "./special_ranges.ts";
import { conditionOf } from "../conditions.ts";

/** What may be opened for a realm's node. */
export interface RealmPeers {
  ranges: readonly Range[];
  /** Pods that stand for the node: proxies. */
  proxies: readonly NetworkPolicyPeer[];
  /** Why not all of it is open. */
  closed?: Closed;
}

export interface Closed {
  reason: string;
  /** One or more sentences. */
  message: string;
  /** Whether somebody should act: it isn't only that nobody can be asked. */
  wrong: boolean;
}

export interface RealmPeersWorld {
  settings: Settings;
  cluster: Pick<ClusterFacts, "ranges">;
}

/** The way to the node of the realm of this name. */
export function realmPeersOf(
  name: string,
  realm: RealmFacts | undefined,
  { settings, cluster }: RealmPeersWorld,
): RealmPeers {
  if (!isPresent(realm)) return shut("GranteeUnknown", `There is no Realm ${name}.`, true);
  if (!isVerified(realm)) return unverified(realm);
  const all = (realm.status.node?.addresses ?? []).map(parseRange).filter((range) => range !== undefined);
  const closed = all.flatMap((range) => closedAddress(name, range, { settings, cluster }) ?? []);
  const ranges = all.filter((range) => !closedAddress(name, range, { settings, cluster })).sort(compareRanges);
  const proxies = (own(settings.realmPeers, name) ?? []).map((peer): NetworkPolicyPeer => ({ ...peer }));
  if (closed[0]) return { ranges, proxies, closed: closed[0] };
  return ranges.length > 0 ? { ranges, proxies } : {
    ranges,
    proxies,
    closed: { reason: "NodeUnknown", message: `The node of Realm ${name} has no address.`, wrong: true },
  };
}

const shut = (reason: string, message: string, wrong: boolean): RealmPeers => ({
  ranges: [],
  proxies: [],
  closed: { reason, message, wrong },
});

function unverified({ name, status }: RealmFacts): RealmPeers {
  const verified = conditionOf(status, "IdentityVerified");
  // Verified, but for what the Realm was before it was changed: its status follows in a moment.
  if (!verified || verified.status === "True") {
    return shut("NodeUnknown", `Who Realm ${name} is isn't known yet.`, false);
  }
  return shut(verified.reason, verified.message, verified.status === "False");
}

/**
 * Why an address of a realm's node stays closed. A control server says which addresses a node has, and it may be
 * somebody else's: what isn't the tailnet's, or is a service on each node, it can't open.
 */
function closedAddress(name: string, range: Range, { settings, cluster }: RealmPeersWorld): Closed | undefined {
  const including = (list: readonly Range[]) => list.find((outer) => contains(outer, range));
  const address = cidr(range);
  const own = including(cluster.ranges);
  if (own) {
    return {
      reason: "TailnetInClusterRange",
      message:
        `${address} of Realm ${name}'s node lies in ${
          cidr(own)
        }, a range of the cluster's own pods, services or nodes: ` +
        "what answers there need not be that node, so it stays closed. Give the cluster other ranges than the " +
        "tailnet's, or reach the node through proxies: realmPeers in the operator's configuration.",
      wrong: true,
    };
  }
  const tailnet = tailnetRanges(settings.clusterRanges);
  const service = including([...metadataServices, ...tailnetResolvers]);
  if (including(tailnet) && !service) return undefined;
  return {
    reason: "AddressNotOfTailnet",
    message: service
      ? `${address} of Realm ${name}'s node is a service of the cloud or of the tailnet itself, so it stays closed. Give ` +
        "the node another address."
      : `${address} of Realm ${name}'s node lies outside of the tailnet's ranges (${
        tailnet.map(cidr).join(", ")
      }), so it ` +
        "stays closed. If your control server has others, name them as clusterRanges.tailnet in the operator's " +
        "configuration.",
    wrong: true,
  };
}
