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
  verb("can-reach", "Whether a pod can reach a destination, and which network policy says so.", [
    "keystone can-reach web-0 203.0.113.7:443 -n guest-bob-home",
    "keystone can-reach web-0 pod/kube-system/coredns-abc:53/udp --realm bob-home",
    "keystone can-reach web-0 bob-home -n guest-bob-home",
    "keystone can-reach web-0 registry.example.com:443/tcp -n guest-bob-home -o json",
  ])
    .argument("<pod>", "the pod that connects")
    .argument("<destination>", "IP address, pod/[NAMESPACE/]NAME, realm or DNS name, with :PORT and /PROTOCOL")
    .option("-n, --namespace <name>", "namespace of the pod (default: the kubeconfig's)")
    .option("--realm <name>", "realm whose guest namespace is meant")
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
      // Of a name that stands for several addresses, any may be used.
      const denied = results.find(({ reach }) => !reach.allowed);
      const told = denied ?? results[0]!;
      const answer = {
        allowed: denied === undefined,
        by: decidingOf(told.reach).map(({ namespace, name }) => `${namespace}/${name}`),
        message: sentence(String(pod), String(destination), told.flow, told.reach) +
          (denied && !denied.reach.egress.allowed ? ` ${await remedy(session, rest, target, denied)}` : ""),
      };
      if (!session.data(answer)) {
        session.say(`${answer.allowed ? session.colours.green("yes") : session.colours.red("no")}  ${answer.message}`);
      }
      if (!answer.allowed) throw no();
    }));

/** Those that the verdict rests on. */
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
  return `${pod} can't reach ${target}: none of ${names(passage.selecting)} allows this ${way}.` +
    (way === "egress" ? "" : " The policies of the target's namespace have to let it in.");
}

/** Which exception closes it, and what a grant has to say for it to be open, if any grant can. */
async function remedy(
  session: Session,
  rest: RestClient,
  { kind }: Target,
  { flow, reach }: { flow: ReachFlow; reach: Reach },
): Promise<string> {
  const [exception] = exceptionsOf(reach, flow);
  const hole = exception
    ? `${exception.policy.name} opens ${exception.cidr} without ${exception.except}, in which ${flow.to.ip} lies. `
    : "";
  const name = "Name the destination in a grant's spec.networkPolicy.allowedDestinations, with egressAllowed: true.";
  const range = parseRange(flow.to.ip);
  if (!range || kind === "pod" || kind === "realm") return hole + name;
  const settings = await session.settings();
  const { ranges } = await new Observed(rest).cluster(settings);
  const { inside } = positionOf(range, specialRangesOf(ranges, settings.clusterRanges));
  const by = inside.find(({ tier }) => tier === "protected");
  if (by) {
    return `${hole}${flow.to.ip} lies in ${
      cidr(by.range)
    }, which no grant opens, unless one to an internal realm names ` +
      "it exactly in spec.networkPolicy.allowedDestinations.";
  }
  const narrowest = inside.at(-1);
  if (!narrowest) return hole + name;
  return `${hole}${flow.to.ip} lies in ${
    cidr(narrowest.range)
  }, which is private: internet, 0.0.0.0/0 and ::/0 never ` +
    "include it. Name the address, or a range of it, in a grant's spec.networkPolicy.allowedDestinations, with " +
    "egressAllowed: true" + (kind === "dns" ? "; or name its range in spec.networkPolicy.within of the grant." : ".");
}

async function podEnd(rest: RestClient, namespace: string, name: string): Promise<FlowEnd> {
  const plain = name.replace(/^pod\//, "");
  const pod = await new CoreV1Api(rest).namespace(namespace).pods.get(plain);
  return endOf(pod, await labelsOf(rest, namespace));
}

const endOf = ({ metadata, spec, status }: Pod, namespaceLabels: Record<string, string>): FlowEnd => ({
  // A pod that waits for a node has no address; rules by address don't see it yet.
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
      throw no(`The policies of ${namespace} decide too, and you may not read them: ${(error as Error).message}`);
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
  if ("internet" in to) throw usageError(`${text} is all public addresses; write one of them.`);
  if ("range" in to) {
    const bits = to.range.address.kind() === "ipv4" ? 32 : 128;
    if (to.range.prefix !== bits) throw usageError(`${text} is a range; write one address of it.`);
    return { kind: "address", ends: [{ ip: to.range.address.toString() }], ...common };
  }
  const ends = (addresses: readonly string[]): FlowEnd[] => addresses.map((ip) => ({ ip }));
  if ("realm" in to) return { kind: "realm", ends: ends(await addressesOfRealm(rest, to.realm)), ...common };
  return { kind: "dns", ends: ends(await addressesOfName(to.dns)), ...common };
}

async function addressesOfRealm(rest: RestClient, name: string): Promise<string[]> {
  const realm = await new KeystoneV1alpha1Api(rest).realms.get(name).catch((error) => {
    if (isApiError(error, 404)) throw no(`There is no Realm ${name}.`);
    throw error;
  });
  const addresses = realm.status?.node?.addresses ?? [];
  if (addresses.length === 0) throw no(`Realm ${name} has no address on the tailnet that is known.`);
  return addresses;
}

async function addressesOfName(name: string): Promise<string[]> {
  const asked = await Promise.allSettled([Deno.resolveDns(name, "A"), Deno.resolveDns(name, "AAAA")]);
  const addresses = asked.flatMap((each) => each.status === "fulfilled" ? each.value : [])
    .filter((address) => parseAddress(address) !== undefined);
  if (addresses.length === 0) throw no(`${name} stands for no address here.`);
  return addresses;
}
