/** The only reader of environment variables and flags. */
import { parseArgs } from "node:util";
import { z } from "zod";
import { load } from "js-yaml";
import { defaultSettings, maxNameLength, parseSettings, type Settings } from "./api/mod.ts";

const address = z.string().transform((text, context): Config["listen"] => {
  if (text === "off") return undefined;
  const [, bracketed, plain, port] = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const hostname = bracketed || plain;
  if (port !== undefined && Number(port) <= 65535) return { ...(hostname ? { hostname } : {}), port: Number(port) };
  context.addIssue("is neither a port, ADDRESS:PORT nor off");
  return z.NEVER;
});

const settings = z.object({
  kubeconfig: z.string().min(1).optional(),
  context: z.string().min(1).optional(),
  socket: z.string().min(1).startsWith("/", "is not an absolute path").optional(),
  realm: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "is not the name of a realm").max(maxNameLength)
    .optional(),
  config: z.string().min(1).optional(),
  log: z.enum(["json", "text"], "is neither json nor text"),
  handover: z.string().min(1).startsWith("/", "is not an absolute path").optional(),
  listen: address,
  frontListen: address,
  webhook: z.string().transform((text, context): Config["webhook"] => {
    if (text === "off") return undefined;
    if (text === "service") return { place: { service: true }, port: servicePort };
    const url = URL.parse(text);
    if (url?.protocol === "https:" && url.pathname === "/" && !url.search && !url.username) {
      const hostname = url.hostname.replace(/^\[|\]$/g, "");
      return { place: { url: url.origin }, hostname, port: Number(url.port || 443) };
    }
    context.addIssue("is neither off, service nor https://HOST:PORT");
    return z.NEVER;
  }),
});

/** Where the webhook listens in a pod; its Service forwards to it. */
const servicePort = 9443;

/** Where health and metrics are served unless told: for this machine only, and not at all where the port is taken. */
const defaultListen = "127.0.0.1:8080";
/** The same of the front. */
const defaultFrontListen = "127.0.0.1:8081";

/** How this process was started. */
export interface Config {
  /** KUBECONFIG, `--kubeconfig`: paths separated by `:`; absent: `~/.kube/config`, else the pod's service account. */
  kubeconfig?: string;
  /** `--context`: absent: the kubeconfig's current one. */
  context?: string;
  /** TS_SOCKET, `--ts-socket`: the LocalAPI of a tailscaled; absent: no tailnet. */
  socket?: string;
  /** KEYSTONE_REALM, `--realm`: the realm that this cluster is; absent: asked of the tailnet. */
  realm?: string;
  /** KEYSTONE_CONFIG, `--config`: a YAML file of {@linkcode Settings}; absent: the defaults. */
  config?: string;
  /** KEYSTONE_LOG, `--log`. */
  log: "json" | "text";
  /** KEYSTONE_LISTEN, `--listen`: where `/healthz`, `/readyz` and `/metrics` are; absent: nowhere. */
  listen?: { hostname?: string; port: number };
  /** Whether somebody asked for just this port. */
  listenGiven: boolean;
  /** KEYSTONE_WEBHOOK, `--webhook`: where the API server reaches the admission webhook and it listens; absent: none. */
  webhook?: { place: { service: true } | { url: string }; hostname?: string; port: number };
  /** KEYSTONE_FRONT_LISTEN, `--front-listen`: where these pages of the front are, the process that serves the webhook. */
  frontListen?: { hostname?: string; port: number };
  /** KEYSTONE_HANDOVER, `--handover`: folder of what the operator hands to the front; absent: a new one for both. */
  handover?: string;
  help: boolean;
}

/** The variables that {@linkcode readConfig} reads, for the permission to do so. */
export const environment = [
  "KUBECONFIG",
  "TS_SOCKET",
  "KEYSTONE_REALM",
  "KEYSTONE_CONFIG",
  "KEYSTONE_LOG",
  "KEYSTONE_LISTEN",
  "KEYSTONE_WEBHOOK",
  "KEYSTONE_FRONT_LISTEN",
  "KEYSTONE_HANDOVER",
  "POD_IP",
] as const;

