/** Writes a context for a lender's tailnet server. */
import { resolve as absolute } from "node:path";
import { kubeconfigPaths } from "../../../lib/kubernetes/mod.ts";
import { usageError } from "../exit.ts";
import type { Io } from "../io.ts";
import type { Session } from "../session.ts";
import { findLender, type LenderFound } from "./find_lender.ts";
import {
  forwarderFolder,
  type ForwarderSettings,
  readForwarderKeys,
  readForwarderSettings,
  writeForwarderFolder,
} from "./forwarder_folder.ts";
import type { ForwarderKeys } from "./forwarder_keys.ts";
import { freePort } from "./free_port.ts";
import { changeKubeconfig, fileForNewEntries, readKubeconfigText } from "./kubeconfig_file.ts";
import { type ContextEntries, type LenderContext, lenderContext, writeContext } from "./lender_context.ts";
import type { Way } from "./lender_routes.ts";
import { endForwarder, programArguments, startForwarder } from "./start_forwarder.ts";
import type { AccessAnswer, RealmAccess } from "./lender_access.ts";

/** Flags of `keystone use`. */
export interface UseOptions {
  kubeconfig?: string;
  context?: string;
  realm?: string;
  switch: boolean;
  port: number;
  way?: Way;
  proxyUrl?: string | undefined;
  tsSocket?: string;
  requestTimeout?: number;
  /** Returns the realm to act for. */
  chooseRealm(access: AccessAnswer): Promise<RealmAccess>;
}

/** Result of `keystone use`. */
export interface UsedLender {
  context: string;
  lender: string;
  realm: string;
  namespace: string;
  server: string;
  way: Way;
  ends?: string;
  /** True if it is the current context. */
  current: boolean;
}

/** Returns the paths of the kubeconfigs that kubectl reads. */
export const kubeconfigsOf = ({ env }: Pick<Io, "env">, explicit: string | undefined): string[] =>
  explicit === undefined ? kubeconfigPaths(env, Deno.build.os === "windows") : [explicit];

/** Longest time for one attempt. */
const attemptMs = 8000;

/** Finds the lender, writes the context and, if it needs one, starts its forwarder. */
export async function useLender(session: Session, lender: string, options: UseOptions): Promise<UsedLender> {
  const { io } = session;
  const paths = kubeconfigsOf(io, options.kubeconfig);
  const earlier = await earlierUses(paths);
  const before = earlier.find(({ context, node, lender: name }) =>
    options.context === undefined ? [node.split(".")[0], node, name].includes(lender) : context === options.context
  );
  const newKeys = async (): Promise<ForwarderKeys> => {
    const folder = before && await forwarderFolder(io.env, before.context, absolute(before.file));
    const present = folder === undefined ? undefined : await readForwarderKeys(folder);
    return present ?? (await import("./forwarder_keys.ts")).makeForwarderKeys(io.now());
  };
  let keys: Promise<ForwarderKeys> | undefined;
  const found = await findLender({
    lender,
    port: options.port,
    socket: options.tsSocket ?? (io.env("TS_SOCKET") || undefined),
    proxyUrl: options.proxyUrl,
    way: options.way,
    owner: before?.owner,
    timeoutMs: Math.min(options.requestTimeout ?? attemptMs, attemptMs),
    keys: () => keys ??= newKeys(),
  });
  const access = await options.chooseRealm(found.access);
  const realm = found.access.lender || found.node.split(".")[0]!;
  const context = options.context ?? (found.access.realms.length > 1 ? `${realm}-${access.realm}` : realm);
  const file = await fileFor(paths, context, found);
  if (before?.stableID !== undefined && found.stableID !== undefined && before.stableID !== found.stableID) {
    session.warn(
      `${found.node} is another node than before (${found.stableID}, before ${before.stableID}). ` +
        "Ask the lender if they replaced it.",
    );
  }
  const forwarder = found.route.way === "forwarder"
    ? await forwarderFor(io, context, file, found, options.port, await (keys ??= newKeys()))
    : undefined;
  const entries = entriesOf(found, realm, access, forwarder);
  let isCurrent = false;
  await changeKubeconfig(file, (kubeconfig) => {
    const current = kubeconfig.currentContext;
    const kept = current === context ? lenderContext(kubeconfig, file, context)?.before : current;
    writeContext(kubeconfig, context, {
      ...entries,
      record: { ...entries.record, ...(kept === undefined ? {} : { before: kept }) },
    });
    if (options.switch) kubeconfig.currentContext = context;
    isCurrent = kubeconfig.currentContext === context;
  });
  if (forwarder) await startForwarder(forwarder.folder);
  warnOfProxies(session, entries.cluster.server, found.route.way);
  return {
    context,
    lender: realm,
    realm: access.realm,
    namespace: access.namespace,
    server: entries.cluster.server,
    way: found.route.way,
    ...(access.ends === undefined ? {} : { ends: access.ends }),
    current: isCurrent,
  };
}

