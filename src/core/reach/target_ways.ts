/** Resolution of a destination to the ways that packets take there. */
import type { Service } from "../../../lib/kubernetes_apis/core@v1.ts";
import { cidr, contains, parseAddress, parseRange, type Range } from "../address.ts";
import { namesTried, parseClusterName } from "./cluster_names.ts";
import { isFinishedPod, isIpv6, placeAt, plainIp, type ReachPlace, type ReachSource } from "./places.ts";
import { type ReachFacts, valueOf } from "./reach_facts.ts";
import type { ReachTarget } from "./reach_texts.ts";
import {
  clusterIpsOf,
  isHeadless,
  type ReachWay,
  serviceAt,
  serviceOfNodePort,
  waysThrough,
  waysToEndpoints,
  waysToPod,
  wayTo,
} from "./service_ways.ts";
import { serviceName } from "./service_endpoints.ts";
import { podsOfWorkload } from "./workload_pods.ts";

/** Inputs of the resolution, the same for each name. */
interface Asking {
  facts: ReachFacts;
  source: ReachSource;
  target: ReachTarget;
  /** Domain of the cluster's names. */
  domain: string;
}

/** Returns the ways to a destination, at least one; a client may take any of them. */
export function waysTo(facts: ReachFacts, source: ReachSource, target: ReachTarget, domain: string): ReachWay[] {
  const asking = { facts, source, target, domain };
  return inFamilies(source, waysToNamed(asking).map((way) => withNotes(way)));
}

function waysToNamed(asking: Asking): ReachWay[] {
  const { facts, source, target } = asking;
  const { to } = target;
  switch (to.kind) {
    case "pod": {
      const pods = facts.pods(to.namespace);
      if (!("value" in pods)) return [hiddenPod(target, to)];
      const pod = pods.value.find(({ metadata }) => metadata!.name === to.name);
      return pod
        ? waysToPod(facts, source, pod, target)
        : [stopped(target, `Pod ${to.namespace}/${to.name} does not exist`)];
    }
    case "service": {
      const services = facts.services(to.namespace);
      if (!("value" in services)) {
        return [unknown(target, `Service ${to.namespace}/${to.name} can't be read: ${services.refused}`)];
      }
      const service = services.value.find(({ metadata }) => metadata!.name === to.name);
      return service
        ? waysToService(asking, service)
        : [stopped(target, `Service ${to.namespace}/${to.name} does not exist`)];
    }
    case "workload": {
      const { pods } = podsOfWorkload(facts, to.workload, to.namespace, to.name);
      const live = pods.filter((pod) => !isFinishedPod(pod));
      return live.length > 0
        ? live.flatMap((pod) => waysToPod(facts, source, pod, target))
        : [stopped(target, `${to.workload} ${to.namespace}/${to.name} has no pods`)];
    }
    case "node":
      return waysToNode(asking, to.name);
    case "realm":
      return waysToRealm(asking, to.name) ?? [stopped(target, `Realm ${to.name} does not exist`)];
    case "range": {
      const { range } = to;
      if (range.prefix === (range.address.kind() === "ipv4" ? 32 : 128)) {
        return waysToAddress(asking, cidr(range).split("/")[0]!);
      }
      return [rangeWay(asking, range)];
    }
    case "name":
      return waysToName(asking, to.name);
  }
}

const nowhere: ReachPlace = { kind: "outside", shown: "", ip: "" };
const stopped = (target: ReachTarget, blocked: string): ReachWay => ({ ...wayTo(nowhere, target), blocked });
const unknown = (target: ReachTarget, unjudged: string): ReachWay => ({ ...wayTo(nowhere, target), unjudged });

function rangeWay({ facts, source, target }: Asking, range: Range): ReachWay {
  const place: ReachPlace = { kind: "range", shown: cidr(range), ip: plainIp(range.address.toString()), range };
  const known = [
    ...source.ips,
    ...(valueOf(facts.nodes()) ?? []).flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
    ...(valueOf(facts.services()) ?? []).flatMap(clusterIpsOf),
  ].map(parseRange);
  const isOurs = known.some((each) => each && contains(range, each));
  return {
    ...wayTo(place, target),
    ...(isOurs
      ? { notes: [`Pods, Services and nodes in ${cidr(range)} are judged one by one: use their address.`] }
      : {}),
  };
}

const hiddenPod = (target: ReachTarget, { namespace, name }: { namespace: string; name: string }): ReachWay =>
  wayTo({ kind: "pod", shown: `pod ${namespace}/${name}`, ip: "", namespace, hidden: true }, target);