export const operatorUsage = `The Keystone operator: enforces Grants in this cluster.

  deno task run [-- FLAGS]
  deno task run uninstall [FLAGS]   closes guests' access, takes finalizers off, deletes nothing

  --kubeconfig PATH   kubeconfig to use (KUBECONFIG; default ~/.kube/config, in a pod its service account)
  --context NAME      context of it (default: the current one)
  --ts-socket PATH    socket of a tailscaled (TS_SOCKET; default: no tailnet, realms stay Unknown)
  --realm NAME        the realm that this cluster is (KEYSTONE_REALM; default: asked of the tailnet)
  --config PATH       trust ceilings and cluster ranges, YAML (KEYSTONE_CONFIG; see docs/configuration.md)
  --log json|text     form of the log (KEYSTONE_LOG; default text on a terminal, json elsewhere)
  --listen WHERE      health and metrics: PORT, ADDRESS:PORT or off (KEYSTONE_LISTEN; default 127.0.0.1:8080)
  --webhook WHERE     where the API server reaches the admission webhook: service (in the cluster), https://HOST:PORT
                      or off (KEYSTONE_WEBHOOK; default off)
  --front-listen WHERE
                      health and metrics of the webhook's process (KEYSTONE_FRONT_LISTEN; default 127.0.0.1:8081)
  --handover PATH     folder in which the operator hands the webhook's process its token and certificate, where that
                      runs in another container (KEYSTONE_HANDOVER; default: both are started, with one of their own)

In a pod, a port without an address is opened on the pod's own address only (POD_IP).
`;

/** A setting that can't be used; the message names it, its value and the remedy. */
export class SettingsError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the configuration file.
 *
 * @throws {SettingsError} naming the file and the field
 */
export async function readSettings({ config }: Config): Promise<Settings> {
  if (config === undefined) return defaultSettings;
  try {
    return parseSettings(load(await Deno.readTextFile(config)));
  } catch (error) {
    throw new SettingsError(`The configuration file ${config} can't be used: ${(error as Error).message}.`);
  }
}

/** Reads the configuration; a flag wins over its variable, an empty variable counts as absent. */
export function readConfig(
  args: readonly string[],
  env: (name: string) => string | undefined,
  terminal: boolean,
): Config {
  let flags;
  try {
    flags = parseArgs({
      args: [...args].filter((arg, index) => !(arg === "--" && index === 0)),
      options: {
        kubeconfig: { type: "string" },
        context: { type: "string" },
        "ts-socket": { type: "string" },
        realm: { type: "string" },
        config: { type: "string" },
        log: { type: "string" },
        listen: { type: "string" },
        webhook: { type: "string" },
        "front-listen": { type: "string" },
        handover: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new SettingsError(`${(error as Error).message}\n\n${operatorUsage}`);
  }
  const given = {
    kubeconfig: flags.kubeconfig ?? (env("KUBECONFIG") || undefined),
    context: flags.context,
    socket: flags["ts-socket"] ?? (env("TS_SOCKET") || undefined),
    realm: flags.realm ?? (env("KEYSTONE_REALM") || undefined),
    config: flags.config ?? (env("KEYSTONE_CONFIG") || undefined),
    log: flags.log ?? (env("KEYSTONE_LOG") || (terminal ? "text" : "json")),
    listen: (flags.listen ?? env("KEYSTONE_LISTEN")) || defaultListen,
    webhook: (flags.webhook ?? env("KEYSTONE_WEBHOOK")) || "off",
    frontListen: (flags["front-listen"] ?? env("KEYSTONE_FRONT_LISTEN")) || defaultFrontListen,
    handover: flags.handover ?? (env("KEYSTONE_HANDOVER") || undefined),
  };
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const field = path[0] as keyof typeof given;
    const name = {
      kubeconfig: "KUBECONFIG",
      context: "--context",
      socket: "TS_SOCKET",
      realm: "KEYSTONE_REALM",
      config: "KEYSTONE_CONFIG",
      log: "KEYSTONE_LOG",
      listen: "KEYSTONE_LISTEN",
      webhook: "KEYSTONE_WEBHOOK",
      frontListen: "KEYSTONE_FRONT_LISTEN",
      handover: "KEYSTONE_HANDOVER",
    }[field];
    throw new SettingsError(
      `${name} is "${given[field]}", which ${message.startsWith("is ") ? message : `is not valid: ${message}`}.`,
    );
  }
  return {
    ...onPod(parsed.data as Omit<Config, "help" | "listenGiven">, env("POD_IP") || undefined),
    listenGiven: (flags.listen ?? env("KEYSTONE_LISTEN") ?? "") !== "",
    help: flags.help ?? false,
  };
}

/**
 * In a pod whatever listens on all addresses listens on loopback too, where a tailscaled in userspace mode delivers what
 * any node of the tailnet sends; so there a port without an address means the pod's own address.
 */
function onPod<T extends Pick<Config, "listen" | "frontListen" | "webhook">>(
  config: T,
  address: string | undefined,
): T {
  if (address === undefined) return config;
  const { listen, frontListen, webhook } = config;
  return {
    ...config,
    ...(listen ? { listen: { hostname: address, ...listen } } : {}),
    ...(frontListen ? { frontListen: { hostname: address, ...frontListen } } : {}),
    ...(webhook ? { webhook: { hostname: address, ...webhook } } : {}),
  };
}
