/** The only reader of environment variables and flags. */
import { parseArgs } from "node:util";
import { z } from "zod";
import { load, YAMLException } from "js-yaml";
import { defaultSettings, maxNameLength, parseSettings, type Settings } from "./api/mod.ts";

const address = z.string().transform((text, context): Config["listen"] => {
  if (text === "off") return undefined;
  const [, bracketed, plain, port] = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const hostname = bracketed || plain;
  if (port !== undefined && Number(port) <= 65535) return { ...(hostname ? { hostname } : {}), port: Number(port) };
  context.addIssue("must be a port, ADDRESS:PORT or off");
  return z.NEVER;
});

/** Address of the tailnet server. */
export interface TailnetPlace {
  /**
   * `loopback`: 127.0.0.1, where a tailscaled in userspace mode delivers connections to this node; `tailnet`: the
   * node's tailnet addresses, which a tailscaled with a TUN device has.
   */
  at: "loopback" | "tailnet";
  port: number;
}

const tailnetPlace = z.string().transform((text, context): TailnetPlace | undefined => {
  if (text === "off") return undefined;
  const [, host, port] = /^(127\.0\.0\.1|tailnet):(\d{1,5})$/.exec(text) ?? [];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65535) {
    return { at: host === "tailnet" ? "tailnet" : "loopback", port: Number(port) };
  }
  context.addIssue("must be 127.0.0.1:PORT (tailscaled in userspace mode), tailnet:PORT (with a TUN device) or off");
  return z.NEVER;
});

const settings = z.object({
  kubeconfig: z.string().min(1).optional(),
  context: z.string().min(1).optional(),
  socket: z.string().min(1).startsWith("/", "must be an absolute path").optional(),
  realm: z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be the name of a realm").max(maxNameLength)
    .optional(),
  config: z.string().min(1).optional(),
  log: z.enum(["json", "text"], "must be json or text"),
  handover: z.string().min(1).startsWith("/", "must be an absolute path").optional(),
  listen: address,
  frontListen: address,
  tailnetListen: tailnetPlace,
  webhook: z.string().transform((text, context): Config["webhook"] => {
    if (text === "off") return undefined;
    if (text === "service") return { place: { service: true }, port: servicePort };
    const url = URL.parse(text);
    if (url?.protocol === "https:" && url.pathname === "/" && !url.search && !url.username) {
      const hostname = url.hostname.replace(/^\[|\]$/g, "");
      return { place: { url: url.origin }, hostname, port: Number(url.port || 443) };
    }
    context.addIssue("must be off, service or https://HOST:PORT");
    return z.NEVER;
  }),
});

/** Port of the webhook in a pod; its Service forwards to it. */
const servicePort = 9443;

/** Address of ports without an address, outside a pod. */
const thisMachine = "127.0.0.1";
/** Default address of health and metrics. Nothing is served if the port is taken. */
const defaultListen = `${thisMachine}:8080`;
/** Default address of the front's health and metrics. */
const defaultFrontListen = `${thisMachine}:8081`;

/** Configuration of this process, from flags and environment variables. */
export interface Config {
  /** KUBECONFIG, `--kubeconfig`: paths separated by `:`; absent: `~/.kube/config`, else the pod's service account. */
  kubeconfig?: string;
  /** `--context`: kubeconfig context; absent: the current one. */
  context?: string;
  /** TS_SOCKET, `--ts-socket`: LocalAPI socket of a tailscaled; absent: no tailnet. */
  socket?: string;
  /** KEYSTONE_REALM, `--realm`: this cluster's realm; absent: queried from the tailnet. */
  realm?: string;
  /** KEYSTONE_CONFIG, `--config`: a YAML file of {@linkcode Settings}; absent: the defaults. */
  config?: string;
  /** KEYSTONE_LOG, `--log`: log format. */
  log: "json" | "text";
  /** KEYSTONE_LISTEN, `--listen`: address of `/healthz`, `/readyz` and `/metrics`; absent: not served. */
  listen?: { hostname?: string; port: number };
  /** True if `listen` was set explicitly. */
  listenGiven: boolean;
  /** KEYSTONE_WEBHOOK, `--webhook`: address at which the API server calls the admission webhook; absent: none. */
  webhook?: { place: { service: true } | { url: string }; hostname?: string; port: number };
  /** KEYSTONE_FRONT_LISTEN, `--front-listen`: address of these pages of the front, the process that serves the webhook. */
  frontListen?: { hostname?: string; port: number };
  /** KEYSTONE_TAILNET_LISTEN, `--tailnet-listen`: address of the tailnet server, part of the front; absent: not served. */
  tailnetListen?: TailnetPlace;
  /** KEYSTONE_HANDOVER, `--handover`: folder through which the operator hands data to the front; absent: a new one. */
  handover?: string;
  help: boolean;
}

