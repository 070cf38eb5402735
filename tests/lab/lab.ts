import { fileURLToPath } from "node:url";
import { apiserver, AUDIT_POLICY, AUTHORIZATION, labAddress } from "./apiserver.ts";
import { type Binaries, build } from "./build.ts";
import { makeAuthority, makeClientCertificate, makeServerCertificate, makeSigningKeys } from "./lab_certificates.ts";
import { type CommandResult, runCommand } from "./command.ts";
import { containerd, importImages, writeContainerdConfig } from "./containerd.ts";
import { controllerManager } from "./controller_manager.ts";
import { corednsObjects } from "./coredns.ts";
import { etcd } from "./etcd.ts";
import { removeIfExists } from "./lab_files.ts";
import { headscaleConfig, headscaleConfigPath, headscalePart } from "./headscale.ts";
import { AGNHOST_IMAGE, COREDNS_IMAGE, PAUSE_IMAGE, writeImage } from "./lab_image.ts";
import { KUBE_PROXY_USER, kubeProxy, writeKubeProxyConfig } from "./kube_proxy.ts";
import { kubeconfigFor } from "./lab_kubeconfig.ts";
import { kubelet, KUBELET_USER, writeKubeletConfig } from "./kubelet.ts";
import { KUBE_ROUTER_USER, kubeRouter, kubeRouterObjects, prepareKubeRouter } from "./kube_router.ts";
import { endNode, makeNode, NODE_NAME, nodeHolder } from "./node.ts";
import { bothFamilies } from "./node_network.ts";
import { nodeObstacle, policyObstacle } from "./node_obstacle.ts";
import { connectOutside, outside, prepareOutside } from "./outside.ts";
import type { LabPorts, PartSpec } from "./part.ts";
import { poll, waits } from "./poll.ts";
import { Progress } from "./progress.ts";
import { freePorts } from "./ports.ts";
import { endAll, isLabProcess, LabProcess, PartError, startDetached, WATCHDOG } from "./process.ts";
import { scheduler } from "./scheduler.ts";
import { type LabState, readState, type RealmState, updateState, writeState } from "./lab_state.ts";
import { tailscaled, tailscaleStatus } from "./tailscaled.ts";
import type { ToolGroup } from "./tools.ts";
import { STORAGE_CLASS } from "./storage_class.ts";

/** Options of a new lab. */
export interface LabOptions {
  /** Names of the realms, each a node of the lab's tailnet. Default: none, and then no tailnet either. */
  realms?: string[];
  /** The lab's folder. Default: a temporary one, removed at the end. */
  dir?: string;
  /**
   * Adds a node that runs pods, with DNS for them. Needs root and programs of the machine: `nodeObstacle` says what is
   * missing. Default: false.
   */
  node?: boolean;
  /**
   * Makes the node enforce NetworkPolicies, and adds IPv6 and an outside network that answers its pods: see
   * `outside.ts`. Needs a node. Default: false.
   */
  policy?: boolean;
  /** Runs kube-scheduler. Without it pods stay Pending, with no reason given. Default: false; true with a node. */
  scheduler?: boolean;
  /** Raises the controller-manager's client limits, for benchmarks; see `controller_manager.ts`. */
  fastControllers?: boolean;
  /** Size of etcd's database at which it takes no more writes. Default: etcd's own (2 GiB). */
  etcdQuotaBytes?: number;
  /** Shows on standard error what the start waits for. Default: false. */
  progress?: boolean;
  /** Keeps the lab running when this process ends. Default: false; the lab then ends even if this process is killed. */
  detached?: boolean;
}

/** A node of the lab's tailnet. */
export interface LabRealm extends RealmState {
  /** The realm's daemon; tests kill, pause and restart it. */
  tailscaled: LabProcess;
}

/** Options of a new user. */
export interface UserOptions {
  /** Kubernetes groups, e.g. `system:masters`. Default: none. */
  groups?: string[];
}

