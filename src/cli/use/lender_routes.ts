/** Ways to a lender's tailnet server, tried in order. */
import { lookup } from "node:dns/promises";
import { isApiError } from "../../../lib/kubernetes/mod.ts";
import { Exit, exitCodes } from "../exit.ts";
import type { LenderNode } from "./lender_nodes.ts";
import type { AccessAnswer, ServerConnection } from "./lender_access.ts";

/** Way of kubectl's connections: by the machine's own routes, by a proxy, or by a forwarder of this command. */
export type Way = "direct" | "proxy" | "forwarder";
export const ways = ["direct", "proxy", "forwarder"] as const;

/** A way to one node. */
export interface LenderRoute {
  way: Way;
  /** Name of the node, for messages. */
  node: string;
  /** Connections to try at once: with and without a certificate, because the server has one or the other. */
  connections: readonly ServerConnection[];
}

/** A route that works. */
export interface OpenRoute {
  route: LenderRoute;
  connection: ServerConnection;
  access: AccessAnswer;
}

/** Pause before the next node is tried too. */
const staggerMs = 1000;

/** Returns the connections to a host for both schemes. */
export const schemes = (host: string, port: number, more: Partial<ServerConnection> = {}): ServerConnection[] =>
  (["http", "https"] as const).map((scheme) => ({ server: `${scheme}://${host}:${port}`, ...more }));

/** Returns the machine's addresses for a name; none if it has none. */
export const addressesOfName = (name: string): Promise<string[]> =>
  lookup(name, { all: true }).then((all) => all.map(({ address }) => address), () => []);

/**
 * Returns the route over the machine's own routes: by name if it resolves to the node, else by its address. A name that
 * leads elsewhere is not used.
 */
export async function directRoute(
  { dnsName, addresses }: LenderNode,
  port: number,
  resolve = addressesOfName,
): Promise<LenderRoute> {
  const found = await resolve(dnsName);
  const isNamed = found.length > 0 && found.every((address) => addresses.includes(address));
  const address = addresses[0] ?? dnsName;
  const host = address.includes(":") ? `[${address}]` : address;
  return {
    way: "direct",
    node: dnsName,
    connections: isNamed
      ? schemes(dnsName, port)
      : schemes(host, port).map((each) =>
        each.server.startsWith("https:") ? { ...each, tlsServerName: dnsName } : each
      ),
  };
}

/** Returns the route over a proxy, which resolves the name. */
export const proxyRoute = (name: string, port: number, proxyUrl: string): LenderRoute => ({
  way: "proxy",
  node: name,
  connections: schemes(name, port, { proxyUrl }),
});

/** Reports whether an error is the server's own answer, so that no other route would have another. */
const isAnswer = (error: unknown): boolean =>
  isApiError(error) && !/without a Kubernetes Status|and an empty body/.test(error.message);

/**
 * Returns the first route on which a tailnet server answers. The next one starts when the one before has failed or is
 * slow.
 */
export async function firstOpenRoute(
  routes: readonly LenderRoute[],
  ask: (connection: ServerConnection, signal: AbortSignal) => Promise<AccessAnswer>,
): Promise<OpenRoute> {
  const ended = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<OpenRoute>();
  const errors: { route: LenderRoute; error: unknown }[] = [];
  const attempt = async (route: LenderRoute) => {
    await Promise.all(route.connections.map(async (connection) => {
      try {
        resolve({ route, connection, access: await ask(connection, ended.signal) });
      } catch (error) {
        if (ended.signal.aborted) return;
        if (isAnswer(error)) reject(error);
        errors.push({ route, error });
      }
    }));
  };
  const all = (async () => {
    const running: Promise<void>[] = [];
    for (const route of routes) {
      if (ended.signal.aborted) return;
      running.push(attempt(route));
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        running.at(-1),
        promise.catch(() => {}),
        new Promise<void>((late) => timer = setTimeout(late, staggerMs)),
      ]);
      clearTimeout(timer);
    }
    await Promise.all(running);
    reject(problemOf(errors));
  })();
  try {
    return await promise;
  } finally {
    ended.abort();
    await all;
  }
}

/** No node answers; another way may work. */
export class LenderUnreachable extends Exit {
  constructor(message: string) {
    super(exitCodes.unreachable, message);
  }
}

/** Returns the error for routes of which none works. */
function problemOf(errors: readonly { route: LenderRoute; error: unknown }[]): unknown {
  const other = errors.find(({ error }) => error instanceof Exit);
  if (other) return other.error;
  const untrusted = errors.find(({ error }) => isUntrusted(error));
  if (untrusted) {
    return new Exit(
      exitCodes.unreachable,
      `${untrusted.route.node} shows a certificate that this machine doesn't trust: ${
        textOf(untrusted.error)
      }. Check this machine's clock, or ask the lender to renew the certificate of their tailnet server.`,
    );
  }
  const seen = new Map<string, string>();
  for (const { route: { node, way }, error } of errors) {
    // The plain connection's reason is the better one; it comes first.
    if (!seen.has(node)) seen.set(node, `${node} (${way}): ${textOf(error)}`);
  }
  return new LenderUnreachable([...seen.values()].join("; "));
}

const isUntrusted = (error: unknown): boolean => /certificate/i.test(textOf(error)) && !isPlain(error);

/** Reports whether the server speaks no TLS. */
const isPlain = (error: unknown): boolean => /InvalidContentType|corrupt/.test(textOf(error));

/** Returns the reason of an error, without the request that is known. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(
    /^.*didn't respond to GET \/k8s: |^GET \/k8s failed with 502 and without a Kubernetes Status: /,
    "",
  )
    .replace(/[.?]$/, "");
}
