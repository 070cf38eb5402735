/** A client certificate with its private key, both PEM. */
export interface ClientCertificate {
  /** The client's certificate, followed by its intermediates if any. */
  readonly certificate: string;
  /** Private key of the certificate; not encrypted with a password. */
  readonly key: string;
}

/** Credentials for the API server. */
export interface Credentials {
  /** Value of the `Authorization` header, such as `Bearer …`. */
  readonly authorization?: string | undefined;
  /** Certificate for the TLS handshake; another one opens new connections. */
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** Source of a user's credentials; used before every request. */
export interface CredentialSource {
  /** True if `current` may wait for a person, which isn't part of a request's deadline. */
  readonly attended?: boolean;
  /** Returns the current credentials: from memory unless they have expired. Rejects with a sentence. */
  current(): Promise<Credentials>;
  /**
   * Called after the server responded to `refused` with a 401. Resolves to true if the next `current()` may return
   * other credentials, so that a retry makes sense.
   */
  renew(refused: Credentials): Promise<boolean>;
}

/** Server and user of a client: the content of a kubeconfig's context or of a pod's service account. */
export interface ClientConfig {
  /** Origin of this configuration, for messages: `context "dev" of /home/a/.kube/config`. */
  readonly source: string;
  /** Base URL without a trailing slash, such as `https://10.0.0.1:6443`. */
  readonly server: string;
  /** PEM certificates of trusted authorities, in addition to Deno's own (`DENO_TLS_CA_STORE`). */
  readonly caCerts?: string | undefined;
  /** Reads the authorities again if they are in a file, which their owner may replace; resolves to the PEM. */
  readonly readCaCerts?: (() => Promise<string>) | undefined;
  /** Name that the server's certificate must have, if it isn't the host of `server`. */
  readonly tlsServerName?: string | undefined;
  /** True to accept any certificate of the server, so that an attacker on the path can read the credentials. */
  readonly insecureSkipTlsVerify?: boolean | undefined;
  /** Proxy for every connection: `http:`, `https:` or `socks5:`, possibly with user and password. */
  readonly proxyUrl?: string | undefined;
  /** The namespace for requests without one. */
  readonly namespace: string;
  /** Credentials of the user; read before every request, so a token may change at any time. */
  readonly credentials: CredentialSource;
  /** Headers for every request: the `Impersonate-*` family. */
  readonly headers?: readonly (readonly [string, string])[] | undefined;
}

/** An invalid configuration. The message has the file, context, field and remedy. */
export class ConfigError extends Error {
  /** Class name where only text is available, as in logs. */
  override readonly name = "ConfigError";
}

/** Environment of the configuration; the defaults are Deno's, tests pass their own. */
export interface ConfigEnvironment {
  /** Default: `Deno.env.get`. */
  env?: (name: string) => string | undefined;
  /** Default: `Deno.readTextFile`. Rejects with `Deno.errors.NotFound` for a missing file. */
  readTextFile?: (path: string) => Promise<string>;
  /** Runs a credential plugin. Default: `Deno.Command`. */
  runCommand?: RunCommand;
  /**
   * True if a person sees what a plugin writes to standard error, and can do what it requests: it isn't stopped then.
   * Default: if standard error is a terminal.
   */
  attended?: boolean;
  /** True if a plugin may read standard input. Default: if it is a terminal. */
  isInteractive?: () => boolean;
}

/** Runs a program to its end; rejects if it can't be started or the signal aborts. */
export type RunCommand = (
  command: string,
  options: {
    args: string[];
    env: Record<string, string>;
    stdin: "inherit" | "null";
    stderr: "inherit" | "piped";
    signal: AbortSignal;
  },
) => Promise<{ code: number; stdout: string; stderr: string }>;

/** Returns a {@linkcode ConfigEnvironment} with its defaults. */
export function systemEnvironment(environment: ConfigEnvironment = {}): Required<ConfigEnvironment> {
  return {
    env: environment.env ?? ((name) => Deno.env.get(name)),
    readTextFile: environment.readTextFile ?? ((path) => Deno.readTextFile(path)),
    runCommand: environment.runCommand ?? runCommand,
    attended: environment.attended ?? Deno.stderr.isTerminal(),
    isInteractive: environment.isInteractive ?? (() => Deno.stdin.isTerminal()),
  };
}

const runCommand: RunCommand = async (command, { args, env, stdin, stderr, signal }) => {
  const child = new Deno.Command(command, { args, env, stdin, stderr, signal, stdout: "piped" }).spawn();
  // Without this a plugin that waits for a person would outlive this program.
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  };
  globalThis.addEventListener("unload", end);
  try {
    const output = await child.output();
    const decoder = new TextDecoder();
    return {
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: stderr === "piped" ? decoder.decode(output.stderr) : "",
    };
  } finally {
    globalThis.removeEventListener("unload", end);
  }
};