/** The interface of every cluster that tests run on: the lab's own or an external one. */
export interface Cluster extends AsyncDisposable {
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  /** URL of the API server. */
  readonly server: string;
  /** Creates a user with a client certificate; returns the path of the user's kubeconfig. */
  user(name: string, options?: UserOptions): Promise<string>;
  /** Runs kubectl, by default as the admin. A nonzero exit code is a result, not an exception. */
  kubectl(
    args: string[],
    options?: { stdin?: string; kubeconfig?: string; timeoutMs?: number },
  ): Promise<CommandResult>;
}

const REALM_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Longer paths of unix sockets don't fit into the kernel's address (108 bytes on Linux, 104 elsewhere). */
const SOCKET_PATH_LIMIT = 103;
/** Files that a lab leaves in its folder, removed by the next lab there. */
const CONTENT = [
  ".lock",
  "audit-policy.yaml",
  "authorization.yaml",
  "certificates",
  "etcd",
  "headscale",
  "kubeconfig",
  "kubectl-cache",
  "lab.json",
  "logs",
  "node",
  "realms",
  "run",
  "sockets",
  "users",
];

/**
 * Starts a Kubernetes control plane and, if `realms` are given, a tailnet, and returns when both are ready. The first
 * call on a machine builds their programs, which takes minutes.
 *
 * ```ts ignore
 * await using lab = await startLab({ realms: ["alice-home", "bob-home"] });
 * await lab.kubectl(["get", "namespaces"]);
 * await lab.realms["bob-home"]!.tailscaled.kill();
 * ```
 *
 * @throws {Error} when a node is wanted and this machine can't run one
 * @throws {BuildError} when the programs can't be built
 * @throws {PartError} when one of them doesn't start
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  return await launch(options, allPorts);
}

/** {@link startLab}, with given ports: tests pass ports that are taken. */
export async function launch(options: LabOptions, ports: () => LabPorts): Promise<Lab> {
  const realms = options.realms ?? [];
  realms.forEach(checkRealmName);
  const { node = false, policy = false } = options;
  if (policy && !node) throw new Error("`policy` needs `node`: start the lab with both.");
  const obstacle = policy ? policyObstacle() : node ? nodeObstacle() : undefined;
  if (obstacle !== undefined) throw new Error(obstacle);
  const binaries = await build(groupsFor({ node, policy, tailnet: realms.length > 0, stable: false }));
  const began = performance.now();
  const line = () => {
    const seconds = Math.round((performance.now() - began) / 1000);
    return `lab: starting, ${seconds} s${waits.size > 0 ? `; waits until ${[...waits].join(", ")}` : ""}`;
  };
  using _progress = options.progress ? new Progress(line) : undefined;
  for (let attempt = 1;; attempt++) {
    const dir = await prepareFolder(options.dir);
    try {
      return await launchIn(dir, options, binaries, ports());
    } catch (error) {
      await endLab(dir);
      if (options.dir === undefined) removeFolder(dir);
      if (!(error instanceof PartError && error.portTaken) || attempt === 3) throw error;
    }
  }
}

async function launchIn(dir: string, options: LabOptions, binaries: Binaries, ports: LabPorts): Promise<Lab> {
  const realms = options.realms ?? [];
  const state: LabState = {
    kubeconfig: `${dir}/kubeconfig`,
    users: {},
    realms: {},
    pids: {},
    auditLog: `${dir}/logs/audit.log`,
    server: `https://127.0.0.1:${ports.apiserver}`,
    ports,
    sockets: socketFolder(dir, realms),
    scheduler: options.scheduler ?? options.node ?? false,
    fastControllers: options.fastControllers ?? false,
    ...(options.etcdQuotaBytes === undefined ? {} : { etcdQuotaBytes: options.etcdQuotaBytes }),
    temporary: options.dir === undefined,
  };
  writeState(dir, state);
  if (!options.detached) await startWatchdog(dir);
  if (options.node) {
    const network = await makeNode(dir, { dualStack: options.policy ?? false });
    updateState(dir, (state) => {
      state.node = network;
      state.server = `https://${network.host}:${ports.apiserver}`;
    });
  }
  const lab = new Lab(dir, binaries, { endsOnDispose: !options.detached });
  await lab.startOutside();
  await writeCertificates(dir, lab);
  const controlPlane = lab.startControlPlane();
  await allDone([controlPlane, lab.startTailnet(realms), lab.startNode(controlPlane)]);
  return lab;
}

