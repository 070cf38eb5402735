import { readTextFileIfExists } from "./lab_files.ts";
import { controlGroupOf } from "./node.ts";
import { ip } from "./node_network.ts";
import type { PartSpec } from "./part.ts";
import { runCommand } from "./command.ts";

/*
 * The outside network, in a separate network namespace, simulates the rest of the world: the home network of the node,
 * with a router that has everything behind it. It answers on every address and every port, TCP and UDP, IPv4 and IPv6,
 * by agnhost's `netexec`: any packet of a pod that leaves the node arrives, unless the node's rules forbid it. Nothing
 * leaves the machine, and the host is not on the path.
 */

/** The home network: addresses of the router, which is the outside network, and of the node. */
export const HOME_NETWORK = {
  router: { ipv4: "192.168.77.1", ipv6: "fd77:77:77::1" },
  node: { ipv4: "192.168.77.2", ipv6: "fd77:77:77::2" },
} as const;

/** Name of the link, at both of its ends. */
const LINK = "lan";
/** Ports on which netexec serves. All other ports are redirected to them, except those on which tests may listen. */
const PORTS = { tcp: 8080, udp: 8081 } as const;
/** UDP ports of the outside network that tests may use. */
export const FREE_PORTS = { first: 60_000, last: 60_099 } as const;
/** The routing table for arriving packets: it treats every address as local. */
const TABLE = 99;

const START = `echo 0 >"$1/cgroup.procs" && shift && exec "$@"`;

/** The program that answers in the outside network. It keeps the namespace, and so can't be restarted alone. */
export function outside(agnhost: string, dir: string): PartSpec {
  const program = `${dir}/node/outside`; // a path in the lab's folder, which identifies the process
  const enter = ["--net", "--", "/bin/sh", "-c", START, "sh", controlGroupOf(dir)];
  return {
    name: "outside",
    command: "unshare",
    args: [...enter, program, "netexec", `--http-port=${PORTS.tcp}`, `--udp-port=${PORTS.udp}`],
    ready: () => {
      const pid = readTextFileIfExists(`${dir}/run/outside.pid`)?.trim();
      const listens = (table: string, port: number) =>
        readTextFileIfExists(`/proc/${pid}/net/${table}`)?.includes(`:${port.toString(16).toUpperCase()} `) ?? false;
      const both = listens("tcp6", PORTS.tcp) && listens("udp6", PORTS.udp);
      return Promise.resolve(both || `${agnhost} does not listen yet`);
    },
  };
}

/** Copies the program to the path from which {@link outside} starts it. */
export function prepareOutside(agnhost: string, dir: string): void {
  Deno.symlinkSync(agnhost, `${dir}/node/outside`);
}

/**
 * Links the node with the outside network, each given by a process in its namespace. The node's packets to other
 * networks go there.
 */
export async function connectOutside(node: number, outside: number): Promise<void> {
  const { router, node: own } = HOME_NETWORK;
  await run(node, "ip", ["link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", String(outside)]);
  await run(node, "sysctl", [
    "-q",
    "-w",
    "net.ipv6.conf.all.disable_ipv6=0",
    "net.ipv6.conf.all.forwarding=1",
    // Rejected packets get their ICMP errors at once, without a rate limit.
    "net.ipv4.icmp_ratelimit=0",
    "net.ipv6.icmp.ratelimit=0",
  ]);
  await ip(inNamespace(node), [
    `address add ${own.ipv4}/32 dev ${LINK}`,
    `address add ${own.ipv6}/128 dev ${LINK} nodad`,
    `link set ${LINK} up`,
  ]);
  await inBothFamilies(node, ({ router }) => [
    `route add ${router} dev ${LINK}`,
    `route replace default via ${router}`,
  ]);
  await run(outside, "sysctl", ["-q", "-w", "net.ipv6.conf.all.disable_ipv6=0"]);
  await ip(inNamespace(outside), [
    "link set lo up",
    `address add ${router.ipv4}/32 dev ${LINK}`,
    `address add ${router.ipv6}/128 dev ${LINK} nodad`,
    `link set ${LINK} up`,
  ]);
  await inBothFamilies(outside, ({ node }) => [
    `route add ${node} dev ${LINK}`,
    `route add default via ${node}`,
    `rule add iif ${LINK} lookup ${TABLE}`,
    `route add local default dev lo table ${TABLE}`,
  ]);
  for (const iptables of ["iptables", "ip6tables"]) {
    for (const [protocol, port] of Object.entries(PORTS)) {
      const free = `! --dport ${FREE_PORTS.first}:${FREE_PORTS.last}`;
      const rule = `-t nat -A PREROUTING -i ${LINK} -p ${protocol} ${free} -j REDIRECT --to-ports ${port}`;
      await run(outside, iptables, ["-w", ...rule.split(" ")]);
    }
  }
}

/** Adds these addresses to the outside network, so that connections can come from them; existing ones stay. */
export async function addOutsideAddresses(outside: number, addresses: readonly string[]): Promise<void> {
  const commands = addresses.map((ip) => `address replace ${ip}/${ip.includes(":") ? "128" : "32"} dev lo`);
  await ip(inNamespace(outside), commands);
}

const inNamespace = (pid: number): string[] => ["nsenter", `--target=${pid}`, "--net", "--"];

async function inBothFamilies(
  pid: number,
  commands: (ends: { router: string; node: string }) => string[],
): Promise<void> {
  const { router, node } = HOME_NETWORK;
  await ip(inNamespace(pid), commands({ router: router.ipv4, node: node.ipv4 }), ["-4"]);
  await ip(inNamespace(pid), commands({ router: router.ipv6, node: node.ipv6 }), ["-6"]);
}

async function run(pid: number, command: string, args: string[]): Promise<void> {
  const path = `${Deno.env.get("PATH")}:/usr/sbin:/sbin`;
  const [enter, ...rest] = [...inNamespace(pid), command, ...args];
  const { code, stderr } = await runCommand(enter!, rest, { env: { PATH: path } });
  if (code !== 0) {
    throw new Error(`The outside network can't be created: ${stderr.trim()} (of: ${command} ${args.join(" ")})`);
  }
}
