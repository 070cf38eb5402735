/** Connections through a proxy for the transport by `node:https`, which knows no proxies. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, isIP, type Socket } from "node:net";
import type { ProxyUrl } from "./proxy_url.ts";

/** Maximum time that a proxy takes to open a connection. */
const openWithinMs = 30_000;

/** Opens a connection to a host behind the proxy; rejects with a sentence that names the proxy. */
export async function openTunnel(proxy: ProxyUrl, host: string, port: number): Promise<Socket> {
  try {
    return await (proxy.transport === "socks5" ? socksTunnel : connectTunnel)(proxy, host, port);
  } catch (error) {
    throw new Error(`the proxy ${proxy.url} can't connect to ${host}:${port}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Opens a tunnel by the method CONNECT of HTTP. */
function connectTunnel({ transport, url, basicAuth }: ProxyUrl, host: string, port: number): Promise<Socket> {
  const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const { hostname, port: proxyPort } = new URL(url);
  const login = basicAuth && btoa(String.fromCharCode(...bytes(`${basicAuth.username}:${basicAuth.password}`)));
  return new Promise((resolve, reject) => {
    const call = (transport === "https" ? httpsRequest : httpRequest)({
      host: bare(hostname),
      port: proxyPort || (transport === "https" ? 443 : 80),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...(login ? { "proxy-authorization": `Basic ${login}` } : {}) },
      agent: false,
      timeout: openWithinMs,
    });
    call.on("connect", ({ statusCode, statusMessage }, socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`it answered ${statusCode} ${statusMessage ?? ""}`.trim()));
    });
    call.on("response", ({ statusCode, statusMessage }) => {
      call.destroy();
      reject(new Error(`it answered ${statusCode} ${statusMessage ?? ""}`.trim()));
    });
    call.on("timeout", () => call.destroy(new Error(`no answer within ${openWithinMs / 1000} s`)));
    call.on("error", reject);
    call.end();
  });
}

/** Reasons of a SOCKS server, by its reply (RFC 1928, section 6). */
const socksReplies = [
  "",
  "general failure",
  "not allowed by its rules",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "time to live expired",
  "command not supported",
  "address type not supported",
];

/** Opens a tunnel by SOCKS 5; names are resolved by the proxy (RFC 1928 and RFC 1929). */
async function socksTunnel({ url, basicAuth }: ProxyUrl, host: string, port: number): Promise<Socket> {
  const { hostname, port: proxyPort } = new URL(url);
  const socket = connect({ host: bare(hostname), port: Number(proxyPort) || 1080 });
  try {
    const answers = new Answers(socket);
    await answers.connected();
    socket.write(new Uint8Array(basicAuth ? [5, 2, 0, 2] : [5, 1, 0]));
    const [version, method] = await answers.read(2);
    if (version !== 5) throw new Error("it is no SOCKS 5 proxy");
    if (method === 2 && basicAuth) {
      const [name, password] = [bytes(basicAuth.username), bytes(basicAuth.password)];
      socket.write(new Uint8Array([1, name.length, ...name, password.length, ...password]));
      if ((await answers.read(2))[1] !== 0) throw new Error("it refused the user or password");
    } else if (method !== 0) throw new Error("it requires another login; set a user and password in proxy-url");
    const name = bytes(host);
    const address = isIP(host) === 4
      ? [1, ...host.split(".").map(Number)]
      : isIP(host) === 6
      ? [4, ...bytesOfIpv6(host)]
      : [3, name.length, ...name];
    socket.write(new Uint8Array([5, 1, 0, ...address, port >> 8, port & 255]));
    const [, reply, , type] = await answers.read(4);
    if (reply !== 0) throw new Error(socksReplies[reply!] ?? `reply ${reply}`);
    const length = type === 1 ? 4 : type === 4 ? 16 : (await answers.read(1))[0]!;
    await answers.read(length + 2);
    answers.end();
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Reads a connection by numbers of bytes. */
class Answers {
  readonly #socket: Socket;
  #failure: Error | undefined;
  #wake = (): void => {};
  readonly #listeners: Record<string, (error?: Error) => void>;

  constructor(socket: Socket) {
    this.#socket = socket;
    const failed = (message: string) => (error?: Error) => {
      this.#failure ??= error instanceof Error ? error : new Error(message);
      this.#wake();
    };
    this.#listeners = {
      readable: () => this.#wake(),
      connect: () => this.#wake(),
      error: failed("the connection broke"),
      end: failed("it ended the connection"),
      timeout: failed(`no answer within ${openWithinMs / 1000} s`),
    };
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
    socket.setTimeout(openWithinMs);
  }

  connected(): Promise<true> {
    return this.#until(() => !this.#socket.connecting || undefined);
  }

  read(length: number): Promise<Uint8Array> {
    return this.#until(() => this.#socket.read(length) as Uint8Array | null ?? undefined);
  }

  end(): void {
    this.#socket.setTimeout(0);
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener);
  }

  async #until<T>(found: () => T | undefined): Promise<T> {
    while (true) {
      if (this.#failure) throw this.#failure;
      const value = found();
      if (value !== undefined) return value;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Returns a URL's host without the brackets of IPv6. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, "");

function bytesOfIpv6(address: string): number[] {
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string) => text === "" ? [] : text.split(":");
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => "0"), ...after];
  return all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
}
