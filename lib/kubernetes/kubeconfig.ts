import { dirname, isAbsolute, join } from "node:path";
import { load as parseYaml, YAMLException } from "js-yaml";
import { z } from "zod";
import { type ClientConfig, ConfigError, type CredentialSource } from "./client_config.ts";
import { type ConfigEnvironment, systemEnvironment } from "./client_config.ts";
import { basicAuthorization, fixedCredentials, TokenFile } from "./credentials.ts";
import { ExecCredentials } from "./exec_credentials.ts";

/** kubectl writes empty lists and strings as null or omits them. */
const text = z.string().nullish().transform((value) => value || undefined);
const flag = z.boolean().nullish();

const clusterSchema = z.object({
  server: text,
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": flag,
  "tls-server-name": text,
  "proxy-url": text,
  extensions: z.array(z.object({ name: z.string(), extension: z.unknown().optional() })).nullish(),
});

const userSchema = z.object({
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  "auth-provider": z.unknown().optional(),
  as: text,
  "as-uid": text,
  "as-groups": z.array(z.string()).nullish(),
  "as-user-extra": z.record(z.string(), z.array(z.string())).nullish(),
  exec: z.object({
    apiVersion: z.string(),
    command: z.string(),
    args: z.array(z.string()).nullish(),
    env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
    installHint: z.string().optional(),
    provideClusterInfo: z.boolean().optional(),
    interactiveMode: z.enum(["Never", "IfAvailable", "Always"]).optional(),
  }).nullish(),
});

const contextSchema = z.object({ cluster: text, user: text, namespace: text });

const fileSchema = z.object({
  "current-context": text,
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(
    z.object({ name: z.string(), user: userSchema.nullish().transform((user) => user ?? userSchema.parse({})) }),
  ).nullish(),
  contexts: z.array(z.object({ name: z.string(), context: contextSchema })).nullish(),
});

/** An entry with its file, the base of its relative paths. */
type From<T> = T & { readonly file: string };
type Cluster = z.output<typeof clusterSchema>;
type User = z.output<typeof userSchema>;
type Context = z.output<typeof contextSchema>;

/** Files to read and their environment. */
export interface LoadKubeconfigOptions extends ConfigEnvironment {
  /** Files in order of precedence. Default: those of `KUBECONFIG`, otherwise `~/.kube/config`. */
  paths?: readonly string[];
}

/**
 * Returns the paths that kubectl would read: those of the variable `KUBECONFIG` (separated by `:`, on Windows by
 * `;`), otherwise `~/.kube/config`; none if there is no home directory.
 */
export function kubeconfigPaths(env: (name: string) => string | undefined, windows = false): string[] {
  const named = (env("KUBECONFIG") ?? "").split(windows ? ";" : ":").filter((path) => path !== "");
  if (named.length > 0) return [...new Set(named)];
  const home = env("HOME") ?? env("USERPROFILE");
  return home ? [join(home, ".kube", "config")] : [];
}

/**
 * One or several kubeconfig files, merged as kubectl merges them: the first file with a context, cluster, user or
 * current context wins, entry by entry.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { Kubeconfig } from "./mod.ts";
 *
 * const kubeconfig = await Kubeconfig.load({
 *   paths: ["/home/a/.kube/config"],
 *   readTextFile: () =>
 *     Promise.resolve(`
 * current-context: dev
 * contexts: [{ name: dev, context: { cluster: c, user: u, namespace: team } }]
 * clusters: [{ name: c, cluster: { server: "https://10.0.0.1:6443/" } }]
 * users: [{ name: u, user: { token: secret } }]
 * `),
 * });
 * const config = await kubeconfig.clientConfig();
 * assert.equal(config.server, "https://10.0.0.1:6443");
 * assert.equal(config.namespace, "team");
 * assert.equal((await config.credentials.current()).authorization, "Bearer secret");
 * ```
 */
