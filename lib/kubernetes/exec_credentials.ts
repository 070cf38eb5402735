import { type Clock, systemClock } from "../clock/mod.ts";
import { ConfigError, type Credentials, type CredentialSource, type RunCommand } from "./client_config.ts";

/** Supported versions of `client.authentication.k8s.io`; Kubernetes 1.24 removed v1alpha1. */
const API_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/** A plugin that nobody attends may ask a cloud, which takes a while, but not forever. */
const UNATTENDED_MS = 60_000;

/** A user's `exec` section in a kubeconfig (client-go `ExecConfig`). */
export interface ExecConfig {
  apiVersion: string;
  command: string;
  args?: string[] | null | undefined;
  env?: { name: string; value: string }[] | null | undefined;
  installHint?: string | null | undefined;
  provideClusterInfo?: boolean | null | undefined;
  interactiveMode?: "Never" | "IfAvailable" | "Always" | null | undefined;
}

/** Cluster information for a plugin with `provideClusterInfo` (`ExecCredentialSpec.cluster`). */
export interface ExecCluster {
  server: string;
  "tls-server-name"?: string | undefined;
  "insecure-skip-tls-verify"?: true | undefined;
  "certificate-authority-data"?: string | undefined;
  "proxy-url"?: string | undefined;
  /** The cluster's extension named `client.authentication.k8s.io/exec`. */
  config?: unknown | undefined;
}

/** Options of {@linkcode ExecCredentials}. */
export interface ExecCredentialsOptions {
  exec: ExecConfig;
  /** Passed to the plugin if it requests it. */
  cluster: ExecCluster;
  /** Origin, for messages, such as `user "cloud" of /home/a/.kube/config`. */
  source: string;
  runCommand: RunCommand;
  clock?: Clock | undefined;
  /** True if a person sees the plugin's standard error; then it isn't stopped after a while. Default: false. */
  attended?: boolean | undefined;
  /** True if a person can answer a question; default: if standard input is a terminal. */
  isInteractive?: (() => boolean) | undefined;
}

interface ExecCredentialStatus {
  expirationTimestamp?: string | null | undefined;
  token?: string | null | undefined;
  clientCertificateData?: string | null | undefined;
  clientKeyData?: string | null | undefined;
}

/**
 * Credentials from a plugin (KEP-541, "client-go credential plugins"): the program prints an `ExecCredential`, which
 * is kept until its `expirationTimestamp` or until the server refuses it. Concurrent calls share one run.
 */
export class ExecCredentials implements CredentialSource {
  readonly attended: boolean;
  readonly #options: ExecCredentialsOptions;
  readonly #clock: Clock;
  #kept: { credentials: Credentials; expiresAt: number } | undefined;
  #running: Promise<Credentials> | undefined;

