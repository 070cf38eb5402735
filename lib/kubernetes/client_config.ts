/** A client certificate with its private key, both PEM. */
export interface ClientCertificate {
  /** The client's own certificate, followed by its intermediates if it has any. */
  readonly certificate: string;
  /** Belongs to the certificate; not encrypted with a password. */
  readonly key: string;
}

/** What proves to the API server who is asking. */
export interface Credentials {
  /** Value of the `Authorization` header, such as `Bearer …`. */
  readonly authorization?: string | undefined;
  /** Shown in the TLS handshake; another one makes new connections. */
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** Where the credentials of a user come from; asked before every request. */
export interface CredentialSource {
  /** The credentials to use now: cheap, from memory unless they have run out. Rejects with a sentence. */
  current(): Promise<Credentials>;
  /**
   * Told that the server answered 401 to `refused`. Resolves to whether the next `current()` may give others, that is,
   * whether a second try makes sense.
   */
  renew(refused: Credentials): Promise<boolean>;
}

/** How to reach an API server and as whom: what a kubeconfig's context or a pod's service account comes down to. */
export interface ClientConfig {
  /** Where this configuration was read from, for messages: `context "dev" of /home/a/.kube/config`. */
  readonly source: string;
  /** Base URL without a trailing slash, such as `https://10.0.0.1:6443`. */
  readonly server: string;
  /** PEM certificates of authorities to trust in addition to Deno's own (`DENO_TLS_CA_STORE`). */
  readonly caCerts?: string | undefined;
  /** Proxy for every connection: `http:`, `https:` or `socks5:`, possibly with user and password. */
  readonly proxyUrl?: string | undefined;
  /** The namespace for requests that name none. */
  readonly namespace: string;
  /** As whom; asked before every request, so a token may change at any time. */
  readonly credentials: CredentialSource;
  /** Headers for every request: the `Impersonate-*` family. */
  readonly headers?: readonly (readonly [string, string])[] | undefined;
}

/** A configuration that can't be used. The message names file, context, field and remedy. */
export class ConfigError extends Error {
  /** Names the class where only text is left, as in logs. */
  override readonly name = "ConfigError";
}

/** The outside world as configuration sees it; the defaults are Deno's own, tests hand in their own. */
export interface ConfigEnvironment {
  /** Default: `Deno.env.get`. */
  env?: (name: string) => string | undefined;
  /** Default: `Deno.readTextFile`. Rejects with `Deno.errors.NotFound` for a missing file. */
  readTextFile?: (path: string) => Promise<string>;
  /** Runs a credential plugin. Default: `Deno.Command`. */
  runCommand?: RunCommand;
}

/** Runs a program to its end; rejects when it can't be started or the signal fires. */
export type RunCommand = (
  command: string,
  options: { args: string[]; env: Record<string, string>; stdin: "inherit" | "null"; signal: AbortSignal },
) => Promise<{ code: number; stdout: string; stderr: string }>;

/** {@linkcode ConfigEnvironment} with its defaults filled in. */
export function systemEnvironment(environment: ConfigEnvironment = {}): Required<ConfigEnvironment> {
  return {
    env: environment.env ?? ((name) => Deno.env.get(name)),
    readTextFile: environment.readTextFile ?? ((path) => Deno.readTextFile(path)),
    runCommand: environment.runCommand ?? runCommand,
  };
}

const runCommand: RunCommand = async (command, { args, env, stdin, signal }) => {
  const output = await new Deno.Command(command, { args, env, stdin, signal, stdout: "piped", stderr: "piped" })
    .output();
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
};
