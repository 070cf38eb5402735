/** The proxy that a tailscaled without a network device opens for programs of its machine. */

/** Flags of tailscaled, in the order of preference: SOCKS passes bytes, also of upgraded connections. */
const flags = [["socks5-server", "socks5"], ["outbound-http-proxy-listen", "http"]] as const;

/**
 * Returns the proxy's URL from a daemon's command line; undefined if it has none, or if the line is another socket's.
 *
 * @param line arguments, the program first
 */
export function proxyOfDaemon(line: readonly string[], socket: string, usualSocket: string): string | undefined {
  if (!/(^|\/)tailscaled$/.test(line[0] ?? "") || (valueOf("socket") ?? usualSocket) !== socket) return undefined;
  for (const [flag, scheme] of flags) {
    const [, host, port] = /^(.*):(\d+)$/.exec(valueOf(flag) ?? "") ?? [];
    if (port === undefined || port === "0") continue;
    const isAny = ["", "localhost", "0.0.0.0", "[::]", "::"].includes(host!);
    return `${scheme}://${isAny ? "127.0.0.1" : host}:${port}`;
  }
  return undefined;

  /** Go takes -flag and --flag, with the value after = or in the next argument. */
  function valueOf(name: string): string | undefined {
    for (const [index, text] of line.entries()) {
      const [, found, value] = /^--?([a-z0-9-]+)(?:=(.*))?$/.exec(text) ?? [];
      if (found === name) return value ?? line[index + 1];
    }
    return undefined;
  }
}

/**
 * Returns the URL of the daemon's proxy as its command line says; undefined if there is none, or none that can be seen.
 * LocalAPI doesn't tell it. Only processes of root, of the socket's owner and of this user count, because any user can
 * start a program of that name.
 */
export async function daemonProxy(socket: string, usualSocket: string): Promise<string | undefined> {
  const owner = (await Deno.stat(socket).catch(() => undefined))?.uid;
  const trusted = new Set([0, Deno.uid(), owner]);
  // Deno gives /proc only to programs with all rights.
  const listed = await new Deno.Command("ps", {
    args: ["-A", "-ww", "-o", "uid=", "-o", "args="],
    stdin: "null",
    stderr: "null",
  }).output().catch(() => undefined);
  for (const line of new TextDecoder().decode(listed?.stdout).split("\n")) {
    const [uid, ...words] = line.trim().split(/\s+/);
    const found = proxyOfDaemon(words, socket, usualSocket);
    if (found !== undefined && trusted.has(Number(uid))) return found;
  }
  return undefined;
}
