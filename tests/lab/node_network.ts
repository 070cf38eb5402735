import { runCommand } from "./command.ts";

/**
 * Addresses of one lab with a node, all in a /16 that no other lab uses. The host routes this block through the node, so the API
 * server (for webhooks) and tests reach pods and Services.
 */
export interface NodeNetwork {
  /** The block that contains all of the following. */
  block: string;
  /** The host's end of the link to the node, on which servers listen that pods must reach. */
  host: string;
  /** The node's end: its InternalIP. */
  node: string;
  /** Addresses of pods. */
  pods: string;
  /** Cluster addresses of Services. */
  services: string;
  /** Cluster address of `kubernetes.default`, the first of the Services'. */
  kubernetes: string;
  /** Cluster address of `kube-dns`. */
  dns: string;
  /** The same in IPv6, which only the node and its pods have, not the host. */
  ipv6?: Pick<NodeNetwork, "node" | "pods" | "services">;
}

/** Returns both families' values of one key, as Kubernetes programs accept them. */
export const bothFamilies = (network: NodeNetwork, key: "node" | "pods" | "services"): string[] =>
  [network[key], network.ipv6?.[key]].filter((text) => text !== undefined);

/**
 * Held while a lab looks for a free block and takes it, so that two labs that start together don't take the same one.
 */
const LOCK = "/run/keystone-lab.lock";
/** Second bytes of the candidate blocks 10.x.0.0/16, at the end of 10.0.0.0/8, which few others use. */
const BLOCKS = Array.from({ length: 50 }, (_, index) => 250 - index);

/** Returns the addresses in 10.`second`.0.0/16 and, for `dualStack`, those in IPv6. */
function nodeNetwork(second: number, { dualStack }: { dualStack: boolean }): NodeNetwork {
  const prefix = `10.${second}`;
  const local = `fd6b:6c61:62${second.toString(16).padStart(2, "0")}`;
  return {
    block: `${prefix}.0.0/16`,
    host: `${prefix}.255.1`,
    node: `${prefix}.255.2`,
    pods: `${prefix}.0.0/20`,
    services: `${prefix}.96.0/20`,
    kubernetes: `${prefix}.96.1`,
    dns: `${prefix}.96.10`,
    ...(dualStack ? { ipv6: { node: `${local}::2`, pods: `${local}:1::/64`, services: `${local}:2::/112` } } : {}),
  };
}

/**
 * Links the host with the network namespace of a process, by a pair of virtual devices; the host's is `link`, the other
 * is eth0. Takes a block of addresses to which the host has no route yet. The kernel removes the pair and the route
 * with the namespace.
 */
export async function connectNode(
  link: string,
  pid: number,
  options: { dualStack: boolean },
): Promise<NodeNetwork> {
  using lock = Deno.openSync(LOCK, { create: true, write: true });
  await lock.lock(true);
  const network = await freeNetwork(options);
  await ip([], [
    `link add name ${link} type veth peer name eth0 netns ${pid}`,
    `address add ${network.host}/30 dev ${link}`,
    `link set ${link} up`,
  ]);
  await ip(["nsenter", `--target=${pid}`, "--net", "--"], [
    "link set lo up",
    `address add ${network.node}/30 dev eth0`,
    "link set eth0 up",
    `route add default via ${network.host}`,
    ...(network.ipv6 ? [`address add ${network.ipv6.node}/128 dev lo nodad`] : []),
  ]);
  await ip([], [`route add ${network.block} via ${network.node}`]);
  return network;
}

/** Removes the pair and so all routes over it; does nothing if there is none. */
export async function disconnectNode(link: string): Promise<void> {
  const { code, stderr } = await runCommand("ip", ["link", "delete", link]);
  if (code !== 0 && !/Cannot find device/.test(stderr)) throw new Error(`${link} can't be removed: ${stderr.trim()}`);
}

async function freeNetwork(options: { dualStack: boolean }): Promise<NodeNetwork> {
  for (const second of BLOCKS) {
    const network = nodeNetwork(second, options);
    const { code, stdout, stderr } = await runCommand("ip", [
      "-4",
      "route",
      "show",
      "table",
      "all",
      "root",
      network.block,
    ]);
    if (code !== 0) throw new Error(`The host's routes can't be read: ${stderr.trim()}`);
    if (stdout.trim() === "") return network;
  }
  throw new Error(
    `No block of addresses is free for this lab's node: the host has routes into all of 10.${
      BLOCKS.at(-1)
    }.0.0/16 to ` +
      `10.${BLOCKS[0]}.0.0/16. End other labs with \`deno task lab down\`.`,
  );
}

/**
 * Runs commands of `ip` up to the first that fails. `inside` is the command prefix that enters another namespace;
 * `flags` apply to all.
 */
export async function ip(inside: string[], commands: string[], flags: string[] = []): Promise<void> {
  const [command, ...args] = [...inside, "ip", ...flags, "-batch", "-"];
  const { code, stderr } = await runCommand(command!, args, { stdin: `${commands.join("\n")}\n` });
  if (code !== 0) throw new Error(`The node's network can't be created: ${stderr.trim()} (of: ${commands.join("; ")})`);
}
