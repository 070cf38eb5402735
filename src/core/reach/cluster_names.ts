/** DNS names as a pod sees them: its search path, and the names of Services and pods in the cluster's domain. */
import { parseAddress } from "../address.ts";
import type { PodLike } from "./reach_facts.ts";

/** Domain of the cluster's names, unless the kubelets are configured otherwise. */
export const defaultClusterDomain = "cluster.local";

/** Returns the absolute names that a pod's resolver tries for a name, in this order. */
export function namesTried(name: string, { spec }: PodLike, namespace: string, domain: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const { dnsPolicy = "ClusterFirst", dnsConfig } = spec ?? {};
  const ofCluster = dnsPolicy === "ClusterFirst" || dnsPolicy === "ClusterFirstWithHostNet";
  const searches = [
    ...(ofCluster ? [`${namespace}.svc.${domain}`, `svc.${domain}`, domain] : []),
    ...dnsConfig?.searches ?? [],
  ].map((each) => each.replace(/\.$/, ""));
  const given = dnsConfig?.options?.find((option) => option.name === "ndots")?.value;
  const ndots = given === undefined ? (ofCluster ? 5 : 1) : Number(given);
  const dots = name.split(".").length - 1;
  const searched = searches.map((search) => `${name}.${search}`);
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

/** A name in the cluster's domain. */
export type ClusterName =
  /** A Service, or one of its endpoints by its host name or address. */
  | { kind: "service"; namespace: string; name: string; endpoint?: string }
  /** An address in dashes, which the cluster's DNS answers for pods. */
  | { kind: "address"; ip: string }
  | { kind: "none" };

/** Parses an absolute name; undefined if it isn't in the cluster's domain. */
export function parseClusterName(name: string, domain: string): ClusterName | undefined {
  const lower = name.toLowerCase();
  if (lower !== domain && !lower.endsWith(`.${domain}`)) return undefined;
  const labels = lower.slice(0, -domain.length - 1).split(".");
  const [kind, namespace, service, endpoint, ...more] = labels.reverse();
  if (kind === "svc" && namespace !== undefined && service !== undefined && more.length === 0) {
    return { kind: "service", namespace, name: service, ...(endpoint === undefined ? {} : { endpoint }) };
  }
  if (kind === "pod" && namespace !== undefined && service !== undefined && endpoint === undefined) {
    const ip = [service.replaceAll("-", "."), service.replaceAll("-", ":")].find((text) => parseAddress(text));
    if (ip !== undefined) return { kind: "address", ip };
  }
  return { kind: "none" };
}

/** Reports whether an endpoint has a name within its Service: its host name, or its address in dashes. */
export const isEndpointNamed = (endpoint: { hostname?: string; addresses: readonly string[] }, name: string): boolean =>
  endpoint.hostname === name || endpoint.addresses.some((ip) => ip.replaceAll(/[.:]/g, "-") === name);
