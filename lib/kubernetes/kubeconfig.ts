import { dirname, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { type ClientConfig, ConfigError, type CredentialSource } from "./client_config.ts";
import { type ConfigEnvironment, systemEnvironment } from "./client_config.ts";
import { basicAuthorization, fixedCredentials, TokenFile } from "./credentials.ts";
import { type ExecCluster, ExecCredentials } from "./exec_credentials.ts";
import { KubernetesYamlError, readKubernetesYaml } from "./kubernetes_yaml.ts";

/** client-go takes null for an absent value, everywhere. */
const text = z.string().nullish().transform((value) => value || undefined);
const texts = z.array(z.string().nullable().transform((value) => value ?? "")).nullish()
  .transform((value) => value ?? []);
const flag = z.boolean().nullish().transform((value) => value ?? false);

const clusterSchema = z.object({
  server: text,
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": flag,
  "tls-server-name": text,
  "proxy-url": text,
  extensions: z.array(z.object({ name: z.string().nullish(), extension: z.unknown().optional() })).nullish(),
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
  "as-groups": texts,
  "as-user-extra": z.record(z.string(), texts).nullish().transform((extra) => extra ?? {}),
  exec: z.object({
    apiVersion: z.string(),
    command: z.string().min(1),
    args: texts,
    env: z.array(z.object({ name: z.string().min(1), value: z.string().nullish().transform((value) => value ?? "") }))
      .nullish(),
    installHint: text,
    provideClusterInfo: flag,
    interactiveMode: z.union([z.enum(["Never", "IfAvailable", "Always"]), z.literal("")]).nullish()
      .transform((mode) => mode || undefined),
  }).nullish(),
});

const contextSchema = z.object({ cluster: text, user: text, namespace: text });

/** Entries are validated when a context uses them, so that a broken one elsewhere doesn't matter. */
const entries = (kind: string) =>
  z.array(z.object({ name: z.string().nullish().transform((name) => name ?? ""), [kind]: z.unknown().optional() }))
    .nullish();

const fileSchema = z.object({
  "current-context": text,
  clusters: entries("cluster"),
  users: entries("user"),
  contexts: entries("context"),
});

/** An entry with its file, the base of its relative paths. */
type From<T> = T & { readonly file: string };
type Cluster = z.output<typeof clusterSchema>;
type User = z.output<typeof userSchema>;
type Entries = ReadonlyMap<string, { file: string; content: unknown; field: string }>;

/** Values of flags, which take precedence over those of the files as in kubectl. */
export interface KubeconfigOverrides {
  /** Name of the cluster entry. */
  cluster?: string | undefined;
  /** Name of the user entry. */
  user?: string | undefined;
  /** Namespace in place of the context's. */
  namespace?: string | undefined;
  /** URL of the API server. */
  server?: string | undefined;
  /** Path, relative to the current folder. */
  certificateAuthority?: string | undefined;
  /** True to accept any certificate of the API server. */
  insecureSkipTlsVerify?: boolean | undefined;
  /** Name that the API server's certificate must have. */
  tlsServerName?: string | undefined;
  /** Bearer token; other credentials of the user are ignored. */
  token?: string | undefined;
  /** User to impersonate. */
  as?: string | undefined;
  /** UID to impersonate. */
  asUid?: string | undefined;
  /** Groups to impersonate. */
  asGroups?: readonly string[] | undefined;
}

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
  readonly #contexts: Entries;
  readonly #clusters: Entries;
  readonly #users: Entries;
  readonly #environment: Required<ConfigEnvironment>;

  private constructor(
    files: { path: string; content: z.output<typeof fileSchema> }[],
    environment: Required<ConfigEnvironment>,
  ) {
    const merged = (list: "contexts" | "clusters" | "users", kind: string): Entries => {
      const all = new Map<string, { file: string; content: unknown; field: string }>();
      for (const { path: file, content } of files) {
        for (const [index, entry] of (content[list] ?? []).entries()) {
          const name = entry.name as string;
          if (!all.has(name)) all.set(name, { file, content: entry[kind], field: `${list}.${index}.${kind}` });
        }
      }
      return all;
    };
    this.currentContext = files.find(({ content }) => content["current-context"])?.content["current-context"];
    this.files = files.map(({ path }) => path);
    this.#contexts = merged("contexts", "context");
    this.#clusters = merged("clusters", "cluster");
    this.#users = merged("users", "user");
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
          : `There is no kubeconfig at ${paths.join(" or ")}. Set KUBECONFIG to the path of one.` +
            " That of k3s is /etc/rancher/k3s/k3s.yaml.",
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
  async clientConfig(
    contextName: string | undefined = this.currentContext,
    overrides: KubeconfigOverrides = {},
  ): Promise<ClientConfig> {
    const { context, source } = this.#context(contextName, overrides);
    const cluster = this.#cluster(overrides.cluster ?? context.cluster, source, overrides);
    const user = this.#user(overrides.user ?? context.user, source, overrides);

    const clusterName = `cluster ${JSON.stringify(cluster.name)} of ${cluster.file}`;
    const server = serverUrl(cluster, clusterName);
    const insecure = cluster["insecure-skip-tls-verify"];
    // An authority wouldn't be used; client-go refuses both.
    const caCerts = insecure ? undefined : await this.#pem(cluster, "certificate-authority", clusterName);
    const caInFile = caCerts !== undefined && cluster["certificate-authority-data"] === undefined;
    const serverName = cluster["tls-server-name"];
    return {
      source,
      server: server.href.replace(/\/+$/, ""),
      caCerts,
      ...(caInFile
        ? { readCaCerts: async () => (await this.#pem(cluster, "certificate-authority", clusterName))! }
        : {}),
      ...(serverName === undefined || serverName === server.hostname ? {} : { tlsServerName: serverName }),
      ...(insecure ? { insecureSkipTlsVerify: true } : {}),
      proxyUrl: cluster["proxy-url"],
      namespace: overrides.namespace ?? context.namespace ?? "default",
      // As in client-go, credentials aren't sent without TLS, as to a `kubectl proxy`.
      credentials: user && server.protocol === "https:"
        ? await this.#credentials(user, user.source, {
          server: cluster.server!,
          "tls-server-name": serverName,
          ...(insecure ? { "insecure-skip-tls-verify": true } : {}),
          "certificate-authority-data": caCerts && new TextEncoder().encode(caCerts).toBase64(),
          "proxy-url": cluster["proxy-url"],
          config: cluster.extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension,
        })
        : fixedCredentials({}),
      headers: user && impersonation(user, user.source),
    };
  }

  #context(name: string | undefined, { cluster, server }: KubeconfigOverrides) {
    if (!name) {
      // With flags for the cluster, kubectl needs no context.
      if (cluster !== undefined || server !== undefined) {
        return { context: contextSchema.parse({}), source: `flags and ${this.files.join(", ")}` };
      }
      throw new ConfigError(
        `${this.files.join(", ")} has no current-context. Choose one: kubectl config use-context ${
          this.contexts[0] ?? "NAME"
        }`,
      );
    }
    const entry = this.#contexts.get(name);
    if (!entry) {
      throw new ConfigError(
        `The context ${JSON.stringify(name)} isn't in ${this.files.join(", ")}, which has ${
          this.contexts.map((name) => JSON.stringify(name)).join(", ") || "none"
        }. Choose one of these: kubectl config use-context NAME`,
      );
    }
    return { context: valid(contextSchema, entry), source: `context ${JSON.stringify(name)} of ${entry.file}` };
  }

  #cluster(name: string | undefined, source: string, overrides: KubeconfigOverrides): From<Cluster> & { name: string } {
    const { server, tlsServerName, certificateAuthority, insecureSkipTlsVerify } = overrides;
    const entry = name === undefined && server !== undefined
      ? undefined
      : this.#entry("cluster", name, this.#clusters, source);
    const cluster = {
      ...entry === undefined ? clusterSchema.parse({}) : valid(clusterSchema, entry),
      name: name ?? "",
      file: entry?.file ?? "the flags",
    };
    if (server !== undefined) cluster.server = server;
    // The server of a flag has another name than the one of the file.
    if (server !== undefined || tlsServerName !== undefined) cluster["tls-server-name"] = tlsServerName;
    if (certificateAuthority !== undefined || insecureSkipTlsVerify) {
      cluster["insecure-skip-tls-verify"] = insecureSkipTlsVerify ?? false;
      cluster["certificate-authority"] = certificateAuthority && resolve(certificateAuthority);
      cluster["certificate-authority-data"] = undefined;
    }
    return cluster;
  }

  #user(
    name: string | undefined,
    context: string,
    { token, as, asUid, asGroups }: KubeconfigOverrides,
  ): From<User> & { source: string } | undefined {
    const overridden = token !== undefined || as !== undefined || asUid !== undefined || asGroups !== undefined;
    if (name === undefined && !overridden) return undefined;
    const entry = name === undefined ? undefined : this.#entry("user", name, this.#users, context);
    const user = {
      ...entry === undefined ? userSchema.parse({}) : valid(userSchema, entry),
      file: entry?.file ?? "",
      source: entry === undefined ? "user of the flags" : `user ${JSON.stringify(name)} of ${entry.file}`,
    };
    if (token !== undefined) {
      Object.assign(user, { token, tokenFile: undefined, username: undefined, exec: undefined });
      delete user["auth-provider"];
    }
    if (as !== undefined) user.as = as;
    if (asUid !== undefined) user["as-uid"] = asUid;
    if (asGroups !== undefined) user["as-groups"] = [...asGroups];
    return user;
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
    cluster: ExecCluster,
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
        attended: this.#environment.attended,
        isInteractive: this.#environment.isInteractive,
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
    content = readKubernetesYaml(await environment.readTextFile(path)).value;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof KubernetesYamlError) throw unreadable(`it isn't YAML at ${error.message}`);
    throw unreadable((error as Error).message, error);
  }
  return checked(fileSchema, content ?? {}, path, "");
}