export class Kubeconfig {
  /** Files that were found and read. */
  readonly files: readonly string[];
  /** Value of `current-context`; undefined if no file has it. */
  readonly currentContext: string | undefined;
  readonly #contexts: ReadonlyMap<string, From<Context>>;
  readonly #clusters: ReadonlyMap<string, From<Cluster>>;
  readonly #users: ReadonlyMap<string, From<User>>;
  readonly #environment: Required<ConfigEnvironment>;

  private constructor(
    files: { path: string; content: z.output<typeof fileSchema> }[],
    environment: Required<ConfigEnvironment>,
  ) {
    const contexts = new Map<string, From<Context>>();
    const clusters = new Map<string, From<Cluster>>();
    const users = new Map<string, From<User>>();
    for (const { path: file, content } of files) {
      this.currentContext ??= content["current-context"];
      for (const { name, context } of content.contexts ?? []) setFirst(contexts, name, { ...context, file });
      for (const { name, cluster } of content.clusters ?? []) setFirst(clusters, name, { ...cluster, file });
      for (const { name, user } of content.users ?? []) {
        setFirst(users, name, { ...user, file });
      }
    }
    this.files = files.map(({ path }) => path);
    this.#contexts = contexts;
    this.#clusters = clusters;
    this.#users = users;
    this.#environment = environment;
  }

  /**
   * Reads the files. As with kubectl, some of several may be missing; rejects with {@linkcode ConfigError} if all are
   * missing, or if one can't be read or isn't a kubeconfig.
   */
  static async load(options: LoadKubeconfigOptions = {}): Promise<Kubeconfig> {
    const environment = systemEnvironment(options);
    const paths = options.paths ?? kubeconfigPaths(environment.env, Deno.build.os === "windows");
    const files: { path: string; content: z.output<typeof fileSchema> }[] = [];
    for (const path of paths) {
      const content = await readFile(path, environment);
      if (content) files.push({ path, content });
    }
    if (files.length === 0) {
      throw new ConfigError(
        paths.length === 0
          ? "There is no kubeconfig: neither KUBECONFIG nor HOME is set. Set KUBECONFIG to the path of one."
          : `There is no kubeconfig at ${paths.join(" or ")}. Set KUBECONFIG to the path of one.`,
      );
    }
    return new Kubeconfig(files, environment);
  }

