/** The traffic matrix: flows from guests and to guests. */
import { type AddressFamily, addressText, block, edges } from "../fixtures/test_addresses.ts";
import { contractNamespace, NAMES, REALMS, type RealmTerms, STRANGER } from "./packet_contracts.ts";
import { type PacketFlow, type Place, read } from "./oracle.ts";
import type { LivePod, PacketScene } from "./packet_scene.ts";

/** A flow with its real source and addresses. */
export interface MatrixFlow extends PacketFlow {
  /** Description for the report. */
  name: string;
  /** Id of a process in the source's network namespace. */
  pid: number;
  /** Address that the packets are sent to, if it is translated to {@link PacketFlow.to}. */
  via?: string;
  viaPort?: number;
  /** Source address, if it has to be chosen. */
  source?: string;
}

export const familyOf = (ip: string): AddressFamily => ip.includes(":") ? 6 : 4;

/** Returns a pod's address of a family. */
export const ipOf = ({ ips }: Pick<LivePod, "ips">, family: AddressFamily): string =>
  ips.find((ip) => familyOf(ip) === family)!;

const FAMILIES = [4, 6] as const;
const PROTOCOLS = ["TCP", "UDP"] as const;
const SERVED = { TCP: 8080, UDP: 8081 } as const;

/** Addresses that wide grants must not open. */
const SPECIAL: Record<string, readonly string[]> = {
  "metadata": [
    ..."169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192".split(" "),
    ..."fd00:ec2::254 fd20:ce::254".split(" "),
    // by NAT64, and by 6to4
    ..."64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1".split(" "),
  ],
  "the tailnet's resolver": ["100.100.100.100", "fd7a:115c:a1e0::53"],
  "the home network": [
    ..."192.168.77.1 192.168.77.10 192.168.77.11 10.0.0.5 172.16.5.9".split(" "),
    ..."fd77:77:77::1 fd77:77:77::10 fd77:77:77::11 64:ff9b::c0a8:4d0a".split(" "),
  ],
  "a node of the tailnet": STRANGER,
  "the internet": [
    ..."192.0.2.1 198.51.100.200 203.0.113.99 203.0.113.200".split(" "),
    ..."2001:db8:ffff::1 64:ff9b::c000:201".split(" "),
  ],
};

/** Addresses left out of the matrix: this host, loopback, link-local without an interface, multicast, reserved. */
const UNSENT = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/16", "fe80::/10", "ff00::/8"].map(block);

/** Ranges at whose edges wide grants end. */
const STOPS = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7"];

/** Returns all flows; their targets have to exist. */
export function matrix(scene: PacketScene): MatrixFlow[] {
  return REALMS.flatMap((realm, index) => [
    ...outOf(scene, realm, REALMS[(index + 1) % REALMS.length]!),
    ...into(scene, realm, REALMS[(index + 1) % REALMS.length]!),
  ]);
}

function outOf(scene: PacketScene, realm: RealmTerms, next: RealmTerms): MatrixFlow[] {
  const one = podOf(scene, realm);
  const flows: MatrixFlow[] = [];
  const add = (name: string, to: Place, ports: readonly number[], protocols: readonly ("TCP" | "UDP")[], via = {}) => {
    const from = { ip: ipOf(one, familyOf(to.ip)), guestOf: realm.name };
    for (const port of ports) {
      for (const protocol of protocols) {
        flows.push({ name: `${realm.name} → ${name}`, pid: one.pid, from, to, port, protocol, ...via });
      }
    }
  };
  const granted = entriesOf(realm).map(({ ports }) => ports?.first).find((port) => port !== undefined) ?? 443;
  for (const family of FAMILIES) {
    const pods: [string, LivePod | undefined, Partial<Place>][] = [
      ["a fellow", scene.pods.get(`${contractNamespace(realm)}/two`), { guestOf: realm.name }],
      [`a guest of ${next.name}`, podOf(scene, next), { guestOf: next.name }],
      ["a pod of kube-system", scene.pods.get("kube-system/metrics-server"), {}],
      ["a pod elsewhere", scene.pods.get("elsewhere/target"), {}],
    ];
    for (const [name, pod, place] of pods) {
      if (!pod) continue;
      for (const protocol of PROTOCOLS) {
        add(name, { ip: ipOf(pod, family), ...place }, [SERVED[protocol]], [protocol]);
      }
    }
    const dns = [...scene.pods.values()].find(({ name }) => name.startsWith("coredns-"))!;
    add("DNS", { ip: ipOf(dns, family), isDns: true }, [53, 54], PROTOCOLS);
    for (const address of nodeAddresses(scene, family)) {
      add("the node", { ip: address }, [SERVED.TCP], ["TCP"]);
      add("the node", { ip: address }, [SERVED.UDP], ["UDP"]);
    }
    for (const [name, all] of Object.entries(SPECIAL)) {
      for (const ip of all.filter((ip) => familyOf(ip) === family)) {
        add(name, { ip }, [...new Set([80, 443, granted])], PROTOCOLS);
      }
    }
    for (const { name, addresses } of [realm, next]) {
      for (const ip of addresses.filter((ip) => familyOf(ip) === family)) {
        add(`the node of ${name}`, { ip }, [1, 443, 8443], PROTOCOLS);
      }
    }
  }
  add("the kubelet", { ip: nodeAddresses(scene, 4)[0]! }, [10250], ["TCP"]);
  for (const service of scene.services) {
    add(`the Service ${service.name}`, service.to, [service.port], [service.protocol], {
      via: service.ip,
      viaPort: service.servicePort,
    });
  }
  for (const { hosts, ports } of entriesOf(realm)) {
    for (const ip of hosts.flatMap(edgesOf)) {
      const { protocol = "TCP", first = 4000, last = 4000 } = ports ?? {};
      if (protocol === "SCTP") {
        add("a destination", { ip }, [first], PROTOCOLS);
        continue;
      }
      const near = ports ? [first - 1, first, last, last + 1] : [first];
      add("a destination", { ip }, [...new Set(near)].filter((port) => port > 0 && port < 65_536), [
        protocol as "TCP" | "UDP",
      ]);
      add("a destination", { ip }, [first], [protocol === "TCP" ? "UDP" : "TCP"]);
    }
  }
  return unique(flows);
}