/** Returns an entry's content; an absent one is empty. */
const valid = <S extends z.ZodType>(
  schema: S,
  { content, file, field }: { content: unknown; file: string; field: string },
): z.output<S> => checked(schema, content ?? {}, file, field);

function checked<S extends z.ZodType>(schema: S, content: unknown, file: string, field: string): z.output<S> {
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) =>
    `${[field, ...path].filter((part) => part !== "").join(".") || "the file"}: ${message}`
  );
  throw new ConfigError(`The kubeconfig ${file} isn't valid: ${issues.join("; ")}. Correct these fields.`);
}

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

/** Returns the headers to act as another user (API docs, "User impersonation"). */
export function impersonation(
  user: Partial<Pick<User, "as" | "as-uid" | "as-groups" | "as-user-extra">>,
  source: string,
): [string, string][] | undefined {
  const { "as-groups": groups = [], "as-user-extra": extra = {} } = user;
  if (user.as === undefined) {
    if (user["as-uid"] === undefined && groups.length === 0 && Object.keys(extra).length === 0) return undefined;
    throw new ConfigError(
      `The ${source} impersonates a uid, groups or extra fields without a user. Set as as well (flag --as).`,
    );
  }
  const headers: [string, string][] = [["Impersonate-User", user.as]];
  if (user["as-uid"]) headers.push(["Impersonate-Uid", user["as-uid"]]);
  for (const group of groups) headers.push(["Impersonate-Group", group]);
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) headers.push([`Impersonate-Extra-${encodeURIComponent(key)}`, value]);
  }
  return headers;
}

/** Returns an absolute path: a command without a slash would be searched on the PATH. */
function relativeTo(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(join(dirname(file), path));
}
