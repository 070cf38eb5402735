/** Checks the network: the cluster's own ranges, and the enforcement of NetworkPolicies. */
import type { ClusterFacts } from "../../core/facts.ts";
import { type DoctorFinding, fail, ok, unknown, warn } from "./doctor_finding.ts";

export function rangeFinding({ rangesUnknown, lanUnknown }: ClusterFacts): DoctorFinding {
  const name = "ranges";
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