  /** Names of all contexts, in the order of the files. */
  get contexts(): string[] {
    return [...this.#contexts.keys()];
  }

  /**
   * Resolves a context to a configuration. Reads certificates, keys and the CA now; token files and plugins when they
   * are needed. Rejects with {@linkcode ConfigError} with the file, context, field and remedy.
   *
   * @param contextName default: the current context
   */
  async clientConfig(contextName: string | undefined = this.currentContext): Promise<ClientConfig> {
    if (!contextName) {
      throw new ConfigError(
        `${this.files.join(", ")} has no current-context. Choose one: kubectl config use-context ${
          this.contexts[0] ?? "NAME"
        }`,
      );
    }
    const context = this.#contexts.get(contextName);
    if (!context) {
      throw new ConfigError(
        `The context ${JSON.stringify(contextName)} isn't in ${this.files.join(", ")}, which has ${
          this.contexts.map((name) => JSON.stringify(name)).join(", ") || "none"
        }. Choose one of these: kubectl config use-context NAME`,
      );
    }
    const source = `context ${JSON.stringify(contextName)} of ${context.file}`;
    const cluster = this.#entry("cluster", context.cluster, this.#clusters, source);
    const user = context.user === undefined ? undefined : this.#entry("user", context.user, this.#users, source);

    const clusterName = `cluster ${JSON.stringify(context.cluster)} of ${cluster.file}`;
    const server = serverUrl(cluster, clusterName);
    refuseUnsupported(cluster, context.cluster!, clusterName, server);
    const caCerts = await this.#pem(cluster, "certificate-authority", clusterName);
    return {
      source,
      server: server.href.replace(/\/+$/, ""),
      caCerts,
      proxyUrl: cluster["proxy-url"],
      namespace: context.namespace ?? "default",
      credentials: user
        ? await this.#credentials(user, `user ${JSON.stringify(context.user)} of ${user.file}`, {
          server: cluster.server!,
          "certificate-authority-data": caCerts && new TextEncoder().encode(caCerts).toBase64(),
          "proxy-url": cluster["proxy-url"],
          config: cluster.extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension,
        })
        : fixedCredentials({}),
      headers: user && impersonation(user),
    };
  }

  #entry<T>(kind: "cluster" | "user", name: string | undefined, entries: ReadonlyMap<string, T>, source: string): T {
    const entry = name === undefined ? undefined : entries.get(name);
    if (entry) return entry;
    throw new ConfigError(
      name === undefined
        ? `The ${source} names no ${kind}. Set one: kubectl config set-context NAME --${kind}=…`
        : `The ${source} names the ${kind} ${JSON.stringify(name)}, which isn't in ${this.files.join(", ")}. ` +
          `Correct the context's field ${kind}, or add the ${kind}: kubectl config set-${
            kind === "user" ? "credentials" : "cluster"
          } ${name} …`,
    );
  }

  /**
   * Returns the PEM text of a field that is either inline (`…-data`, base64, which takes precedence as in kubectl) or
   * a path.
   */
  async #pem<K extends "certificate-authority" | "client-certificate" | "client-key">(
    entry: From<{ [F in K | `${K}-data`]?: string | undefined }>,
    field: K,
    source: string,
  ): Promise<string | undefined> {
    const data: string | undefined = entry[`${field}-data`];
    const path: string | undefined = entry[field];
    let pem: string;
    let where: string;
    if (data !== undefined) {
      where = `${field}-data of ${source}`;
      try {
        pem = new TextDecoder().decode(Uint8Array.fromBase64(data));
      } catch (error) {
        throw new ConfigError(`${where} isn't base64. Write it with kubectl config, or use ${field} with a path.`, {
          cause: error,
        });
      }
    } else if (path !== undefined) {
      const file = relativeTo(entry.file, path);
      where = `${field} ${file} of ${source}`;
      try {
        pem = await this.#environment.readTextFile(file);
      } catch (error) {
        throw new ConfigError(
          `${where} can't be read (${(error as Error).message}). Correct the path, or make the file readable.`,
          { cause: error },
        );
      }
    } else return undefined;
    const label = field === "client-key" ? "PRIVATE KEY" : "CERTIFICATE";
    if (!pem.includes(`${label}-----`)) {
      throw new ConfigError(`${where} isn't PEM: it has no "-----BEGIN … ${label}-----". Put a PEM ${label} there.`);
    }
    return pem;
  }

  async #credentials(
    user: From<User>,
    source: string,
    cluster: ConstructorParameters<typeof ExecCredentials>[0]["cluster"],
  ): Promise<CredentialSource> {
    if (user["auth-provider"]) {
      throw new ConfigError(
        `The ${source} uses auth-provider, which Kubernetes 1.26 removed. Log in again with a tool that writes an ` +
          `exec section (such as gke-gcloud-auth-plugin or kubelogin).`,
      );
    }
    const certificate = await this.#pem(user, "client-certificate", source);
    const key = await this.#pem(user, "client-key", source);
    if ((certificate === undefined) !== (key === undefined)) {
      const [given, missing] = certificate
        ? ["client-certificate", "client-key"]
        : ["client-key", "client-certificate"];
      throw new ConfigError(`The ${source} has a ${given} but no ${missing}. Add ${missing} or ${missing}-data.`);
    }
    const clientCertificate = certificate && key ? { certificate, key } : undefined;
    // The precedence of client-go: a token file before a token, both before a password; a plugin is the last resort.
    if (user.tokenFile) {
      return new TokenFile({
        path: relativeTo(user.file, user.tokenFile),
        readTextFile: this.#environment.readTextFile,
        source,
        clientCertificate,
      });
    }
    if (user.token) return fixedCredentials({ authorization: `Bearer ${user.token}`, clientCertificate });
    if (user.username) {
      return fixedCredentials({
        authorization: basicAuthorization(user.username, user.password ?? ""),
        clientCertificate,
      });
    }
    if (user.exec && !clientCertificate) {
      const { command } = user.exec;
      return new ExecCredentials({
        // A name without a slash is searched on the PATH; one with a slash is a path.
        exec: { ...user.exec, command: /[/\\]/.test(command) ? relativeTo(user.file, command) : command },
        cluster,
        source,
        runCommand: this.#environment.runCommand,
      });
    }
    return fixedCredentials({ clientCertificate });
  }
}

