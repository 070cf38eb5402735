import { ConfigError } from "./client_config.ts";

/** A proxy through which connections are opened. */
export interface ProxyUrl {
  transport: "http" | "https" | "socks5";
  /** URL without user and password. */
  url: string;
  basicAuth?: { username: string; password: string };
}

/**
 * Returns the parts of a `proxy-url`.
 *
 * @throws {ConfigError} with the source of the configuration, if client-go would refuse it too
 */
export function parseProxyUrl(proxyUrl: string, source: string): ProxyUrl {
  const url = URL.parse(proxyUrl);
  const transport = url && ({ "http:": "http", "https:": "https", "socks5:": "socks5" } as const)[url.protocol];
  if (!url || !transport) {
    throw new ConfigError(
      `The proxy-url of ${source} isn't an http, https or socks5 URL. Correct it: kubectl config set-cluster NAME ` +
        `--proxy-url=http://HOST:PORT`,
    );
  }
  const basicAuth = url.username
    ? { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
    : undefined;
  url.username = url.password = "";
  return { transport, url: url.href, ...(basicAuth && { basicAuth }) };
}