/**
 * Waits until all have settled, so that a failure leaves nothing that is still starting; then throws the first failure.
 */
async function allDone(works: (Promise<unknown> | undefined)[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === "rejected") throw outcome.reason;
}

function groupsFor(needs: { node: boolean; policy: boolean; tailnet: boolean; stable: boolean }): ToolGroup[] {
  const groups: ToolGroup[] = ["kubernetes"];
  if (needs.node) groups.push("node", "dns");
  if (needs.policy) groups.push("kube-router");
  if (needs.tailnet) groups.push("tailnet");
  if (needs.stable) groups.push("tailscale-stable");
  return groups;
}

/** Opens the lab that runs in `dir`, also one of another process. Disposing of it doesn't end the lab. */
export async function openLab(dir: string): Promise<Lab> {
  const path = existingFolder(dir);
  const state = path === undefined ? undefined : readState(path);
  if (path === undefined || state === undefined || !Object.values(state.pids).some((pid) => isLabProcess(pid, path))) {
    throw new Error(`No lab runs in ${dir}. Start one with \`deno task lab up --dir ${dir}\`.`);
  }
  const realms = Object.values(state.realms);
  const groups = groupsFor({
    node: state.node !== undefined,
    policy: state.node?.ipv6 !== undefined,
    tailnet: realms.length > 0,
    stable: realms.some((realm) => realm.stable),
  });
  return new Lab(path, await build(groups), { endsOnDispose: false });
}

/**
 * Ends the processes recorded by the lab in `dir`, also after a crash; its logs stay.
 *
 * @returns the parts that ran; empty if there were none
 */
export async function endLab(dir: string): Promise<string[]> {
  const path = existingFolder(dir);
  const state = path === undefined ? undefined : readState(path);
  if (path === undefined || state === undefined) return [];
  const ended = await endAll(path);
  await endNode(path);
  if (!state.sockets.startsWith(`${path}/`)) removeIfExists(state.sockets);
  if (state.temporary) removeFolder(path);
  return ended;
}

/** A running lab; {@link startLab} makes one. */
export class Lab implements Cluster {
  /** True if tests may stop and kill the parts: true for every lab, false for an external cluster. */
  readonly owned = true;
  /** Absolute path of its folder, with `lab.json` and `logs/`. */
  readonly dir: string;
  readonly etcd: LabProcess;
  readonly apiserver: LabProcess;
  readonly controllerManager: LabProcess;
  /** Undefined unless `scheduler` or `node` is set. */
  readonly scheduler: LabProcess | undefined;
  /** The node's container runtime; undefined without a node. Pods go on when it ends. */
  readonly containerd: LabProcess | undefined;
  /** Undefined without a node. Pods go on when it ends. */
  readonly kubelet: LabProcess | undefined;
  /** Undefined without a node. */
  readonly kubeProxy: LabProcess | undefined;
  /** Enforces NetworkPolicies; undefined unless `policy` is set. Its rules stay when it ends. */
  readonly kubeRouter: LabProcess | undefined;
  readonly #node: LabProcess | undefined;
  readonly #outside: LabProcess | undefined;
  readonly #binaries: Binaries;
  readonly #endsOnDispose: boolean;

