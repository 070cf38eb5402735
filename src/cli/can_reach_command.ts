import type { Command } from "commander";
import { isApiError, type RestClient } from "../../lib/kubernetes/mod.ts";
import { CoreV1Api, type Pod } from "../../lib/kubernetes_apis/core@v1.ts";
import { NetworkingV1Api } from "../../lib/kubernetes_apis/networking.k8s.io@v1.ts";
import { KeystoneV1alpha1Api } from "../api/client/keystone.io@v1alpha1.ts";
import { cidr, parseAddress, parseRange } from "../core/address.ts";
import { parseDestination, type Protocol } from "../core/network/destination.ts";
import { positionOf, specialRangesOf } from "../core/network/special_ranges.ts";
import {
  exceptionsOf,
  type FlowEnd,
  type Passage,
  type PlacedPolicy,
  type Reach,
  type ReachFlow,
  reachOf,
} from "../core/reach/reach.ts";
import { no, usageError } from "./exit.ts";
import { guestNamespaceOf } from "./guest_namespace.ts";
import { isForbidden } from "./grant_summary.ts";
import { Observed } from "./observed.ts";
import { type CommandAction, type Session, verb } from "./session.ts";

export const canReachCommand = (run: CommandAction): Command =>
  verb("can-reach", "Check whether a pod can reach a destination, and which network policies decide.", [
    "keystone can-reach web-0 203.0.113.7:443 -n guest-bob-home",
    "keystone can-reach web-0 pod/kube-system/coredns-abc:53/udp --realm bob-home",
    "keystone can-reach web-0 bob-home -n guest-bob-home",
    "keystone can-reach web-0 registry.example.com:443/tcp -n guest-bob-home -o json",
  ])
    .argument("<pod>", "pod that connects")
    .argument("<destination>", "IP address, pod/[NAMESPACE/]NAME, realm or DNS name, with :PORT and /PROTOCOL")
    .option("-n, --namespace <name>", "namespace of the pod (default: the kubeconfig's)")
    .option("--realm <name>", "realm of the guest namespace")
    .action(run(async (session, options, pod, destination) => {
      using rest = await session.connect();
      const namespace = guestNamespaceOf(options, rest);
      const from = await podEnd(rest, namespace, String(pod));
      const target = await destinationOf(rest, namespace, String(destination));
      const { ends, port, protocol } = target;
      const places = new Set([namespace, ...ends.flatMap((end) => end.namespace ?? [])]);
      const policies = (await Promise.all([...places].map((each) => policiesIn(rest, each, each !== namespace))))
        .flat();
      const flows = ends.map((to): ReachFlow => ({ from, to, protocol, ...(port === undefined ? {} : { port }) }));
      const results = flows.map((flow) => ({ flow, reach: reachOf(policies, flow) }));
      // A client may use any of a name's addresses.
      const denied = results.find(({ reach }) => !reach.allowed);
      const shown = denied ?? results[0]!;
      const answer = {
        allowed: denied === undefined,
        by: decidingOf(shown.reach).map(({ namespace, name }) => `${namespace}/${name}`),
        message: sentence(String(pod), String(destination), shown.flow, shown.reach) +
          (denied && !denied.reach.egress.allowed ? ` ${await remedy(session, rest, target, denied)}` : ""),
      };
      if (!session.data(answer)) {
        session.say(`${answer.allowed ? session.colours.green("yes") : session.colours.red("no")}  ${answer.message}`);
      }
      if (!answer.allowed) throw no();
    }));

/** Returns the policies that decide the result. */
function decidingOf({ egress, ingress }: Reach): PlacedPolicy[] {
  const denying = [egress, ingress].find(({ allowed }) => !allowed);
  return denying ? denying.selecting : [...egress.by, ...ingress.by];
}

function sentence(pod: string, destination: string, { to }: ReachFlow, { egress, ingress, allowed }: Reach): string {
  const target = destination.startsWith(to.ip) || to.ip === "" ? destination : `${destination} (${to.ip})`;
  const names = (all: readonly PlacedPolicy[]) => all.map(({ name }) => name).join(", ");
  const how = ({ by }: Passage, way: string) =>
    by.length > 0 ? `${way} is allowed by ${names(by)}` : `no policy restricts ${way}`;
  if (allowed) {
    return `${pod} can reach ${target}: ${how(egress, "egress")}` +
      `${to.namespace === undefined ? "" : `, and ${how(ingress, "ingress")}`}.`;
  }
  const [way, passage] = egress.allowed ? ["ingress", ingress] as const : ["egress", egress] as const;
  return `${pod} can't reach ${target}: ${way} is not allowed by ${names(passage.selecting)}.` +
    (way === "egress" ? "" : " A policy in the target's namespace must allow it.");
}

