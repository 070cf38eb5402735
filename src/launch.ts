/**
 * Entry point of `deno task run`. Starts the operator and, if there is a webhook, the front that serves it; with
 * `front` as first argument only the front, with `uninstall` the uninstaller. Each process gets only the permissions
 * that its settings need. The kubeconfig names the API server, files and credential plugins, so it is read here
 * first.
 */
import { clusterConfig } from "./cluster_config.ts";
import type { Settings } from "./api/mod.ts";
import { type Config, environment, readConfig, readSettings } from "./config.ts";
import { parseRange } from "./core/address.ts";
import { RangeIndex } from "./core/network/range_index.ts";
import { hostPort, readServers } from "./dns/create_names.ts";
import { handoverFile, readHandover } from "./front/handover.ts";
import { listenHosts } from "./server/listen.ts";
import { isLoopback } from "./server/is_loopback.ts";

/** Returns Deno's permission flags for an operator with this configuration. */
export async function permissions(config: Config): Promise<string[]> {
  const reads = new Set<string>();
  const runs = new Set<string>();
  const variables = new Set<string>(environment);
  const cluster = await clusterConfig(config, {
    env: (name) => {
      variables.add(name);
      return Deno.env.get(name);
    },
    readTextFile: (path) => {
      reads.add(path);
      return Deno.readTextFile(path);
    },
    // Only recorded: the operator runs the plugin.
    runCommand: (command) => {
      runs.add(command);
      return Promise.resolve({ code: 1, stdout: "", stderr: "" });
    },
  });
  // Token files and plugins become known on first use. The operator reports errors.
  await cluster.credentials.current().catch(() => {});
  const hosts = [cluster.server, ...(cluster.proxyUrl ? [cluster.proxyUrl] : [])].map(hostOf);
  hosts.push(...(await readServers()).map(hostPort));
  reads.add("/etc/resolv.conf");
  const { socket, listen, handover } = config;
  if (listen) hosts.push(...listenHosts(listen));
  if (config.config) reads.add(config.config);
  if (socket) {
    hosts.push(`unix:${socket}`, "local-tailscaled.sock:80");
    reads.add(socket);
  }
  const writes = [...(socket ? [socket] : []), ...(handover ? [handover] : [])];
  if (handover) reads.add(handover);
  return [
    `--allow-net=${hosts.join(",")}`,
    `--allow-read=${[...reads].join(",")}`,
    ...(writes.length > 0 ? [`--allow-write=${writes.join(",")}`] : []),
    ...(runs.size > 0 ? [`--allow-run=${[...runs].join(",")}`] : []),
    `--allow-env=${[...variables].join(",")}`,
    // node:https reads Deno's own authorities for a server with another name.
    // Deno has no name for the access to this machine's certificate authorities, which node:https reads.
    cluster.tlsServerName !== undefined && cluster.caCerts === undefined ? "--allow-sys" : "--allow-sys=hostname",
  ];
}

/**
 * Limits garbage. V8 would let its nursery grow to 3 × 16 MB and more; a small one leaves 108 MB resident after 12,000
 * writes in place of 163, in no more time. Long texts, such as answers of the API server, never enter the nursery, and
 * with a heap of 30 MB V8 would keep more than 80 MB of them. With 100 the heap at most doubles before it is collected.
 * With 30 memory stays lower still, but enforcing 10,000 grants takes a tenth longer.
 */
const littleGarbage = "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=100";

function hostOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === "http:" ? 80 : protocol === "socks5:" ? 1080 : 443)}`;
}

/**
 * Heap limit of the front, which strangers can load. The limits in bounded_server.ts and one parsed review use only a
 * part of it.
 */
const frontHeap = "--v8-flags=--max-semi-space-size=4,--max-old-space-size=128";

/**
 * Returns Deno's permission flags for the front: it reads one folder, connects to the API server and answers
 * requests.
 */
export function frontPermissions(
  config: Config,
  { folder, server, proxyUrl, tailnetHosts = [] }: {
    folder: string;
    server: string;
    proxyUrl?: string | undefined;
    /** Addresses and IPv4 ranges that a node of the tailnet may have. */
    tailnetHosts?: readonly string[];
  },
): string[] {
  const { webhook, frontListen, tailnetListen, socket } = config;
  const hosts = [server, ...(proxyUrl ? [proxyUrl] : [])].map(hostOf);
  if (webhook) hosts.push(...listenHosts(webhook));
  if (frontListen) hosts.push(...listenHosts(frontListen));
  const reads = [folder, ...(config.config ? [config.config] : [])];
  const isOnTailnet = tailnetListen !== undefined && socket !== undefined;
  if (isOnTailnet) {
    const { at, port } = tailnetListen;
    hosts.push(`unix:${socket}`, "local-tailscaled.sock:80");
    hosts.push(...(at === "loopback" ? ["127.0.0.1"] : tailnetHosts).map((host) => `${host}:${port}`));
    reads.push(socket);
  }
  return [
    `--allow-net=${hosts.join(",")}`,
    `--allow-read=${reads.join(",")}`,
    // A connection to a unix socket needs both.
    ...(isOnTailnet ? [`--allow-write=${socket}`] : []),
    `--allow-env=${environment.join(",")}`,
  ];
}

/**
 * Returns what this node's tailnet addresses may be: the IPv4 ranges of tailnets, and the IPv6 addresses that the node has
 * now, because Deno's permissions know no IPv6 ranges.
 */
function tailnetHosts({ clusterRanges: { tailnet } }: Settings): string[] {
  const ranges = new RangeIndex(tailnet.flatMap((text) => parseRange(text) ?? []));
  const own = Deno.networkInterfaces().filter(({ address }) => address.includes(":") && ranges.has(address));
  return [...tailnet.filter((range) => !range.includes(":")), ...own.map(({ address }) => `[${address}]`)];
}

const path = (relative: string) => new URL(relative, import.meta.url).pathname;

const runArgs = (flags: readonly string[], program: string, args: readonly string[]) => [
  "run",
  "--quiet",
  "--no-prompt",
  "--frozen",
  `--config=${path("../deno.json")}`,
  ...flags,
  path(program),
  ...args,
];

const denoRun = (
  flags: readonly string[],
  program: string,
  args: readonly string[],
  options: Deno.CommandOptions,
) => new Deno.Command(Deno.execPath(), { ...options, args: runArgs(flags, program, args) });

const configOf = (args: readonly string[], { env }: Deno.CommandOptions): Config =>
  readConfig(args, (name) => env?.[name] ?? Deno.env.get(name), Deno.stderr.isTerminal());

/** Returns the pod's address if the manifest (of an earlier version) doesn't set it. */
function podAddress(): string | undefined {
  if (!Deno.env.get("KUBERNETES_SERVICE_HOST") || Deno.env.get("POD_IP")) return undefined;
  try {
    const own = Deno.networkInterfaces().filter(({ address }) =>
      !isLoopback(address) && !address.startsWith("fe80:") && !address.startsWith("169.254.")
    );
    return (own.find(({ name }) => name === "eth0") ?? own.find(({ family }) => family === "IPv4") ?? own[0])?.address;
  } catch {
    return undefined;
  }
}

/** Returns the operator's command; with `uninstall` as first argument, the uninstaller's. */
export async function operatorCommand(
  given: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<Deno.Command> {
  const uninstall = given[0] === "uninstall";
  const args = uninstall ? given.slice(1) : given;
  const config = configOf(args, options);
  const flags = config.help ? [`--allow-env=${environment.join(",")}`] : await permissions(config);
  return denoRun([littleGarbage, ...flags], uninstall ? "uninstall_main.ts" : "main.ts", args, options);
}

const lookMs = 100;

/** Returns the front's command once the operator has written the API server's address into the folder. */
export async function frontCommand(
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<Deno.Command> {
  const config = configOf(args, options);
  const folder = config.handover;
  if (folder === undefined) {
    throw new Error(
      "KEYSTONE_HANDOVER is not set. Set it to the folder that the operator writes its handover to.",
    );
  }
  let handover = await readHandover(folder);
  if (!handover) console.error(`Waiting for the operator to write ${handoverFile(folder)}.`);
  while (!handover) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    handover = await readHandover(folder);
  }
  const { server, proxyUrl } = handover.api;
  const isOnTailnet = config.tailnetListen?.at === "tailnet";
  const flags = frontPermissions(config, {
    folder,
    server,
    proxyUrl,
    ...(isOnTailnet ? { tailnetHosts: tailnetHosts(await readSettings(config)) } : {}),
  });
  const front = [[frontHeap, ...flags], "front/main.ts", args] as const;
  // On loopback the front tells connections apart by their users, which the kernel's table has.
  return config.tailnetListen?.at === "loopback" && Deno.build.os === "linux"
    ? denoRun(["--allow-all"], "front/socket_table_main.ts", runArgs(...front), options)
    : denoRun(...front, options);
}

/** Delay before a front that ended by itself is started again. */
const frontPauseMs = 2000;

/** Keeps a front running beside the operator until the signal aborts. Only the webhook depends on it. */
async function keepFront(args: readonly string[], options: Deno.CommandOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const front = (await frontCommand(args, options)).spawn();
      const stop = () => end(front);
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      const { code } = await front.status;
      signal.removeEventListener("abort", stop);
      if (!signal.aborted) console.error(`The admission webhook's process ended with code ${code}; restarting it.`);
    } catch (error) {
      console.error(
        `The admission webhook's process can't be started: ${error instanceof Error ? error.message : error}`,
      );
    }
    if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, frontPauseMs));
  }
}

function end(child: Deno.ChildProcess): void {
  // It has exited already; its exit status is handled above.
  try {
    child.kill("SIGTERM");
  } catch { /* nothing to stop */ }
}

/** Runs a command until it ends, and forwards signals to it. */
async function run(command: Deno.Command): Promise<number> {
  const child = command.spawn();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => end(child));
  return (await child.status).code;
}

/** Runs the operator and a front, with a shared folder. */
async function runBoth(args: readonly string[], cwd: string): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "keystone-" });
  const stop = new AbortController();
  try {
    const options = { cwd, env: { KEYSTONE_HANDOVER: folder } };
    const operator = await operatorCommand(args, options);
    const front = keepFront(args, options, stop.signal);
    const code = await run(operator);
    stop.abort();
    await Promise.race([front, new Promise((resolve) => setTimeout(resolve, 5000))]);
    return code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  // A task runs in the project's folder, but relative paths are relative to the user's folder.
  const cwd = Deno.env.get("INIT_CWD") ?? Deno.cwd();
  Deno.chdir(cwd);
  const [first, ...others] = Deno.args;
  const address = podAddress();
  if (address !== undefined) Deno.env.set("POD_IP", address);
  try {
    if (first === "front") {
      // While waiting for the operator, a signal ends this process.
      Deno.exit(await run(await frontCommand(others, { cwd })));
    }
    const { webhook, handover, help } = configOf(first === "uninstall" ? others : Deno.args, {});
    const isAlone = first === "uninstall" || !webhook || handover !== undefined || help;
    Deno.exit(isAlone ? await run(await operatorCommand(Deno.args, { cwd })) : await runBoth(Deno.args, cwd));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(2);
  }
}