/** Variables that {@linkcode readConfig} reads and needs permission for. */
export const environment = [
  "KUBECONFIG",
  "TS_SOCKET",
  "KEYSTONE_REALM",
  "KEYSTONE_CONFIG",
  "KEYSTONE_LOG",
  "KEYSTONE_LISTEN",
  "KEYSTONE_WEBHOOK",
  "KEYSTONE_FRONT_LISTEN",
  "KEYSTONE_TAILNET_LISTEN",
  "KEYSTONE_HANDOVER",
  "POD_IP",
] as const;

export const operatorUsage = `The Keystone operator: enforces Grants in this cluster.

  deno task run [-- FLAGS]
  deno task run uninstall [FLAGS]   closes guests' access and removes finalizers; deletes nothing

  --kubeconfig PATH   kubeconfig (KUBECONFIG; default ~/.kube/config, in a pod its service account)
  --context NAME      kubeconfig context (default: the current one)
  --ts-socket PATH    socket of a tailscaled (TS_SOCKET; default: no tailnet, realms stay Unknown)
  --realm NAME        this cluster's realm (KEYSTONE_REALM; default: queried from the tailnet)
  --config PATH       trust ceilings and cluster ranges, YAML (KEYSTONE_CONFIG; see docs/configuration.md)
  --log json|text     log format (KEYSTONE_LOG; default text on a terminal, json elsewhere)
  --listen WHERE      health and metrics: PORT, ADDRESS:PORT or off (KEYSTONE_LISTEN; default 127.0.0.1:8080)
  --webhook WHERE     address at which the API server calls the admission webhook: service (in the cluster),
                      https://HOST:PORT or off (KEYSTONE_WEBHOOK; default off)
  --front-listen WHERE
                      health and metrics of the webhook's process (KEYSTONE_FRONT_LISTEN; default 127.0.0.1:8081)
  --tailnet-listen WHERE
                      address at which guests' kubectl arrives from the tailnet: 127.0.0.1:8443 (tailscaled in userspace
                      mode), tailnet:8443 (with a TUN device) or off (KEYSTONE_TAILNET_LISTEN; default off)
  --handover PATH     folder through which the operator hands token and certificate to the webhook's process if that
                      runs in another container (KEYSTONE_HANDOVER; default: both are started with a new folder)

A port without an address is opened on this machine only (127.0.0.1), in a pod on the pod's own address (POD_IP). All
addresses: 0.0.0.0:PORT or [::]:PORT.
`;

/** An invalid setting. The message has its name, its value and the remedy. */
export class SettingsError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads the configuration file.
 *
 * @throws {SettingsError} with the file and the field
 */
export async function readSettings({ config }: Config): Promise<Settings> {
  if (config === undefined) return defaultSettings;
  try {
    return parseSettings(load(await Deno.readTextFile(config)));
  } catch (error) {
    throw new SettingsError(unusable(config, error));
  }
}

function unusable(config: string, error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return `There is no configuration file ${config}. Create it, or correct --config or KEYSTONE_CONFIG.`;
  }
  const [said] = (error as Error).message.split("\n");
  const what = error instanceof Deno.errors.PermissionDenied
    ? "this user may not read it"
    : error instanceof YAMLException
    ? `it isn't YAML: ${said}`
    : said;
  return `The configuration file ${config} can't be used: ${what!.replace(/\.$/, "")}. See docs/configuration.md.`;
}

/** Reads the configuration. A flag takes precedence over its variable; an empty variable counts as absent. */
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
        "tailnet-listen": { type: "string" },
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
    tailnetListen: (flags["tailnet-listen"] ?? env("KEYSTONE_TAILNET_LISTEN")) || "off",
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
      tailnetListen: "KEYSTONE_TAILNET_LISTEN",
      handover: "KEYSTONE_HANDOVER",
    }[field];
    throw new SettingsError(
      `${name} is "${given[field]}", but ${message.startsWith("must ") ? message : `that is not valid: ${message}`}.`,
    );
  }
  return {
    ...onOwnAddress(parsed.data as Omit<Config, "help" | "listenGiven">, env("POD_IP") || undefined),
    listenGiven: (flags.listen ?? env("KEYSTONE_LISTEN") ?? "") !== "",
    help: flags.help ?? false,
  };
}

/**
 * Restricts ports without an address to the pod's own address, or outside a pod to this machine. A port that is open on
 * all addresses is also open on loopback, where a tailscaled in userspace mode delivers connections from any node of
 * the tailnet, and on the LAN.
 */
function onOwnAddress<T extends Pick<Config, "listen" | "frontListen" | "webhook">>(
  config: T,
  pod: string | undefined,
): T {
  const { listen, frontListen, webhook } = config;
  const hostname = pod ?? thisMachine;
  return {
    ...config,
    ...(listen ? { listen: { hostname, ...listen } } : {}),
    ...(frontListen ? { frontListen: { hostname, ...frontListen } } : {}),
    // Outside a pod its address is always given.
    ...(webhook && pod !== undefined ? { webhook: { hostname: pod, ...webhook } } : {}),
  };
}