/** Returns the ways to an address, translated if it is a Service's. */
function waysToAddress({ facts, source, target }: Asking, ip: string): ReachWay[] {
  const found = serviceAt(facts, source, ip, target);
  if (found) return waysThrough(facts, source, found.service, found.entry, target);
  const way = wayTo(placeAt(facts, source, ip), target);
  const service = way.to.kind === "outside" ? serviceOfNodePort(facts, source, target) : undefined;
  if (!service) return [way];
  const entry = { ip, kind: "node" as const, node: source.node ?? "" };
  return [{
    ...way,
    ifNode: { service: serviceName(service), ways: waysThrough(facts, source, service, entry, target) },
  }];
}

function waysToService(asking: Asking, service: Service, names: readonly string[] = []): ReachWay[] {
  const { facts, source, target } = asking;
  const { type, externalName = "" } = service.spec!;
  if (type === "ExternalName") {
    const said = `${serviceName(service)} is the name ${externalName}`;
    if (names.includes(externalName) || names.length > 8) {
      return [stopped(target, `${said}, which leads back to itself`)];
    }
    if (parseAddress(externalName.replace(/\.$/, ""))) {
      return [stopped(target, `${said}: an IP address, which DNS doesn't serve as a name`)];
    }
    // DNS servers follow it as an absolute name.
    const behind = waysToName(asking, `${externalName.replace(/\.$/, "")}.`, [...names, externalName]);
    return behind.map((each) => ({ ...each, via: [said, each.via].filter(Boolean).join(" → ") }));
  }
  if (isHeadless(service)) return waysToEndpoints(facts, source, service, target);
  const ips = clusterIpsOf(service);
  if (ips.length === 0) return [stopped(target, `${serviceName(service)} has no cluster address yet`)];
  return ips.flatMap((ip) => waysThrough(facts, source, service, { ip, kind: "cluster" }, target));
}

function waysToNode(asking: Asking, name: string): ReachWay[] {
  const { facts, target } = asking;
  const nodes = facts.nodes();
  if (!("value" in nodes)) return [unknown(target, `the addresses of node ${name} can't be read: ${nodes.refused}`)];
  const node = nodes.value.find(({ metadata }) => metadata!.name === name);
  if (!node) return [stopped(target, `Node ${name} does not exist`)];
  const ips = (node.status?.addresses ?? []).map(({ address }) => address).filter((text) => parseAddress(text));
  return ips.length > 0
    ? [...new Set(ips)].flatMap((ip) => waysToAddress(asking, ip))
    : [stopped(target, `Node ${name} reports no address`)];
}

/** Returns the ways to a realm's node; undefined if there is no such Realm. */
function waysToRealm(asking: Asking, name: string): ReachWay[] | undefined {
  const { facts, target } = asking;
  const realm = facts.realm(name);
  if (!("value" in realm)) return [unknown(target, `Realm ${name} can't be read: ${realm.refused}`)];
  if (realm.value === undefined) return undefined;
  if (realm.value.length === 0) return [stopped(target, `Realm ${name} has no known tailnet address`)];
  return realm.value.flatMap((ip) => waysToAddress(asking, ip)).map((each) => ({
    ...each,
    via: `Realm ${name}`,
    isRealm: true,
  }));
}

/** Returns the ways to a name as the pod's resolver finds it; a Realm is only taken if there is no such Service. */
function waysToName(asking: Asking, name: string, names: readonly string[] = []): ReachWay[] {
  const { facts, source, target, domain } = asking;
  const written = fromHostsFile(source, name);
  if (written) return written.flatMap((ip) => waysToAddress(asking, ip));
  const isBare = !name.includes(".");
  let hidden: string | undefined;
  for (const tried of namesTried(name, source.pod, source.namespace, domain)) {
    const known = parseClusterName(tried, domain);
    if (known?.kind === "address") return withLookup(asking, waysToAddress(asking, known.ip));
    if (known?.kind === "service") {
      const services = facts.services(known.namespace);
      if (!("value" in services)) {
        hidden ??= `${tried} may be a Service of namespace ${known.namespace}: ${services.refused}`;
        continue;
      }
      const service = services.value.find(({ metadata }) => metadata!.name === known.name);
      if (!service || (known.endpoint !== undefined && service.spec?.type === "ExternalName")) continue;
      const ways = known.endpoint === undefined
        ? waysToService(asking, service, names)
        : waysToEndpoints(facts, source, service, target, known.endpoint);
      const isRealmToo = isBare && valueOf(facts.realm(name)) !== undefined;
      const note = `${name} is ${serviceName(service)} here. There is also a Realm of that name: realm/${name}.`;
      return withLookup(asking, isRealmToo ? ways.map((each) => withNotes(each, note)) : ways);
    }
    if (known === undefined && !isBare) {
      const resolved = facts.addressesOf(tried);
      const ips = valueOf(resolved) ?? [];
      if (!("value" in resolved)) hidden ??= resolved.refused;
      if (ips.length === 0) continue;
      const note = `${tried} was resolved by this machine; pods may get other addresses.`;
      const ways = ips.flatMap((ip) => waysToAddress(asking, ip));
      return withLookup(
        asking,
        ways.map((each) => withNotes({ ...each, via: each.via ?? tried, isOfName: true }, note)),
      );
    }
  }
  if (isBare) {
    const realm = waysToRealm(asking, name);
    if (realm?.[0]?.unjudged !== undefined) {
      return [unknown(target, `there is no Service ${name} in ${source.namespace}, and ${realm[0].unjudged}`)];
    }
    return realm ?? [stopped(target, `there is neither a Service ${name} in ${source.namespace} nor a Realm ${name}`)];
  }
  if (hidden !== undefined) return [unknown(target, hidden)];
  if (/\.svc\./.test(name) && !`${name}.`.includes(`.${domain}.`)) {
    return [unknown(target, `${name} is not in the domain ${domain}: set the cluster's with --cluster-domain`)];
  }
  return [
    stopped(
      target,
      `${name.replace(/\.$/, "")} does not resolve to an address, neither in the cluster nor on this machine`,
    ),
  ];
}