/** Names the exception that closes the address, and the term of a grant that would open it, if there is one. */
async function remedy(
  session: Session,
  rest: RestClient,
  { kind }: Target,
  { flow, reach }: { flow: ReachFlow; reach: Reach },
): Promise<string> {
  const [exception] = exceptionsOf(reach, flow);
  const hole = exception
    ? `${exception.policy.name} allows ${exception.cidr} except ${exception.except}, which contains ${flow.to.ip}. `
    : "";
  const name = "Add the destination to spec.networkPolicy.allowedDestinations of a grant, with egressAllowed: true.";
  const range = parseRange(flow.to.ip);
  if (!range || kind === "pod" || kind === "realm") return hole + name;
  const settings = await session.settings();
  const { ranges } = await new Observed(rest).cluster(settings);
  const { inside } = positionOf(range, specialRangesOf(ranges, settings.clusterRanges));
  const by = inside.find(({ tier }) => tier === "protected");
  if (by) {
    return `${hole}${flow.to.ip} lies in ${
      cidr(by.range)
    }, which no grant opens, except one to an internal realm that ` +
      "lists exactly this address in spec.networkPolicy.allowedDestinations.";
  }
  const narrowest = inside.at(-1);
  if (!narrowest) return hole + name;
  return `${hole}${flow.to.ip} lies in ${
    cidr(narrowest.range)
  }, which is private: internet, 0.0.0.0/0 and ::/0 never ` +
    "include it. Add the address, or a range with it, to spec.networkPolicy.allowedDestinations of a grant, with " +
    "egressAllowed: true" + (kind === "dns" ? "; or add its range to spec.networkPolicy.within of the grant." : ".");
}

async function podEnd(rest: RestClient, namespace: string, name: string): Promise<FlowEnd> {
  const plain = name.replace(/^pod\//, "");
  const pod = await new CoreV1Api(rest).namespace(namespace).pods.get(plain);
  return endOf(pod, await labelsOf(rest, namespace));
}

const endOf = ({ metadata, spec, status }: Pod, namespaceLabels: Record<string, string>): FlowEnd => ({
  // A pod that is not scheduled yet has no address, so no rule by address matches it.
  ip: status?.podIP ?? "",
  namespace: metadata!.namespace!,
  namespaceLabels,
  labels: metadata!.labels ?? {},
  namedPorts: (spec?.containers ?? []).flatMap(({ ports }) =>
    (ports ?? []).flatMap(({ name, containerPort, protocol = "TCP" }) =>
      name === undefined ? [] : [{ name, port: containerPort, protocol }]
    )
  ),
});

async function labelsOf(rest: RestClient, name: string): Promise<Record<string, string>> {
  try {
    return (await new CoreV1Api(rest).namespaces.get(name)).metadata.labels ?? {};
  } catch (error) {
    if (isForbidden(error)) return {};
    throw error;
  }
}

async function policiesIn(rest: RestClient, namespace: string, others: boolean): Promise<PlacedPolicy[]> {
  try {
    return (await new NetworkingV1Api(rest).namespace(namespace).networkPolicies.all()).map(({ metadata, spec }) => ({
      namespace,
      name: metadata!.name!,
      spec: spec!,
    }));
  } catch (error) {
    if (others && isForbidden(error)) {
      throw no(
        `The network policies of ${namespace} decide too, but you may not read them: ${(error as Error).message}`,
      );
    }
    throw error;
  }
}

interface Target {
  kind: "pod" | "address" | "realm" | "dns";
  ends: FlowEnd[];
  port?: number;
  protocol: Protocol;
}

async function destinationOf(rest: RestClient, namespace: string, text: string): Promise<Target> {
  const inCluster = /^pod\/(?:([^/:]+)\/)?([^/:]+)(?::(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (inCluster) {
    const [, place = namespace, name, port, protocol = "tcp"] = inCluster;
    return {
      kind: "pod",
      ends: [await podEnd(rest, place, name!)],
      ...(port === undefined ? {} : { port: Number(port) }),
      protocol: protocol.toUpperCase() as Protocol,
    };
  }
  const destination = parseDestination(text);
  if ("error" in destination) throw usageError(destination.error);
  const { to, port, protocol = "TCP" } = destination;
  const common = { ...(port === undefined ? {} : { port }), protocol };
  if ("internet" in to) throw usageError(`${text} means all public addresses. Use one address.`);
  if ("range" in to) {
    const bits = to.range.address.kind() === "ipv4" ? 32 : 128;
    if (to.range.prefix !== bits) throw usageError(`${text} is a range. Use one address.`);
    return { kind: "address", ends: [{ ip: to.range.address.toString() }], ...common };
  }
  const ends = (addresses: readonly string[]): FlowEnd[] => addresses.map((ip) => ({ ip }));
  if ("realm" in to) return { kind: "realm", ends: ends(await addressesOfRealm(rest, to.realm)), ...common };
  return { kind: "dns", ends: ends(await addressesOfName(to.dns)), ...common };
}

async function addressesOfRealm(rest: RestClient, name: string): Promise<string[]> {
  const realm = await new KeystoneV1alpha1Api(rest).realms.get(name).catch((error) => {
    if (isApiError(error, 404)) throw no(`Realm ${name} does not exist.`);
    throw error;
  });
  const addresses = realm.status?.node?.addresses ?? [];
  if (addresses.length === 0) throw no(`Realm ${name} has no known tailnet address.`);
  return addresses;
}

async function addressesOfName(name: string): Promise<string[]> {
  const asked = await Promise.allSettled([Deno.resolveDns(name, "A"), Deno.resolveDns(name, "AAAA")]);
  const addresses = asked.flatMap((each) => each.status === "fulfilled" ? each.value : [])
    .filter((address) => parseAddress(address) !== undefined);
  if (addresses.length === 0) throw no(`${name} does not resolve to an address here.`);
  return addresses;
}
