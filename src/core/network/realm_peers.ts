/** Peers of a realm: its node's verified tailnet addresses and proxies, or the reason that they stay closed. */
import type { NetworkPolicyPeer } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { Settings } from "../../api/mod.ts";
import type { ClusterFacts, RealmFacts } from "../facts.ts";
import { own } from "../own.ts";
import { isVerified } from "../realm/identity.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "../address.ts";
import { isPresent } from "../realm/present.ts";
import { metadataServices, tailnetRanges, tailnetResolvers } from "./special_ranges.ts";
import { conditionOf } from "../conditions.ts";

/** Peers that may be opened for a realm's node. */
export interface RealmPeers {
  ranges: readonly Range[];
  /** Proxy pods to the node. */
  proxies: readonly NetworkPolicyPeer[];
  /** Reason that some or all peers stay closed. */
  closed?: Closed;
}

export interface Closed {
  reason: string;
  /** One or more sentences. */
  message: string;
  /** True if a person should act; false if the state is merely unknown. */
  wrong: boolean;
}

export interface RealmPeersWorld {
  settings: Settings;
  cluster: Pick<ClusterFacts, "ranges">;
}

/** Returns the peers of the realm of this name. The result is cached, so nothing given may be modified. */
export function realmPeersOf(name: string, realm: RealmFacts | undefined, world: RealmPeersWorld): RealmPeers {
  if (!isPresent(realm)) return shut("GranteeUnknown", `There is no Realm ${name}.`, true);
  if (!isVerified(realm)) return unverified(realm);
  const { settings, cluster: { ranges } } = world;
  const known = byRealm.get(realm);
  if (known?.settings === settings && known.ranges === ranges) return known.peers;
  const peers = verifiedPeers(name, realm, world);
  byRealm.set(realm, { settings, ranges, peers });
  return peers;
}

/** Cache: a plan asks for the peers of its grantee several times, and realms rarely change. */
const byRealm = new WeakMap<RealmFacts, { settings: Settings; ranges: readonly Range[]; peers: RealmPeers }>();

function verifiedPeers(name: string, realm: RealmFacts, { settings, cluster }: RealmPeersWorld): RealmPeers {
  const tailnet = tailnetRanges(settings.clusterRanges);
  const all = (realm.status.node?.addresses ?? []).map(parseRange).filter((range) => range !== undefined)
    .map((range) => ({ range, closed: closedAddress(name, range, { tailnet, cluster }) }));
  const closed = all.flatMap(({ closed }) => closed ?? []);
  const ranges = all.filter(({ closed }) => !closed).map(({ range }) => range).sort(compareRanges);
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
  // Verified for the Realm's previous spec or pin; the status follows in a moment.
  if (!verified || verified.status === "True") {
    return shut("NodeUnknown", `The node of Realm ${name} is not verified yet.`, false);
  }
  return shut(verified.reason, verified.message, verified.status === "False");
}

/**
 * Returns the reason that an address of a realm's node stays closed. The control server assigns the addresses, and it
 * may be somebody else's, so it can't open addresses outside the tailnet or services that every node has.
 */
function closedAddress(
  name: string,
  range: Range,
  { tailnet, cluster }: { tailnet: readonly Range[]; cluster: RealmPeersWorld["cluster"] },
): Closed | undefined {
  const including = (list: readonly Range[]) => list.find((outer) => contains(outer, range));
  const address = cidr(range);
  const own = including(cluster.ranges);
  if (own) {
    return {
      reason: "TailnetInClusterRange",
      message:
        `${address} of Realm ${name}'s node lies in ${
          cidr(own)
        }, a range of the cluster's own pods, services or nodes. ` +
        "Another host may have the address, so it stays closed. Use ranges for the cluster that don't overlap the " +
        "tailnet's, or reach the node through proxies (realmPeers in the operator's configuration).",
      wrong: true,
    };
  }
  const service = including([...metadataServices, ...tailnetResolvers]);
  if (including(tailnet) && !service) return undefined;
  return {
    reason: "AddressNotOfTailnet",
    message: service
      ? `${address} of Realm ${name}'s node is a service of the cloud or of the tailnet itself, so it stays closed. Give ` +
        "the node another address."
      : `${address} of Realm ${name}'s node lies outside the tailnet's ranges (${
        tailnet.map(cidr).join(", ")
      }), so it ` +
        "stays closed. If your control server uses other ranges, set clusterRanges.tailnet in the operator's " +
        "configuration.",
    wrong: true,
  };
}