/** Returns the addresses of a name in the pod's /etc/hosts. */
function fromHostsFile({ pod }: ReachSource, name: string): string[] | undefined {
  if (name === "localhost" || name === (pod.spec?.hostname ?? pod.metadata?.name)) return ["127.0.0.1"];
  const found = (pod.spec?.hostAliases ?? []).filter(({ hostnames }) => hostnames?.includes(name)).map(({ ip }) => ip);
  return found.length > 0 ? found : undefined;
}

/** Adds the DNS query, without which a name leads nowhere. */
function withLookup(asking: Asking, ways: ReachWay[]): ReachWay[] {
  return ways.some(({ isLookup }) => isLookup) ? ways : [...ways, ...lookupWays(asking)];
}

function lookupWays(asking: Asking): ReachWay[] {
  const { facts, source } = asking;
  const { dnsPolicy = "ClusterFirst", dnsConfig } = source.pod.spec ?? {};
  const target: ReachTarget = {
    text: "DNS",
    to: { kind: "service", namespace: "kube-system", name: "kube-dns" },
    ports: { first: 53, last: 53 },
    protocol: "UDP",
  };
  const lookup = { ...asking, target };
  const marked = (ways: ReachWay[]) =>
    ways.map((each): ReachWay => ({ ...each, via: each.via ?? "the cluster's DNS", isLookup: true }));
  if (dnsPolicy === "Default" && !dnsConfig?.nameservers?.length) {
    return marked([unknown(target, "the pod's dnsPolicy is Default, and its node's DNS servers aren't known")]);
  }
  if (dnsPolicy === "None" || dnsPolicy === "Default") {
    const [first] = dnsConfig?.nameservers ?? [];
    return first === undefined ? [] : marked(waysToAddress(lookup, first));
  }
  const service = valueOf(facts.services("kube-system"))?.find(({ metadata }) =>
    metadata!.labels?.["k8s-app"] === "kube-dns" || metadata!.name === "kube-dns"
  );
  if (service) return marked(waysToService(lookup, service));
  // The labels that the pods of the cluster's DNS have in all distributions.
  const labels = { "k8s-app": "kube-dns" };
  return marked([wayTo({ kind: "pod", shown: "the cluster's DNS", ip: "", namespace: "kube-system", labels }, target)]);
}

/** Adds notes, also those about the place itself. */
function withNotes(each: ReachWay, ...more: string[]): ReachWay {
  const { to, ports, protocol } = each;
  const declared = to.declared ?? [];
  const isSilent = more.length === 0 && ports !== undefined && ports.first === ports.last && declared.length > 0 &&
    !declared.some((own) => own.port === ports.first && own.protocol === protocol);
  const notes = [
    ...each.notes ?? [],
    ...more,
    ...(isSilent
      ? [`No container of ${to.shown} declares port ${ports.first}/${protocol}: does it listen there?`]
      : []),
  ];
  return notes.length > 0 ? { ...each, notes } : each;
}

/** Keeps the ways of the families that the source has; if none is left, each is blocked. */
function inFamilies({ ips, shown }: ReachSource, ways: ReachWay[]): ReachWay[] {
  if (ips.length === 0) return ways;
  const has = (ipv6: boolean) => ips.some((ip) => isIpv6(ip) === ipv6);
  const familyOf = ({ to }: ReachWay) => to.ip === "" || to.kind === "self" ? undefined : isIpv6(to.ip);
  const isUsable = (each: ReachWay) => {
    const ipv6 = familyOf(each);
    return ipv6 === undefined || has(ipv6);
  };
  const usable = ways.filter(isUsable);
  if (usable.some(({ isLookup }) => !isLookup)) return usable;
  return ways.map((each) =>
    isUsable(each) ? each : { ...each, blocked: `${shown} has no ${familyOf(each) ? "IPv6" : "IPv4"} address` }
  );
}