/** Returns the contexts of earlier uses in all files. */
export async function earlierUses(paths: readonly string[]): Promise<LenderContext[]> {
  const found: LenderContext[] = [];
  for (const path of paths) {
    const kubeconfig = await readKubeconfigText(path);
    for (const name of kubeconfig.names("contexts")) {
      const context = lenderContext(kubeconfig, path, name);
      if (context && !found.some(({ context }) => context === name)) found.push(context);
    }
  }
  return found;
}

/** Returns the file for the context: the one that has it, else the one for new entries. */
async function fileFor(paths: readonly string[], context: string, { node }: LenderFound): Promise<string> {
  for (const path of paths) {
    const kubeconfig = await readKubeconfigText(path);
    if (!kubeconfig.names("contexts").includes(context)) continue;
    const own = lenderContext(kubeconfig, path, context);
    if (own && withoutReplica(own.node) === withoutReplica(node)) return path;
    throw usageError(
      own
        ? `The context ${context} in ${path} is of ${own.node}. Use another name with --context.`
        : `The context ${context} in ${path} is not by keystone use. Use another name with --context.`,
    );
  }
  return await fileForNewEntries(paths);
}

const withoutReplica = (node: string): string => node.replace(/^([^.]+?)-1(?=\.|$)/, "$1");

interface PreparedForwarder {
  folder: string;
  settings: ForwarderSettings;
  keys: ForwarderKeys;
}

/** Writes the folder of a forwarder. One that runs ends, because its settings may be others. */
async function forwarderFor(
  { env }: Io,
  context: string,
  file: string,
  { node, owner, socket, connection }: LenderFound,
  lenderPort: number,
  keys: ForwarderKeys,
): Promise<PreparedForwarder> {
  const kubeconfig = absolute(file);
  const folder = await forwarderFolder(env, context, kubeconfig);
  const present = await readForwarderSettings(folder).catch(() => undefined);
  await endForwarder(folder);
  const settings: ForwarderSettings = {
    context,
    kubeconfig,
    port: freePort(present?.port),
    socket: absolute(socket),
    lender: node,
    ...(owner === undefined ? {} : { owner }),
    lenderPort,
    tls: connection.upstreamTls ?? false,
  };
  await writeForwarderFolder(folder, settings, keys);
  return { folder, settings, keys };
}

function entriesOf(
  { route: { way }, connection, node, stableID, owner }: LenderFound,
  lender: string,
  { realm, namespace, path }: RealmAccess,
  forwarder: PreparedForwarder | undefined,
): ContextEntries {
  const { server, proxyUrl, tlsServerName } = connection;
  return {
    cluster: forwarder
      ? {
        server: `https://127.0.0.1:${forwarder.settings.port}${path}`,
        "certificate-authority-data": new TextEncoder().encode(forwarder.keys.authority).toBase64(),
      }
      : {
        server: `${server}${path}`,
        ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
        ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
      },
    ...(forwarder
      ? { user: { exec: pluginOf(forwarder, lender) } }
      // Over HTTPS kubectl asks for a name unless it has one. The tailnet server ignores it.
      : server.startsWith("https:")
      ? { user: { username: realm } }
      : {}),
    namespace,
    record: {
      lender,
      realm,
      node,
      ...(stableID === undefined ? {} : { stableID }),
      ...(owner === undefined ? {} : { owner }),
      way,
    },
  };
}

/** Returns the credential plugin that starts the forwarder and opens it. */
function pluginOf({ folder }: PreparedForwarder, lender: string): Record<string, unknown> {
  return {
    apiVersion: "client.authentication.k8s.io/v1",
    command: Deno.execPath(),
    args: programArguments(
      "credential_main",
      [`--allow-read=${folder}`, `--allow-write=${folder}`, `--allow-run=${Deno.execPath()}`],
      folder,
    ),
    installHint: `Keystone's command has moved. Run it again: keystone use ${lender}`,
    interactiveMode: "Never",
    provideClusterInfo: false,
  };
}

/** Warns of a proxy in the environment, which kubectl would use. */
function warnOfProxies(session: Session, server: string, way: Way): void {
  if (way !== "direct") return;
  const { protocol, hostname } = new URL(server);
  const names = protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const set = names.find((name) => session.io.env(name));
  const exempt = (session.io.env("NO_PROXY") || session.io.env("no_proxy") || "").split(",").map((each) => each.trim());
  if (set === undefined || exempt.some((each) => each === "*" || (each !== "" && hostname.endsWith(each)))) return;
  session.warn(`kubectl uses the proxy of ${set} for ${hostname}. If that fails, add ${hostname} to NO_PROXY.`);
}
