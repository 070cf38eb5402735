/** The tailnet of the operator, as its workload describes it: for advice, and for defaults that a person can change. */
import type { RestClient } from "../../lib/kubernetes/mod.ts";
import type { RealmSpec } from "../api/mod.ts";
import { controlServerKind } from "../core/realm/control_server.ts";
import { isForbidden } from "./grant_summary.ts";
import { type OperatorContainer, operatorWorkload } from "./operator_workload.ts";

/** The tailnet as a workload with a sidecar describes it. A tailscaled of the node is not in it. */
export interface OperatorTailnet {
  /** Kind of the control server. */
  connectionType: NonNullable<RealmSpec["connectionType"]>;
  /** Name of the first replica's node; the next ones have -1, -2 and so on behind it. */
  hostname: string;
  /** True if the tailnet server runs: guests reach the API server with their node alone. */
  isServed: boolean;
}

const read = new WeakMap<RestClient, Promise<OperatorTailnet | undefined>>();

/**
 * Returns the operator's tailnet; undefined without a sidecar, or if the user may not read the workload. Each client
 * reads it once.
 */
export function operatorTailnet(rest: RestClient): Promise<OperatorTailnet | undefined> {
  const known = read.get(rest) ?? operatorWorkload(rest).then(
    (found) => found && tailnetOfContainers(found.containers),
    (error) => {
      if (isForbidden(error)) return undefined;
      throw error;
    },
  );
  read.set(rest, known);
  return known;
}

/** Returns the tailnet that the containers of the operator's pod describe. */
export function tailnetOfContainers(containers: readonly OperatorContainer[]): OperatorTailnet | undefined {
  const value = (container: string, variable: string) =>
    containers.find(({ name }) => name === container)?.env?.findLast(({ name }) => name === variable)?.value;
  const hostname = value("tailscaled", "TS_HOSTNAME");
  if (!hostname) return undefined;
  const server = /(?:^|\s)--login-server[= ](\S+)/.exec(value("tailscaled", "TS_EXTRA_ARGS") ?? "")?.[1];
  return {
    connectionType: server === undefined ? "tailscale" : controlServerKind(server) ?? "headscale",
    hostname,
    isServed: value("front", "KEYSTONE_TAILNET_LISTEN") !== undefined,
  };
}

/** Reports whether a node of the tailnet has the name of one of the operator's replicas. */
export const isReplica = (dnsName: string, { hostname }: OperatorTailnet): boolean => {
  const label = dnsName.split(".")[0]!;
  return label === hostname ||
    (label.startsWith(`${hostname}-`) && /^[0-9]{1,2}$/.test(label.slice(hostname.length + 1)));
};

/** A way for a realm's people to get access, and the command for it. */
export interface WayIn {
  text: string;
  command: string;
}

/** Returns the ways in, the simplest first. */
export const waysIn = (realm: string, tailnet: OperatorTailnet | undefined): WayIn[] => {
  const kubeconfig = `keystone realm kubeconfig ${realm}`;
  return tailnet?.isServed
    ? [
      { text: `Give ${realm} access over the tailnet, on its node`, command: `keystone use ${tailnet.hostname}` },
      { text: "On other machines, with a kubeconfig from you", command: kubeconfig },
    ]
    : [{ text: `Give ${realm} access`, command: kubeconfig }];
};