  /** Opens the lab that `lab.json` in this folder describes. */
  constructor(dir: string, binaries: Binaries, options: { endsOnDispose: boolean }) {
    this.dir = dir;
    this.#binaries = binaries;
    this.#endsOnDispose = options.endsOnDispose;
    const { ports, server, sockets, node, fastControllers, etcdQuotaBytes, scheduler: withScheduler } = this.#state;
    this.etcd = this.#part(etcd(binaries.etcd!, dir, ports, etcdQuotaBytes));
    this.apiserver = this.#part(apiserver(binaries["kube-apiserver"]!, dir, ports, node));
    this.controllerManager = this.#part(
      controllerManager(binaries["kube-controller-manager"]!, dir, ports, server, fastControllers),
    );
    this.scheduler = withScheduler ? this.#part(scheduler(binaries["kube-scheduler"]!, dir, ports)) : undefined;
    if (node !== undefined) {
      this.#node = this.#part(nodeHolder(dir));
      this.containerd = this.#part(containerd(dir, sockets));
      this.kubelet = this.#part(kubelet(binaries.kubelet!, dir, server, node));
      this.kubeProxy = this.#part(kubeProxy(binaries["kube-proxy"]!, dir, node));
    }
    if (node?.ipv6 !== undefined) {
      const programs = { kubeRouter: binaries["kube-router"]!, agnhost: binaries.agnhost! };
      this.kubeRouter = this.#part(kubeRouter(programs, dir, server, node));
      this.#outside = this.#part(outside(binaries.agnhost!, dir));
    }
  }

  get #state(): LabState {
    const state = readState(this.dir);
    if (state === undefined) throw new Error(`The lab in ${this.dir} is gone: lab.json does not exist.`);
    return state;
  }

  #part(spec: PartSpec): LabProcess {
    return new LabProcess(this.dir, spec);
  }

  /** Path of its kubectl. */
  get kubectlPath(): string {
    return this.#binaries.kubectl!;
  }

  /** Path of the admin's kubeconfig. */
  get kubeconfig(): string {
    return `${this.dir}/kubeconfig`;
  }

  /** URL of the API server. */
  get server(): string {
    return this.#state.server;
  }

  /** Ports on which its parts listen. */
  get ports(): LabPorts {
    return this.#state.ports;
  }

  /**
   * Path of the API server's audit log: one JSON event of level Metadata per line, written when a response is complete.
   */
  get auditLog(): string {
    return this.#state.auditLog;
  }

  /** The tailnet's control server; undefined while the lab has no realm. */
  get headscale(): LabProcess | undefined {
    return this.#binaries.headscale === undefined ? undefined : this.#headscale;
  }

  get #headscale(): LabProcess {
    const { node, ports } = this.#state;
    return this.#part(headscalePart(this.#binaries.headscale!, this.dir, labAddress(node), ports));
  }

  /** The nodes of the tailnet by realm. */
  get realms(): Record<string, LabRealm> {
    return Object.fromEntries(
      Object.entries(this.#state.realms).map(([name, realm]) => [name, {
        ...realm,
        tailscaled: this.#tailscaled(name, realm.stable, realm.socket, realm.proxy),
      }]),
    );
  }

  #tailscaled(name: string, stable: boolean, socket: string, proxy?: number): LabProcess {
    const binary = this.#binaries[stable ? "tailscaled-stable" : "tailscaled"];
    if (binary === undefined) throw new Error(`The tailscaled of realm ${name} was not built.`);
    return this.#part(tailscaled(binary, this.dir, name, socket, () => name in this.#state.realms, proxy));
  }

  /** Starts etcd, the API server, the controller-manager and the scheduler, in the order of their dependencies. */
  async startControlPlane(): Promise<void> {
    await this.etcd.start();
    await this.apiserver.start();
    await Promise.all([this.controllerManager.start(), this.scheduler?.start()]);
  }

  /** Starts the network beyond the node that answers pods; does nothing unless the lab enforces policies. */
  async startOutside(): Promise<void> {
    if (this.#outside === undefined) return;
    prepareOutside(this.#binaries.agnhost!, this.dir);
    await this.#outside.start();
    await connectOutside(this.#node!.pid!, this.#outside.pid!);
  }

  /**
   * Starts the programs that run pods, and DNS for pods, and returns when pods run; does nothing in a lab without a
   * node. Parts that need the API server wait for `controlPlane`.
   */
  async startNode(controlPlane: Promise<void>): Promise<void> {
    const { sockets, node } = this.#state;
    if (node === undefined) return;
    writeContainerdConfig(this.dir, sockets, node);
    writeKubeletConfig(this.dir, sockets, node);
    writeKubeProxyConfig(this.dir, node);
    await allDone([controlPlane, this.#startContainerd()]);
    const objects = { apiVersion: "v1", kind: "List", items: [...corednsObjects(node), STORAGE_CLASS] };
    await allDone([
      this.kubelet!.start(),
      this.kubeProxy!.start(),
      this.#apply(JSON.stringify(objects)),
    ]);
    const dns = ["rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=60s"];
    const { code, stderr } = await this.kubectl(dns, { timeoutMs: 90_000 });
    if (code !== 0) throw new Error(`CoreDNS does not run; see ${this.dir}/logs/pods. ${stderr.trim()}`);
    if (this.kubeRouter !== undefined) await this.#startKubeRouter(bothFamilies(node, "pods"));
  }

  async #startKubeRouter(podCIDRs: string[]): Promise<void> {
    const spec = JSON.stringify({ spec: { podCIDR: podCIDRs[0], podCIDRs } });
    const { code, stderr } = await this.kubectl(["patch", "node", NODE_NAME, "--patch", spec]);
    if (code !== 0) throw new Error(`The node's podCIDRs can't be set: ${stderr.trim()}`);
    await this.#apply(JSON.stringify({ apiVersion: "v1", kind: "List", items: kubeRouterObjects }));
    prepareKubeRouter(this.dir);
    await this.kubeRouter!.start();
  }

  async #startContainerd(): Promise<void> {
    await this.containerd!.start();
    const archive = `${this.dir}/node/image.tar`;
    const images = [
      { program: this.#binaries.agnhost!, names: [AGNHOST_IMAGE, PAUSE_IMAGE], args: ["pause"] },
      { program: this.#binaries.coredns!, names: [COREDNS_IMAGE] },
    ];
    for (const image of images) {
      writeImage(archive, image);
      await this.importImages(archive);
    }
    removeIfExists(archive);
  }

  /**
   * Imports an archive of images (docker-archive or OCI) and returns when the node has them. Tag them with a version:
   * the kubelet would try to pull `latest`.
   */
  async importImages(archive: string): Promise<void> {
    if (this.containerd === undefined) throw new Error("The lab has no node: start it with `node: true`.");
    await importImages(this.#state.sockets, archive);
  }

  async #apply(objects: string): Promise<void> {
    const { code, stderr } = await this.kubectl(["apply", "-f", "-"], { stdin: objects });
    if (code !== 0) throw new Error(`The API server refused the lab's own objects: ${stderr.trim()}`);
  }

  /** Starts headscale and one tailscaled per realm, and returns when each sees all others online. */
  async startTailnet(realms: string[]): Promise<void> {
    if (realms.length === 0) return;
    await this.#startHeadscale();
    await Promise.all(realms.map((name) => this.addRealm(name)));
    for (const name of realms) {
      await poll(`realm ${name} sees all other realms online`, async () => {
        const status = await tailscaleStatus(this.realms[name]!.socket);
        if (typeof status === "string") return status;
        const online = Object.values(status.Peer ?? {}).filter((peer) => peer.Online).length;
        return online >= realms.length - 1 || `${online} of ${realms.length - 1} are online`;
      }, { withinMs: 30_000 });
    }
  }

  async #startHeadscale(): Promise<void> {
    const { node, ports, sockets } = this.#state;
    Deno.mkdirSync(`${this.dir}/headscale`, { recursive: true });
    Deno.writeTextFileSync(
      headscaleConfigPath(this.dir),
      JSON.stringify(headscaleConfig(this.dir, sockets, labAddress(node), ports), null, 2),
    );
    await this.#headscale.start();
  }

  /**
   * Adds a node to the tailnet, and returns when it is connected. `stable` selects the tailscaled of the stable release
   * instead of the newest; `hostname` is the name that it requests on the tailnet (default: the realm's); `user` is its
   * tailnet user, who exists (default: a new one of the realm's name); `proxy` opens the daemon's proxy. The first realm
   * of a lab also starts headscale.
   */
  async addRealm(
    name: string,
    options: { stable?: boolean; hostname?: string; user?: string; proxy?: boolean } = {},
  ): Promise<LabRealm> {
    const { stable = false, hostname = name, user } = options;
    const proxy = options.proxy ? { proxy: freePorts(1)[0]! } : {};
    checkRealmName(name);
    checkRealmName(hostname);
    const { realms, sockets } = this.#state;
    if (name in realms) throw new Error(`Realm ${name} already exists in this lab.`);
    Object.assign(this.#binaries, await build(stable ? ["tailnet", "tailscale-stable"] : ["tailnet"]));
    if (this.#headscale.pid === undefined) await this.#startHeadscale();

    const socket = `${sockets}/${name}.sock`;
    checkSocketPath(socket);
    Deno.mkdirSync(`${this.dir}/realms/${name}`, { recursive: true });
    const daemon = this.#tailscaled(name, stable, socket, proxy.proxy);
    await Promise.all([user === undefined && this.#headscaleAnswer(["users", "create", name]), daemon.start()]);
    await this.#join(user ?? name, socket, hostname, [], name);
    const realm = { ...await readRealm(socket), socket, stable, ...proxy };
    updateState(this.dir, (state) => state.realms[name] = realm);
    return { ...realm, tailscaled: daemon };
  }

  /** Makes a realm's node rejoin the tailnet with a new key, as after its removal; returns its new state. */
  async rejoin(name: string): Promise<LabRealm> {
    const { socket, stable, proxy } = this.realms[name]!;
    await this.#join(name, socket, name, ["--force-reauth"]);
    const realm = { ...await readRealm(socket), socket, stable, ...(proxy === undefined ? {} : { proxy }) };
    updateState(this.dir, (state) => state.realms[name] = realm);
    return this.realms[name]!;
  }

  async #join(user: string, socket: string, hostname: string, more: string[] = [], name = user): Promise<void> {
    const { node, ports } = this.#state;
    const up = await runCommand(this.#binaries.tailscale!, [
      `--socket=${socket}`,
      "up",
      `--login-server=http://${labAddress(node)}:${ports.headscale}`,
      `--auth-key=${await this.#preauthKey(user)}`,
      `--hostname=${hostname}`,
      "--accept-dns=false",
      "--timeout=60s",
      ...more,
    ], { timeoutMs: 90_000 });
    if (up.code !== 0) {
      throw new Error(`Realm ${name} could not join the tailnet; see ${this.dir}/logs. ${up.stderr.trim()}`);
    }
  }

  async #preauthKey(user: string): Promise<string> {
    const users = JSON.parse(await this.#headscaleAnswer(["users", "list"])) as { id: string | number; name: string }[];
    const { id } = users.find(({ name }) => name === user)!;
    const key = await this.#headscaleAnswer(["preauthkeys", "create", "--user", String(id), "--reusable"]);
    return (JSON.parse(key) as { key: string }).key;
  }

  /** Returns a reusable key with which a node outside the lab, e.g. in a pod, joins the tailnet. */
  async joinKey(user: string): Promise<{ loginServer: string; key: string }> {
    const { node, ports } = this.#state;
    const created = JSON.parse(await this.#headscaleAnswer(["users", "create", user])) as { id: string | number };
    const args = ["preauthkeys", "create", "--user", String(created.id), "--reusable", "--ephemeral"];
    const { key } = JSON.parse(await this.#headscaleAnswer(args)) as { key: string };
    return { loginServer: `http://${labAddress(node)}:${ports.headscale}`, key };
  }

  async #headscaleAnswer(args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.headscaleCli([...args, "--output", "json"]);
    if (code !== 0) throw new Error(`headscale ${args.join(" ")} failed: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** Runs the headscale command on the lab's tailnet, e.g. `["nodes", "list", "--output", "json"]`. */
  headscaleCli(args: string[]): Promise<CommandResult> {
    if (this.headscale === undefined) throw new Error("The lab has no tailnet: start it with realms, or add a realm.");
    return runCommand(this.#binaries.headscale!, ["--config", headscaleConfigPath(this.dir), ...args]);
  }

  /** Creates a user with a client certificate of the lab's authority; returns the path of the user's kubeconfig. */
  async user(name: string, options: UserOptions = {}): Promise<string> {
    const path = userKubeconfigPath(this.dir, name);
    const authority = {
      certificate: Deno.readTextFileSync(`${this.dir}/certificates/ca.crt`),
      key: Deno.readTextFileSync(`${this.dir}/certificates/ca.key`),
    };
    const credentials = await makeClientCertificate(authority, name, options.groups ?? []);
    writePrivate(path, kubeconfigFor({ server: this.server, authority: authority.certificate }, name, credentials));
    updateState(this.dir, (state) => state.users[name] = path);
    return path;
  }

  /** Runs kubectl, by default as the admin. A nonzero exit code is a result, not an exception. */
  kubectl(
    args: string[],
    options: { stdin?: string; kubeconfig?: string; timeoutMs?: number } = {},
  ): Promise<CommandResult> {
    const { kubeconfig = this.kubeconfig, ...rest } = options;
    return runCommand(this.#binaries.kubectl!, args, {
      ...rest,
      env: { KUBECONFIG: kubeconfig, KUBECACHEDIR: `${this.dir}/kubectl-cache` },
    });
  }

  /** Throws when a part has ended by itself, with the last lines of its log. */
  assertRunning(): void {
    const realms = Object.values(this.realms).map((realm) => realm.tailscaled);
    const controlPlane = [this.etcd, this.apiserver, this.controllerManager, this.scheduler];
    const node = [this.#node, this.containerd, this.kubelet, this.kubeProxy, this.kubeRouter, this.#outside];
    for (const part of [...controlPlane, ...node, this.headscale, ...realms]) {
      const death = part?.death();
      if (death) throw death;
    }
  }

  /** Ends all parts and removes the folder if it is temporary. Prints an error when a part had ended by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#endsOnDispose) return;
    if (readState(this.dir) === undefined) return;
    try {
      this.assertRunning();
    } catch (error) {
      console.error(`lab: ${(error as Error).message}`);
    }
    await endLab(this.dir);
  }
}

function allPorts(): LabPorts {
  const [etcd, etcdPeer, apiserver, controllerManager, scheduler, headscale, headscaleMetrics, headscaleGrpc, stun] =
    freePorts(9) as [number, number, number, number, number, number, number, number, number];
  return {
    etcd,
    etcdPeer,
    apiserver,
    controllerManager,
    scheduler,
    headscale,
    headscaleMetrics,
    headscaleGrpc,
    stun,
  };
}

/** Makes the folder, ends an earlier lab in it, and removes its files. */
async function prepareFolder(wanted: string | undefined): Promise<string> {
  if (wanted === undefined) return prepared(Deno.realPathSync(Deno.makeTempDirSync({ prefix: "keystone-lab-" })));
  Deno.mkdirSync(wanted, { recursive: true, mode: 0o700 });
  const dir = Deno.realPathSync(wanted);
  if (readState(dir) === undefined && [...Deno.readDirSync(dir)].length > 0) {
    throw new Error(`${dir} is not empty and is not a lab's folder. Set --dir to a new or empty folder.`);
  }
  await endLab(dir);
  CONTENT.forEach((name) => removeIfExists(`${dir}/${name}`));
  return prepared(dir);
}

function prepared(dir: string): string {
  for (const name of ["certificates", "logs", "realms", "run", "users"]) Deno.mkdirSync(`${dir}/${name}`);
  return dir;
}

function removeFolder(dir: string): void {
  CONTENT.forEach((name) => removeIfExists(`${dir}/${name}`));
  removeIfExists(dir);
}

function existingFolder(dir: string): string | undefined {
  try {
    return Deno.realPathSync(dir);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Returns a folder inside the lab's if all socket paths fit, else a new one with a short path. */
function socketFolder(dir: string, realms: string[]): string {
  const longest = Math.max(30, ...realms.map((name) => name.length));
  const own = `${dir}/sockets`;
  if (`${own}/.sock`.length + longest > SOCKET_PATH_LIMIT) return Deno.makeTempDirSync({ prefix: "keystone-" });
  Deno.mkdirSync(own);
  return own;
}

function checkSocketPath(path: string): void {
  if (path.length > SOCKET_PATH_LIMIT) {
    throw new Error(
      `The socket path ${path} is too long: it may have at most ${SOCKET_PATH_LIMIT} characters and has ${path.length}. ` +
        `Name the realm when the lab starts, or set --dir (or TMPDIR) to a shorter path.`,
    );
  }
}

function checkRealmName(name: string): void {
  if (!REALM_NAME.test(name)) {
    throw new Error(
      `The realm name "${name}" must be 1 to 63 lower-case letters, digits and hyphens, because it becomes a host name of ` +
        `the tailnet, e.g. bob-home.`,
    );
  }
}

/** Starts a process that runs `lab down` when the lab's owner has ended, even if it was killed. */
async function startWatchdog(dir: string): Promise<void> {
  const main = fileURLToPath(new URL("./main.ts", import.meta.url));
  const script = `while kill -0 "$1" 2>/dev/null; do sleep 1; done; shift 2; exec "$@"`;
  const down = [Deno.execPath(), "run", "-A", "--cached-only", main, "down", "--dir", dir];
  await startDetached(dir, WATCHDOG, ["/bin/sh", "-c", script, "sh", String(Deno.pid), `${dir}/`, ...down]);
}

async function writeCertificates(dir: string, lab: Lab): Promise<void> {
  const authority = await makeAuthority();
  const write = (name: string, text: string) => writePrivate(`${dir}/certificates/${name}`, text);
  write("ca.crt", authority.certificate);
  write("ca.key", authority.key);
  const services = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  const { node } = readState(dir)!;
  const addresses = node === undefined ? ["10.96.0.1"] : [node.kubernetes, node.host];
  const [server, signing, admin, kubelet] = await Promise.all([
    makeServerCertificate(authority, { dns: ["localhost", ...services], ip: ["127.0.0.1", ...addresses] }),
    makeSigningKeys(),
    makeClientCertificate(authority, "admin", ["system:masters"]),
    node && makeServerCertificate(authority, { dns: [], ip: [node.node] }),
    lab.user("system:kube-controller-manager"),
    lab.user("system:kube-scheduler"),
    node && lab.user(KUBELET_USER, { groups: ["system:nodes"] }),
    node && lab.user(KUBE_PROXY_USER),
    node?.ipv6 && lab.user(KUBE_ROUTER_USER),
  ]);
  if (kubelet !== undefined) {
    write("kubelet.crt", kubelet.certificate);
    write("kubelet.key", kubelet.key);
  }
  write("apiserver.crt", server.certificate);
  write("apiserver.key", server.key);
  write("service-accounts.pub", signing.publicKey);
  write("service-accounts.key", signing.privateKey);
  write("admin.crt", admin.certificate);
  write("admin.key", admin.key);
  writePrivate(lab.kubeconfig, kubeconfigFor({ server: lab.server, authority: authority.certificate }, "admin", admin));
  updateState(dir, (state) => state.users.admin = lab.kubeconfig);
  Deno.writeTextFileSync(`${dir}/audit-policy.yaml`, JSON.stringify(AUDIT_POLICY, null, 2));
  Deno.writeTextFileSync(`${dir}/authorization.yaml`, JSON.stringify(AUTHORIZATION, null, 2));
}

function writePrivate(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { mode: 0o600 });
}

function userKubeconfigPath(dir: string, name: string): string {
  return `${dir}/users/${encodeURIComponent(name)}.kubeconfig`;
}

async function readRealm(socket: string): Promise<{ identity: string; ipv4: string; ipv6: string }> {
  const status = await tailscaleStatus(socket);
  if (typeof status === "string") throw new Error(status);
  const addresses = status.Self?.TailscaleIPs ?? [];
  return {
    identity: status.Self?.DNSName.replace(/\.$/, "") ?? "",
    ipv4: addresses.find((address) => !address.includes(":")) ?? "",
    ipv6: addresses.find((address) => address.includes(":")) ?? "",
  };
}
