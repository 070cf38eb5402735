/** Checks the network: the cluster's own ranges, and the enforcement of NetworkPolicies. */
import type { ClusterFacts } from "../../core/facts.ts";
import { type DoctorFinding, fail, ok, someOf, unknown, warn } from "./doctor_finding.ts";

/** @param forbidden resources that the user may not read: the operator may, so their absence means nothing */
export function rangeFinding(
  { rangesUnknown, lanUnknown }: ClusterFacts,
  forbidden: readonly string[],
): DoctorFinding {
  const name = "ranges";
  if (rangesUnknown !== undefined && forbidden.length > 0) {
    return unknown(
      name,
      `You have no right to read ${someOf(forbidden)}, so the cluster's own ranges were not checked.`,
      "Run keystone doctor as a cluster admin to include this check.",
    );
  }
  if (rangesUnknown !== undefined) {
    return fail(
      name,
      `${rangesUnknown} Until then CIDR and DNS destinations stay closed.`,
      "Set clusterRanges in the operator's configuration (docs/configuration.md), and restart the operator.",
    );
  }
  if (lanUnknown !== undefined) {
    return warn(
      name,
      lanUnknown,
      "Set clusterRanges.nodes in the operator's configuration to their addresses, such as [192.168.1.10/32].",
    );
  }
  return ok(name, "The cluster's own ranges are known, and all pods are inside them.");
}

/** Enforcement shows only in packets: the names of a plugin's objects prove nothing. */
export function enforcementFinding(): DoctorFinding {
  return unknown(
    "network",
    "The API server can't tell if NetworkPolicies are enforced.",
    "From a guest's pod, connect to an address that keystone can-reach reports as closed (docs/network.md).",
  );
}