async function readFile(path: string, environment: Required<ConfigEnvironment>) {
  const unreadable = (why: string, cause?: unknown) =>
    new ConfigError(`The kubeconfig ${path} can't be read: ${why}. Correct it, or set KUBECONFIG to another.`, {
      cause,
    });
  let content: unknown;
  try {
    const text = await environment.readTextFile(path);
    content = text.trim() === "" ? {} : parseYaml(text);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // Its message quotes the lines around the error, which can contain tokens and keys.
    if (error instanceof YAMLException) throw unreadable(`it isn't YAML${placeOf(error)}`);
    throw unreadable((error as Error).message, error);
  }
  const parsed = fileSchema.safeParse(content ?? {});
  if (!parsed.success) {
    throw new ConfigError(
      `The kubeconfig ${path} isn't valid: ${
        parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`).join("; ")
      }. Correct these fields.`,
    );
  }
  return parsed.data;
}

const placeOf = ({ mark }: YAMLException): string => mark ? ` at line ${mark.line + 1}, column ${mark.column + 1}` : "";

function serverUrl(cluster: Cluster, source: string): URL {
  if (!cluster.server) {
    throw new ConfigError(`The ${source} has no server. Set it: kubectl config set-cluster NAME --server=https://…`);
  }
  // client-go reads a server without a scheme as http, which is never intended.
  const url = URL.parse(cluster.server);
  if (!url || !["https:", "http:"].includes(url.protocol)) {
    throw new ConfigError(
      `The server ${
        JSON.stringify(cluster.server)
      } of the ${source} isn't an http or https URL. Set it: kubectl config ` +
        `set-cluster NAME --server=https://HOST:PORT`,
    );
  }
  return url;
}

/** Deno always checks certificates against the URL's host name; settings that require otherwise must not be ignored. */
function refuseUnsupported(cluster: Cluster, name: string, source: string, server: URL): void {
  if (cluster["insecure-skip-tls-verify"]) {
    throw new ConfigError(
      `The ${source} sets insecure-skip-tls-verify, which this program refuses: an attacker on the path could read ` +
        `the credentials. Set the cluster's CA instead: kubectl config set-cluster ${name} ` +
        `--insecure-skip-tls-verify=false --certificate-authority=FILE --embed-certs`,
    );
  }
  const serverName = cluster["tls-server-name"];
  if (serverName !== undefined && serverName !== server.hostname) {
    throw new ConfigError(
      `The ${source} sets tls-server-name to ${serverName}, which Deno can't check instead of ${server.hostname}. ` +
        `Make ${serverName} resolve to the server (for example in /etc/hosts) and use it in the server's URL: kubectl config ` +
        `set-cluster ${name} --server=${server.protocol}//${serverName}${server.port && `:${server.port}`} ` +
        `--tls-server-name=`,
    );
  }
}

/** Returns the headers to act as another user (API docs, "User impersonation"). */
function impersonation(user: User): [string, string][] | undefined {
  const headers: [string, string][] = [];
  if (user.as) headers.push(["Impersonate-User", user.as]);
  if (user["as-uid"]) headers.push(["Impersonate-Uid", user["as-uid"]]);
  for (const group of user["as-groups"] ?? []) headers.push(["Impersonate-Group", group]);
  for (const [key, values] of Object.entries(user["as-user-extra"] ?? {})) {
    for (const value of values) headers.push([`Impersonate-Extra-${encodeURIComponent(key)}`, value]);
  }
  return headers.length > 0 ? headers : undefined;
}

function relativeTo(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

function setFirst<V>(map: Map<string, V>, key: string, value: V): void {
  if (!map.has(key)) map.set(key, value);
}
