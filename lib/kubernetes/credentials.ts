import { type Clock, systemClock } from "../clock/mod.ts";
import { ConfigError, type Credentials, type CredentialSource } from "./client_config.ts";

/** Maximum age of a token read from a file: the kubelet rotates a pod's token in place, well before it expires. */
const TOKEN_FILE_MAX_AGE_MS = 60_000;

/** Returns credentials that never change: a certificate, a token, a password, or none. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return {
    current: () => Promise.resolve(credentials),
    renew: () => Promise.resolve(false),
  };
}

/** Returns a header for basic authentication, for a kubeconfig's `username` and `password`. */
export function basicAuthorization(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${bytes.toBase64()}`;
}

/** Options of a {@linkcode TokenFile}. */
export interface TokenFileOptions {
  path: string;
  readTextFile: (path: string) => Promise<string>;
  /** Origin, for messages, such as `user "sa" of /home/a/.kube/config`. */
  source: string;
  clock?: Clock | undefined;
  /** Client certificate used in addition to the token. */
  clientCertificate?: Credentials["clientCertificate"] | undefined;
}

/**
 * A bearer token in a file that another program renews. It is read again if the last reading is older than 60 s or
 * its token was refused. While the file can't be read, the last token stays in use.
 */
export class TokenFile implements CredentialSource {
  readonly #options: TokenFileOptions;
  readonly #clock: Clock;
  #read: { credentials: Credentials; at: number } | undefined;

  constructor(options: TokenFileOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async current(): Promise<Credentials> {
    const last = this.#read;
    if (last && this.#clock.monotonic() - last.at < TOKEN_FILE_MAX_AGE_MS) return last.credentials;
    try {
      const token = await this.#readToken();
      const credentials = {
        authorization: `Bearer ${token}`,
        clientCertificate: this.#options.clientCertificate,
      };
      this.#read = { credentials, at: this.#clock.monotonic() };
      return credentials;
    } catch (error) {
      if (last) return last.credentials;
      throw error;
    }
  }

  async renew(refused: Credentials): Promise<boolean> {
    if (this.#read) this.#read = { ...this.#read, at: -Infinity };
    return (await this.current()).authorization !== refused.authorization;
  }

  async #readToken(): Promise<string> {
    const { path, source, readTextFile } = this.#options;
    let text: string;
    try {
      text = await readTextFile(path);
    } catch (error) {
      throw new ConfigError(
        `The token file ${path} of ${source} can't be read (${(error as Error).message}). Correct tokenFile, or make ` +
          `the file readable.`,
        { cause: error },
      );
    }
    const token = text.trim();
    if (token === "") {
      throw new ConfigError(
        `The token file ${path} of ${source} is empty. Write a token into it, or correct tokenFile.`,
      );
    }
    return token;
  }
}