function into(scene: PacketScene, realm: RealmTerms, next: RealmTerms): MatrixFlow[] {
  const target = podOf(scene, realm);
  const flows: MatrixFlow[] = [];
  const add = (name: string, pid: number, from: Place, source?: string) => {
    for (const protocol of PROTOCOLS) {
      flows.push({
        name: `${name} → ${realm.name}`,
        pid,
        from,
        to: { ip: ipOf(target, familyOf(from.ip)), guestOf: realm.name },
        port: SERVED[protocol],
        protocol,
        ...(source ? { source } : {}),
      });
    }
  };
  for (const family of FAMILIES) {
    for (const key of ["kube-system/metrics-server", "elsewhere/target"]) {
      const pod = scene.pods.get(key)!;
      add(key, pod.pid, { ip: ipOf(pod, family) });
    }
    const fellow = scene.pods.get(`${contractNamespace(realm)}/two`);
    if (fellow) add("a fellow", fellow.pid, { ip: ipOf(fellow, family), guestOf: realm.name });
  }
  for (const service of scene.services.filter(({ to }) => to.guestOf === realm.name)) {
    const family = familyOf(service.ip);
    const source = OUTSIDERS.find((ip) => familyOf(ip) === family)!;
    if (!scene.nodeAddresses.includes(service.ip)) continue; // cluster addresses have no route from outside
    flows.push({
      name: `${source} by the Service ${service.name} → ${realm.name}`,
      pid: scene.outside,
      from: { ip: source },
      source,
      to: service.to,
      port: service.port,
      protocol: service.protocol,
      via: service.ip,
      viaPort: service.servicePort,
    });
  }
  const fromOutside = [...realm.addresses, ...next.addresses, ...OUTSIDERS];
  for (const ip of new Set(fromOutside)) add(ip, scene.outside, { ip }, ip);
  return flows;
}

/** Source addresses outside, besides the realms' nodes. */
export const OUTSIDERS: readonly string[] = [
  ...STRANGER,
  ..."192.0.2.1 192.168.77.10 169.254.169.254 2001:db8:ffff::1 fd77:77:77::10".split(" "),
];

const podOf = (scene: PacketScene, realm: RealmTerms): LivePod => scene.pods.get(`${contractNamespace(realm)}/one`)!;

const nodeAddresses = ({ nodeAddresses }: PacketScene, family: AddressFamily): string[] =>
  nodeAddresses.filter((ip) => familyOf(ip) === family);

interface Entry {
  hosts: string[];
  ports?: ReturnType<typeof read>["ports"];
}

/** Returns all destinations and exceptions of the grants to a realm, in force or not. */
const entriesOf = ({ grants }: RealmTerms): Entry[] =>
  grants.flatMap(({ destinations = [], except = [] }) => [
    ...destinations.map((text) => {
      const { host, ports } = read(text);
      return { hosts: hostsOf(host), ...(ports ? { ports } : {}) };
    }),
    ...except.map((text) => ({ hosts: [text] })),
  ]);

/** Returns the ranges of an entry, and the stops within. */
function hostsOf(host: string): string[] {
  const realm = REALMS.find(({ name }) => name === host);
  if (realm) return [...realm.addresses];
  if (host in NAMES) return [...NAMES[host]!];
  if (host === "internet") return STOPS;
  if (!/^[\d.]+(\/\d+)?$/.test(host) && !host.includes(":")) return [];
  const wide = block(host);
  return [
    host,
    ...STOPS.filter((stop) =>
      block(stop).family === wide.family && block(stop).first >= wide.first && block(stop).last <= wide.last
    ),
  ];
}

const edgesOf = (text: string): string[] =>
  edges(block(text)).filter((at) =>
    !UNSENT.some((each) => each.family === at.family && each.first <= at.value && at.value <= each.last)
  )
    .map(addressText);

function unique(flows: MatrixFlow[]): MatrixFlow[] {
  const keyOf = ({ to, via, viaPort, port, protocol }: MatrixFlow) => `${via ?? to.ip} ${viaPort ?? port} ${protocol}`;
  return [...new Map(flows.map((flow) => [keyOf(flow), flow])).values()];
}