  /** Throws {@linkcode ConfigError} for an unsupported apiVersion. */
  constructor(options: ExecCredentialsOptions) {
    const { exec, source } = options;
    if (!API_VERSIONS.includes(exec.apiVersion)) {
      throw new ConfigError(
        `exec.apiVersion of ${source} is ${JSON.stringify(exec.apiVersion)}; this program supports ${
          API_VERSIONS.join(" and ")
        }. Update the credential plugin ${exec.command} and write the kubeconfig with it again.`,
      );
    }
    this.attended = options.attended ?? false;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  current(): Promise<Credentials> {
    if (this.#kept && this.#clock.now() < this.#kept.expiresAt) return Promise.resolve(this.#kept.credentials);
    this.#running ??= this.#run().finally(() => this.#running = undefined);
    return this.#running;
  }

  renew(refused: Credentials): Promise<boolean> {
    // If several requests were refused at once, only the first discards the credentials.
    if (this.#kept?.credentials === refused) this.#kept = undefined;
    return Promise.resolve(true);
  }

  async #run(): Promise<Credentials> {
    const { attended } = this;
    const { exec, runCommand } = this.#options;
    const interactive = this.#interactive();
    const env = Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value]));
    const deadline = new AbortController();
    const timer = attended ? undefined : this.#clock.setTimer(
      UNATTENDED_MS,
      () => deadline.abort(new DOMException(`it ran for more than ${UNATTENDED_MS / 1000} s`, "TimeoutError")),
    );
    let output: Awaited<ReturnType<RunCommand>>;
    try {
      output = await runCommand(exec.command, {
        args: exec.args ?? [],
        env: { ...env, KUBERNETES_EXEC_INFO: this.#execInfo(interactive) },
        stdin: interactive ? "inherit" : "null",
        stderr: attended ? "inherit" : "piped",
        signal: deadline.signal,
      });
    } catch (error) {
      throw this.#failure(deadline.signal.aborted ? deadline.signal.reason : error);
    } finally {
      timer?.cancel();
    }
    // An aborted Deno.Command doesn't reject; it ends with the signal's exit code.
    if (deadline.signal.aborted) throw this.#failure(deadline.signal.reason);
    if (output.code !== 0) {
      const why = attended ? "" : `: ${lastLines(output.stderr)}`;
      throw this.#failure(new Error(`it ended with code ${output.code}${why}`));
    }
    const status = this.#parse(output.stdout);
    const expiresAt = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Infinity;
    if (Number.isNaN(expiresAt)) {
      throw this.#failure(
        new Error(
          `its status.expirationTimestamp ${JSON.stringify(status.expirationTimestamp)} is not an RFC 3339 time`,
        ),
      );
    }
    const { token, clientCertificateData: certificate, clientKeyData: key } = status;
    if (!certificate !== !key) {
      throw this.#failure(new Error("its status has only one of clientCertificateData and clientKeyData"));
    }
    if (!token && !certificate) {
      throw this.#failure(new Error(`its status has neither a token nor clientCertificateData with clientKeyData`));
    }
    const credentials: Credentials = {
      authorization: token ? `Bearer ${token}` : undefined,
      clientCertificate: certificate && key ? { certificate, key } : undefined,
    };
    this.#kept = { credentials, expiresAt };
    return credentials;

    function lastLines(text: string): string {
      return text.trim().split("\n").slice(-5).join("\n") || "it wrote nothing to standard error";
    }
  }

  #interactive(): boolean {
    const { exec, source } = this.#options;
    const mode = exec.interactiveMode ?? "IfAvailable";
    if (mode === "Never") return false;
    const available = (this.#options.isInteractive ?? (() => Deno.stdin.isTerminal()))();
    if (mode === "Always" && !available) {
      throw new ConfigError(
        `The credential plugin ${exec.command} of ${source} is interactive (interactiveMode: Always), but ` +
          `standard input isn't a terminal or is used for -f -. Use a user without questions, such as a service account token.`,
      );
    }
    return available;
  }

  #execInfo(interactive: boolean): string {
    const { exec, cluster } = this.#options;
    return JSON.stringify({
      kind: "ExecCredential",
      apiVersion: exec.apiVersion,
      spec: { interactive, ...(exec.provideClusterInfo && { cluster }) },
    });
  }

  #parse(stdout: string): ExecCredentialStatus {
    const { exec } = this.#options;
    let credential: { kind?: unknown; apiVersion?: unknown; status?: ExecCredentialStatus };
    try {
      credential = JSON.parse(stdout);
    } catch {
      // The text may contain a secret, so it isn't quoted.
      throw this.#failure(new Error("it didn't print JSON"));
    }
    if (credential?.kind !== "ExecCredential" || credential.apiVersion !== exec.apiVersion) {
      throw this.#failure(
        new Error(
          `it printed ${credential?.apiVersion} ${credential?.kind} instead of ${exec.apiVersion} ExecCredential`,
        ),
      );
    }
    return credential.status ?? {};
  }

  #failure(cause: unknown): ConfigError {
    const { exec, source } = this.#options;
    let why = cause instanceof Error ? cause.message : String(cause);
    let remedy = `Run it by hand to see more: ${[exec.command, ...(exec.args ?? [])].join(" ")}`;
    if (cause instanceof Deno.errors.NotFound) {
      why = "it isn't installed, or isn't on the PATH";
      remedy = exec.installHint?.trim() || "Install it.";
    } else if (cause instanceof Deno.errors.NotCapable) {
      remedy = `Start Deno with --allow-run=${exec.command} as well.`;
    }
    return new ConfigError(
      `The credential plugin ${exec.command} of ${source} gave no credentials: ${why}. ${remedy}`,
      {
        cause,
      },
    );
  }
}
