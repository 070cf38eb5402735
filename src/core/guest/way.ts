/** The way to a realm's node: its verified tailnet addresses and the proxies to it, or why it is closed. */
import type { NetworkPolicyPeer } from "../../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import type { Settings } from "../../api/mod.ts";
import type { ClusterFacts, RealmFacts } from "../facts.ts";
import { own } from "../own.ts";
import { isVerified } from "../realm/identity.ts";
import { cidr, compareRanges, contains, parseRange, type Range } from "./address.ts";
import { isKnown } from "./holding.ts";

/** What may be opened for a realm's node. */
export interface Way {
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

export interface WayWorld {
  settings: Settings;
  cluster: Pick<ClusterFacts, "ranges">;
}

/** The way to the node of the realm of this name. */
export function wayTo(name: string, realm: RealmFacts | undefined, { settings, cluster }: WayWorld): Way {
  if (!isKnown(realm)) return shut("GranteeUnknown", `There is no Realm ${name}.`, true);
  if (!isVerified(realm)) return unverified(realm);
  const all = (realm.status.node?.addresses ?? []).map(parseRange).filter((range) => range !== undefined);
  const taken = all.flatMap((range) => cluster.ranges.filter((own) => contains(own, range)).map((own) => [range, own]));
  const ranges = all.filter((range) => !taken.some(([own]) => own === range)).sort(compareRanges);
  const proxies = (own(settings.realmPeers, name) ?? []).map((peer): NetworkPolicyPeer => ({ ...peer }));
  return { ranges, proxies, ...closedBy(name, taken, ranges) };
}

const shut = (reason: string, message: string, wrong: boolean): Way => ({
  ranges: [],
  proxies: [],
  closed: { reason, message, wrong },
});

function unverified({ name, status }: RealmFacts): Way {
  const verified = status.conditions?.find(({ type }) => type === "IdentityVerified");
  // Verified, but for what the Realm was before it was changed: its status follows in a moment.
  if (!verified || verified.status === "True") {
    return shut("NodeUnknown", `Who Realm ${name} is isn't known yet.`, false);
  }
  return shut(verified.reason, verified.message, verified.status === "False");
}

function closedBy(name: string, taken: readonly Range[][], open: readonly Range[]): { closed?: Closed } {
  const [first] = taken;
  if (first) {
    const [address, own] = first.map(cidr);
    return {
      closed: {
        reason: "TailnetInClusterRange",
        message:
          `${address} of Realm ${name}'s node lies in ${own}, a range of the cluster's own pods, services or nodes: ` +
          "what answers there need not be that node, so it stays closed. Give the cluster other ranges than the " +
          "tailnet's, or reach the node through proxies: realmPeers in the operator's configuration.",
        wrong: true,
      },
    };
  }
  return open.length > 0
    ? {}
    : { closed: { reason: "NodeUnknown", message: `The node of Realm ${name} has no address.`, wrong: true } };
}
