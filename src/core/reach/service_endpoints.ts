/** Endpoints of a Service, as kube-proxy and the cluster's DNS read them. */
import type { Service, ServicePort } from "../../../lib/kubernetes_apis/core@v1.ts";
import type { Endpoint, EndpointPort } from "../../../lib/kubernetes_apis/discovery.k8s.io@v1.ts";
import { placeAt, placeOfPod, type ReachPlace, type ReachSource } from "./places.ts";
import { selects } from "./reach.ts";
import { type ReachFacts, valueOf } from "./reach_facts.ts";

/** Returns the Service's kind, namespace and name, for messages. */
export const serviceName = ({ metadata }: Service): string => `Service ${metadata!.namespace}/${metadata!.name}`;

/** Returns a port with its protocol and name, for messages. */
export const portText = (
  { port, protocol = "TCP", name }: { port?: number; protocol?: string; name?: string },
): string => `${port}/${protocol}${name ? ` (${name})` : ""}`;

/** An endpoint, with the port that its pod serves. */
export interface LiveEndpoint {
  endpoint: Endpoint;
  port?: number;
}

/** Returns the endpoints of one port and family, or the reason that they are unknown. */
export function endpointsOf(
  facts: ReachFacts,
  service: Service,
  ipv6: boolean,
  port?: ServicePort,
): LiveEndpoint[] | string {
  const { namespace, name } = service.metadata!;
  const known = facts.slices(namespace!);
  if (!("value" in known)) return `the endpoints of ${serviceName(service)} can't be read: ${known.refused}`;
  const isPort = (each: EndpointPort) =>
    port === undefined ||
    ((each.name ?? "") === (port.name ?? "") && (each.protocol ?? "TCP") === (port.protocol ?? "TCP"));
  return known.value
    .filter(({ metadata, addressType }) =>
      metadata?.labels?.["kubernetes.io/service-name"] === name && addressType === (ipv6 ? "IPv6" : "IPv4")
    )
    .flatMap(({ endpoints, ports }) => {
      const found = (ports ?? []).find(isPort);
      if (!found && port !== undefined) return [];
      return (endpoints ?? []).map((endpoint) => ({
        endpoint,
        ...(found?.port === undefined ? {} : { port: found.port }),
      }));
    });
}

/** Reports whether an endpoint is ready; without a condition it is. */
export const isReadyEndpoint = ({ endpoint: { conditions } }: LiveEndpoint): boolean => conditions?.ready ?? true;

/** Reports whether an endpoint still serves while it terminates: it is used when no other one is ready. */
const isLeaving = ({ endpoint: { conditions } }: LiveEndpoint): boolean =>
  (conditions?.serving ?? false) && (conditions?.terminating ?? false);

/** Returns the endpoints that get traffic: the ready ones, else those that still serve while they terminate. */
export const usableEndpoints = (all: readonly LiveEndpoint[]): LiveEndpoint[] => {
  const ready = all.filter(isReadyEndpoint);
  return ready.length > 0 ? ready : all.filter(isLeaving);
};

/** Returns an endpoint as policies see it: its pod if it is one, also the source, whose packets leave it here. */
export function placeOfEndpoint(
  facts: ReachFacts,
  source: ReachSource,
  service: Service,
  endpoint: Endpoint,
): ReachPlace {
  const ip = endpoint.addresses[0]!;
  const { targetRef } = endpoint;
  const found = placeAt(facts, source, ip);
  if ((found.kind !== "outside" && found.kind !== "self") || targetRef?.kind !== "Pod") return found;
  const namespace = targetRef.namespace ?? service.metadata!.namespace!;
  const pod = valueOf(facts.pods(namespace))?.find(({ metadata }) => metadata!.name === targetRef.name);
  if (pod) return placeOfPod(facts, pod, ip);
  return { ...found, shown: `pod ${namespace}/${targetRef.name}`, namespace, hidden: true };
}

/** Returns the reason that no endpoint gets traffic, with the first of the pods that should be one. */
export function whyNoEndpoint(
  facts: ReachFacts,
  service: Service,
  port: ServicePort,
  all: readonly LiveEndpoint[],
): string {
  const none = `${serviceName(service)} has no ready endpoint for port ${portText(port)}`;
  const { namespace } = service.metadata!;
  const { selector } = service.spec!;
  if (all.length > 0) {
    const pods = [...new Set(all.map(({ endpoint }) => endpoint.targetRef?.name ?? endpoint.addresses[0]))];
    return `${none}: ${pods.slice(0, 3).join(", ")}${pods.length > 3 ? " and others" : ""} ${
      pods.length === 1 ? "is" : "are"
    } not ready`;
  }
  if (!selector || Object.keys(selector).length === 0) return `${none}: it has no selector, and nobody has added any`;
  const pods = (valueOf(facts.pods(namespace!)) ?? []).filter((pod) =>
    selects({ matchLabels: selector }, pod.metadata!.labels)
  );
  if (pods.length === 0) return `${none}: no pod matches its selector`;
  const [first] = pods;
  if (typeof port.targetPort === "string") {
    const place = placeOfPod(facts, first!);
    const isNamed = place.namedPorts?.some(({ name, protocol }) =>
      name === port.targetPort && protocol === (port.protocol ?? "TCP")
    );
    if (!isNamed) return `${none}: pod ${first!.metadata!.name} declares no port named ${port.targetPort}`;
  }
  return `${none}: pod ${first!.metadata!.name} is ${first!.status?.phase ?? "Pending"}`;
}
